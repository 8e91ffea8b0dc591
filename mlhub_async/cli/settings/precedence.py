"""Which value an option has: from the command line, its variable, a configuration file, or its default."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import click

from ...core.errors import UsageError
from . import PREFIX
from .config_files import ConfigFile, read_config_files

_META = "mlhub_async.settings"

KEYS = frozenset({"api_key", "api_token", "profile"})
_ALTERNATIVES = (
    KEYS,
    frozenset({"selection__bbox", "selection__intersects"}),
    frozenset({"path_template", "layout"}),
    frozenset({"if_exists", "overwrite", "skip_existing"}),
    frozenset({"dest", "output_dir"}),
)
"""Parameters of which one replaces the others: where one is given, a lower level gives none of them."""
_OF_A_MIRROR = frozenset({"shard"})
"""Parameters that other commands refuse where they are on their line: settings are for the mirror then."""
_KEY_VARIABLES = ("MLHUB_API_KEY", "MLHUB_PROFILE", "MLHUB_ACCESS_TOKEN")
"""Resolved by `http.auth.profiles`, in the order of the official client; they win over a file's keys."""


@dataclass(slots=True)
class Settings:
    """Values by parameter name, as text or as click takes them, where each is from, and its option."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)

    def put(self, option: click.Option, value: Any, origin: str) -> None:
        name = option.name or ""
        self.values[name], self.origins[name], self.words[name] = value, origin, f"--{name_of(option)}"


def settings_of(
    command: click.Command,
    every: Mapping[str, click.Command],
    given: Collection[str],
    environ: Mapping[str, str],
) -> Settings:
    """What the environment and the configuration files say about the options of `command`.

    `every`: all commands by name, to tell a misspelt option from one of another command. `given`: the
    parameters that are on the command line. Raises `UsageError` if a file is wrong.
    """
    found = Settings()
    for file in read_config_files(environ):
        _take_file(found, file, command, every)
    if any(environ.get(name) for name in _KEY_VARIABLES):
        _drop(found, KEYS)
    variables = {variable_of(option): option for option in _options(command) if _has_variable(option)}
    set_here = {name: environ[name] for name in variables if environ.get(name)}
    for name, text in set_here.items():
        option = variables[name]
        _replace_alternatives(found, [option.name or ""])
        found.put(option, _from_text(option, text), name)
    _replace_alternatives(found, given)
    _drop(found, given)
    return found


def name_of(option: click.Option) -> str:
    """The one spelling that is shown, and the name in a configuration file: `max-per-host`."""
    return next(name for name in option.opts if name.startswith("--")).removeprefix("--")


def variable_of(option: click.Option) -> str:
    """The name of the variable that sets an option: `MLHUB_MAX_PER_HOST`."""
    return _variable(name_of(option))


def _variable(name: str) -> str:
    return PREFIX + name.replace("-", "_").upper()


def _has_variable(option: click.Option) -> bool:
    """MLHUB_API_KEY and MLHUB_PROFILE come after an explicit --profile: they are resolved elsewhere."""
    return option.name not in ("api_key", "profile")


def _options(command: click.Command) -> Iterator[click.Option]:
    others = _OF_A_MIRROR if command.name != "mirror" else ()
    known = (one for one in command.params if isinstance(one, click.Option))
    return (one for one in known if one.name is not None and one.name not in others)


def _replace_alternatives(found: Settings, names: Iterable[str]) -> None:
    for name in names:
        for group in _ALTERNATIVES:
            if name in group:
                _drop(found, group)


def _drop(found: Settings, names: Iterable[str]) -> None:
    for name in names:
        found.values.pop(name, None)
        found.origins.pop(name, None)


def _take_file(
    found: Settings, file: ConfigFile, command: click.Command, every: Mapping[str, click.Command]
) -> None:
    """The values at the top of the file, then those of the table of this command."""
    own = {name_of(option): option for option in _options(command)}
    names = {name: {name_of(option) for option in _options(one)} for name, one in every.items()}
    at_top = set[str]().union(*names.values())
    _check_spellings(file, "", [key for key in file.content if key not in every])
    for key, value in file.content.items():
        if key in every and isinstance(value, Mapping):
            _check_spellings(file, f"{key}.", value)
            for inner in value:
                _check_name(file, f"{key}.{inner}", _spelled(inner), names[key])
        else:
            _check_name(file, key, _spelled(key), at_top)
            _take(found, file, own.get(_spelled(key)), key, value)
    table = file.content.get(command.name or "")
    if isinstance(table, Mapping):
        for key, value in table.items():
            _take(found, file, own.get(_spelled(key)), f"{command.name}.{key}", value)


def _spelled(key: str) -> str:
    return key.replace("_", "-")


def _check_spellings(file: ConfigFile, table: str, keys: Iterable[str]) -> None:
    """TOML refuses a key that comes twice, not two spellings of one option."""
    first: dict[str, str] = {}
    for key in keys:
        if (other := first.setdefault(_spelled(key), key)) != key:
            both = f"{table}{other} and {table}{key}"
            raise UsageError(f"{file.name}: {both} are one option: leave one of them out")


def _check_name(file: ConfigFile, shown: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        from difflib import get_close_matches

        near = get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"{file.name}: there is no option {shown!r}{hint}")
    if file.refuses(name):
        raise UsageError(
            f"{file.name}: {shown!r} decides who sees keys or whose files are taken, and a file of "
            f"the current directory may be somebody else's: use the command line, {_variable(name)} or the "
            "user's configuration file"
        )


def _take(found: Settings, file: ConfigFile, option: click.Option | None, key: str, value: Any) -> None:
    if option is None or option.name is None:
        return  # of another command
    _replace_alternatives(found, [option.name])
    found.put(option, _from_toml(file, option, key, value), f"{file.name}: {key}")


def _from_text(option: click.Option, text: str) -> Any:
    """A variable's text; of a repeatable option one value per line."""
    return [line for line in text.splitlines() if line.strip()] if option.multiple else text


def _from_toml(file: ConfigFile, option: click.Option, key: str, value: Any) -> Any:
    """A TOML value as the text that the command line would have."""
    if option.is_flag and not option.secondary_opts and not isinstance(value, bool):
        raise UsageError(f"{file.name}: {key!r} is true or false, not {value!r}")
    if option.is_flag:
        return value
    if isinstance(value, bool):
        raise UsageError(
            f"{file.name}: {key!r} takes {option.metavar or 'a value'}, not {str(value).lower()}"
        )
    if isinstance(value, list) and not option.multiple:
        return ",".join(_text(one) for one in value)  # bbox = [5.9, 45.8, 10.5, 47.8]
    if option.multiple:
        return [_text(one) for one in (value if isinstance(value, list) else [value])]
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, Mapping | list):
        import json

        return json.dumps(value, default=str)
    return str(value)


@contextmanager
def apply_settings(command: click.Command, ctx: click.Context, words: Sequence[str]) -> Iterator[None]:
    """Let the settings be the defaults of the options of `command` within the block.

    A value that is refused there is named with the place that it is from.
    """
    given = _given(command, ctx, words)
    every = _commands_beside(command, ctx)
    settings = settings_of(command, every, given, os.environ)
    ctx.default_map = settings.values
    ctx.meta[_META] = settings
    try:
        yield
    except click.BadParameter as wrong:
        name = wrong.param.name if wrong.param is not None else None
        origin = settings.origins.get(name) if name and name not in given else None
        if not origin:
            raise
        raise click.BadParameter(f"{wrong.message} (from {origin})", wrong.ctx, wrong.param) from None


def settings_in_effect(ctx: click.Context) -> list[str]:
    """The options that are set elsewhere than on the command line, and where; without their values."""
    settings = ctx.meta.get(_META, Settings())
    return [f"{settings.words[name]} ({origin})" for name, origin in settings.origins.items()]


def with_origins(message: str, ctx: click.Context) -> str:
    """A message with the place of each option in it that is set elsewhere than on the command line."""
    settings = ctx.meta.get(_META, Settings())
    named = set(re.findall(r"--[a-z][a-z-]*", message))
    known = [(settings.words[name], origin) for name, origin in settings.origins.items()]
    places = [f"{word} is from {origin}" for word, origin in known if word in named]
    return f"{message} ({', '.join(places)})" if places else message


def _given(command: click.Command, ctx: click.Context, words: Sequence[str]) -> set[str]:
    """The parameters that are on the command line."""
    try:
        values, _, _ = command.make_parser(ctx).parse_args(list(words))
    except click.UsageError:
        return set()  # which is reported when the words are parsed for good
    return {name for name, value in values.items() if value not in (None, (), [])}


def _commands_beside(command: click.Command, ctx: click.Context) -> Mapping[str, click.Command]:
    group = ctx.parent.command if ctx.parent is not None else None
    return group.commands if isinstance(group, click.Group) else {command.name or "": command}
