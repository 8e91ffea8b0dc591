"""Room on the disk for what a source has to keep while it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class Workspace:
    """A folder, made when it is first asked for. `kept`: where it is and stays; None: a temporary one."""

    def __init__(self, kept: Path | None = None) -> None:
        self.is_kept = kept is not None
        self._kept = kept
        self._temporary: str | None = None
        self._on_close: list[Callable[[bool], None]] = []

    def on_close(self, call: Callable[[bool], None]) -> None:
        """Call it in the end; with true if what was begun was completed."""
        self._on_close.append(call)

    @property
    def folder(self) -> Path:
        """Raises OSError where it cannot be made."""
        if self._kept is not None:
            self._kept.mkdir(mode=0o700, exist_ok=True)
            return self._kept
        if self._temporary is None:
            import tempfile

            self._temporary = tempfile.mkdtemp(prefix="mlhub-async-")
        return Path(self._temporary)

    def part(self, name: str) -> Workspace:
        """The workspace of one of several archives, in a folder of this name. It is closed with this one."""
        made = Workspace(self.folder / name)
        made.is_kept = self.is_kept
        self.on_close(lambda completed: made.close(completed=completed))
        return made

    def keep_parts(self, names: Iterable[str]) -> None:
        """Remove the folders of parts that an earlier run left, and that are none of these."""
        if self._kept is None or not self._kept.is_dir():
            return
        import shutil

        kept = set(names)
        for one in self._kept.iterdir():
            if one.name not in kept and one.is_dir() and not one.is_symlink():
                shutil.rmtree(one, ignore_errors=True)

    def close(self, *, completed: bool) -> None:
        """Remove what is temporary."""
        for call in self._on_close:
            call(completed)
        if self._temporary is not None:
            import shutil

            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None


@contextmanager
def workspace(kept: Path | None = None) -> Iterator[Workspace]:
    """A workspace that is closed in the end."""
    made, completed = Workspace(kept), False
    try:
        yield made
        completed = True
    finally:
        made.close(completed=completed)
