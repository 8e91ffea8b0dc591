"""Examples, exit codes, and which options the short help shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_USUAL = """
--collection --dataset --ids --bbox --datetime --query --max-items --include --exclude --api-key --header
--concurrency --bwlimit --if-exists --path-template --dry-run --save --deep --exit-code --kills --items
--port --profile --output --quiet --verbose --json
"""
USUAL = frozenset(_USUAL.split())
"""The options of the short help, by the spelling that is shown."""

EXAMPLES: Mapping[str, Sequence[tuple[str, str]]] = {
    "mirror": (
        (
            "a STAC API, two asset keys",
            "mlhub-async mirror https://stac.example/v1 data -c chips -i labels -i B04",
        ),
        ("an area and a time", "mlhub-async mirror URL data --bbox 5.9 45.8 10.5 47.8 --datetime 2018"),
        ("what would be fetched", "mlhub-async mirror URL data -n"),
        ("kept up to date", "mlhub-async mirror URL data --prune --every 6h"),
        ("a data set of a hub", "mlhub-async mirror hf://datasets/ORG/NAME data"),
        ("the bytes of a lockfile", "mlhub-async mirror data.lock copy"),
        ("an archive, never extracted", "mlhub-async mirror https://host.example/chips.zip data"),
    ),
    "plan": (
        ("items, assets, bytes", "mlhub-async plan https://stac.example/v1 -c chips"),
        ("where sizes are unknown", "mlhub-async plan URL --forecast"),
        ("for a later run elsewhere", "mlhub-async plan URL --save plan.ndjson"),
    ),
    "diff": (
        ("what a mirror would change", "mlhub-async diff https://stac.example/v1 data -c chips"),
        ("two versions of a dataset", "mlhub-async diff old.lock new.lock"),
    ),
    "lock": (
        ("the bytes of a mirror, for git", "mlhub-async lock data -o data.lock"),
        ("what has changed upstream", "mlhub-async lock --check data.lock"),
    ),
    "verify": (
        ("sizes, digests, receipt", "mlhub-async verify data"),
        ("also inside the files", "mlhub-async verify data --deep"),
    ),
    "status": (("counts and failures", "mlhub-async status data"),),
    "merge": (("after all runs with --shard", "mlhub-async merge data"),),
    "report": (
        ("a page to look at", "mlhub-async report data"),
        ("elsewhere", "mlhub-async report data -o data.html"),
    ),
    "ls": (
        ("collections", "mlhub-async ls https://stac.example/v1"),
        ("items of one", "mlhub-async ls https://stac.example/v1 -c chips"),
        ("assets of one item", "mlhub-async ls https://stac.example/v1 -c chips --ids chip-1"),
    ),
    "serve": (("the mirror at http://127.0.0.1:8080/", "mlhub-async serve data"),),
    "configure": (("ask for the key", "mlhub-async configure"),),
    "auth": (("which keys are seen", "mlhub-async auth status"),),
    "selftest": (("the disk of a mirror", "mlhub-async selftest /data"),),
    "demo": (("six labels, their images", "mlhub-async demo"),),
    "serve-demo": (("until Ctrl-C", "mlhub-async serve-demo --port 8080"),),
    "completion": (
        ("bash", 'eval "$(mlhub-async completion bash)"'),
        ("zsh", 'eval "$(mlhub-async completion zsh)"'),
        ("fish", "mlhub-async completion fish > ~/.config/fish/completions/mlhub-async.fish"),
    ),
}
"""By command: what it is for, and the command line."""

EXIT_CODES: Sequence[tuple[str, str]] = (
    ("0", "complete and verified"),
    ("1", "internal error: a bug"),
    ("2", "usage or configuration error"),
    ("3", "SOURCE not found, no STAC, or access refused"),
    ("4", "finished; some assets failed for good"),
    ("5", "what is missing may come: run the same command again"),
    ("6", "verify, merge or lock found damage"),
    ("7", "local storage: disk full, read-only, no directory"),
    ("8", "--max-transfer or --max-duration was reached"),
    ("9", "nothing matched the selection"),
    ("11", "another run owns DEST"),
    ("129, 130, 143", "hung up, interrupted, terminated: run again to continue"),
)
"""Of all commands; docs/exit-codes.md says more."""

ELSEWHERE = (
    "Each option can be set by a variable (MLHUB_MAX_PER_HOST=4 is --max-per-host 4), in ./mlhub.toml and in "
    "the user's configuration file (max-per-host = 4). The command line wins, then variables, then files."
)
