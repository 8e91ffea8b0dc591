"""`--metrics FILE`: the counters of a mirror for the textfile collector of Prometheus' node_exporter.

The file is replaced whole while a run lasts and at its end. Counters go on from what the run before has left
in it, so that they only grow; a file that is gone lets them begin at 0, which Prometheus takes for a restart.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

from ... import __version__
from ...core.errors import Locked, UsageError
from ...core.options import Options
from ...core.options.output_file import output_file
from ...core.telemetry import Meter
from ...core.urls import is_store_address, redacted
from ..destination import refuse_inside
from .exposition import Family, Labels, Samples, Series, parse, render
from .receipt import Report, exit_code_of


class _NotReplaced(Exception):
    """Ends a trial to write."""


EVERY_SECONDS = 15.0
"""Between two writes of a run that lasts. Prometheus usually reads once a minute."""
MAX_BYTES = 1 << 20
PREFIX = "mlhub_async_"
OUTCOMES = {
    0: "complete",
    1: "bug",
    2: "usage",
    3: "source",
    4: "failed",
    5: "temporary",
    7: "storage",
    8: "limit",
    9: "nothing_matched",
}
"""By exit code; those of signals are `INTERRUPTED`."""
INTERRUPTED, KILLED = "interrupted", "killed"


def _gauge(name: str, text: str) -> Family:
    return Family(PREFIX + name, "gauge", text)


def _counter(name: str, text: str) -> Family:
    return Family(PREFIX + name, "counter", text)


_INFO = _gauge("build_info", "Version of mlhub-async that made the last run.")
_RUNNING = _gauge("run_in_progress", "1 while a run is under way, else 0.")
_CODE = _gauge("last_run_exit_code", "Exit code of the last run that has ended.")
_SUCCESS = _gauge("last_success_timestamp_seconds", "End of the last run with exit code 0, Unix time.")
_START = _gauge("last_run_start_timestamp_seconds", "Start of the newest run, Unix time.")
_END = _gauge("last_run_end_timestamp_seconds", "End of the last run, Unix time.")
_DURATION = _gauge("last_run_duration_seconds", "How long the newest run has taken so far.")
_RUN_FILES = _gauge("last_run_files", "Files of the newest run: selected by it, and settled by state.")
_RUN_BYTES = _gauge("last_run_mirrored_bytes", "Size of the files of the newest run that are on disk.")
_RUNS = _counter("runs_total", "Runs that have ended, by outcome.")
_FILES = _counter("files_total", "Files settled by all runs, by state.")
_ITEMS = _counter("items_listed_total", "Items read from the catalogue by all runs.")
_RECEIVED = _counter("received_bytes_total", "Bytes of assets read from the network.")
_RETRIES = _counter("retries_total", "Attempts repeated: as the host asked to wait, or after a failure.")
_RESTARTS = _counter("body_restarts_total", "Files begun anew although a part of them was on disk.")
_FAILURES = _counter("failures_total", "Failed files and flaws of the catalogue, by kind of error.")
FAMILIES = (
    *(_INFO, _RUNNING, _CODE, _SUCCESS, _START, _END, _DURATION, _RUN_FILES, _RUN_BYTES),
    *(_RUNS, _FILES, _ITEMS, _RECEIVED, _RETRIES, _RESTARTS, _FAILURES),
)
_COUNTERS = frozenset(family.name for family in FAMILIES if family.kind == "counter")


@dataclass(slots=True)
class MetricsFile:
    """The file of one mirror. `labels` say which mirror it is; `clock` gives Unix time in seconds."""

    path: str
    labels: Labels
    clock: Callable[[], float] = time.time
    stopwatch: Callable[[], float] = time.monotonic
    """seconds since some moment; nobody sets it"""
    report: Report | None = None
    """of the run, when it has ended without an exception"""
    _before: Samples = field(default_factory=dict)
    _started: float = 0.0
    _began: float = 0.0
    _timer: asyncio.TimerHandle | None = None

    @contextlib.asynccontextmanager
    async def written_at_end(self, meter: Meter) -> AsyncIterator[MetricsFile]:
        """Write the file when the block ends, however it ends.

        Not if another run owns DEST: the file is that run's. Raises `UsageError` at once where it cannot be
        written or is not of this mirror. What fails later is a warning: it does not change the copy.
        """
        self._started, self._began, self._before = self.clock(), self.stopwatch(), self._read()
        with self._as_usage():
            self._refuse_unwritable()
        try:
            yield self
        except Locked:
            raise
        except BaseException as error:
            self._write_or_warn(self._ended(meter, exit_code_of(error)))
            raise
        assert self.report is not None
        self._write_or_warn(self._ended(meter, self.report.exit_code))

    @contextlib.contextmanager
    def written_meanwhile(self, meter: Meter) -> Iterator[None]:
        """Write the file at once and then every `EVERY_SECONDS` while the block runs. DEST is owned."""
        if self._before.get(self._of(_RUNNING)):
            killed = self._of(_RUNS, outcome=KILLED)
            self._before[killed] = self._before.get(killed, 0) + 1
        self._write_and_go_on(meter, asyncio.get_running_loop())
        try:
            yield
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def _write_and_go_on(self, meter: Meter, loop: asyncio.AbstractEventLoop) -> None:
        self._write_or_warn(self._under_way(meter))
        self._timer = loop.call_later(EVERY_SECONDS, self._write_and_go_on, meter, loop)

    def _under_way(self, meter: Meter) -> Samples:
        """The samples of a run that goes on."""
        former = {one: value for one, value in self._before.items() if one.name in _KEPT_WHILE_RUNNING}
        return {
            **former,
            self._of(_RUNNING): 1,
            **self._run(meter),
            **self._counted(meter, None),
        }

    def _ended(self, meter: Meter, code: int) -> Samples:
        """The samples at the end of a run."""
        now = self.clock()
        success = now if code == 0 else self._before.get(self._of(_SUCCESS), 0)
        return {
            self._of(_RUNNING): 0,
            self._of(_CODE): code,
            self._of(_SUCCESS): success,
            self._of(_END): now,
            **self._run(meter),
            **self._counted(meter, OUTCOMES.get(code, INTERRUPTED)),
        }

    def _run(self, meter: Meter) -> Samples:
        states = {"selected": meter.selected, **_settled(meter)}
        return {
            self._of(_INFO, version=__version__): 1,
            self._of(_START): self._started,
            self._of(_DURATION): round(self.stopwatch() - self._began, 3),
            **{self._of(_RUN_FILES, state=state): count for state, count in states.items()},
            self._of(_RUN_BYTES): meter.bytes,
        }

    def _counted(self, meter: Meter, outcome: str | None) -> Samples:
        """The counters of all runs, this one included."""
        every = (*OUTCOMES.values(), INTERRUPTED, KILLED)  # at 0 too: a first failure is an increase
        own: Counter[Series] = Counter()
        own.update({self._of(_RUNS, outcome=one): int(one == outcome) for one in every})
        own.update({self._of(_FILES, state=state): count for state, count in _settled(meter).items()})
        own[self._of(_ITEMS)] = meter.listed
        own[self._of(_RECEIVED)] = meter.received
        own[self._of(_RETRIES, kind="throttle")] = meter.throttles
        own[self._of(_RETRIES, kind="failure")] = meter.retries - meter.throttles
        own[self._of(_RESTARTS)] = meter.restarts
        own.update({self._of(_FAILURES, kind=kind): count for kind, count in meter.failures.items()})
        before = {one: value for one, value in self._before.items() if one.name in _COUNTERS}
        return {one: before.get(one, 0) + own[one] for one in [*own, *(set(before) - set(own))]}

    def _of(self, family: Family, **labels: str) -> Series:
        return Series(family.name, (*self.labels, *labels.items()))

    def _read(self) -> Samples:
        """What an earlier run has left. Raises `UsageError` for a file that is none of this mirror."""
        if not os.path.isfile(self.path):
            return {}  # there is none, or it is a pipe or a device
        with self._as_usage(), open(self.path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
        try:
            found = parse(content)
        except ValueError:
            found = {Series("", ()): 0.0}
        if len(content) > MAX_BYTES or any(not one.name.startswith(PREFIX) for one in found):
            raise UsageError(
                f"--metrics {self.path}: the file is there and is not one of mlhub-async: "
                "name another, or remove it"
            )
        size = len(self.labels)
        other = next((one.labels[:size] for one in found if one.labels[:size] != self.labels), None)
        if other is not None:
            shown = ", ".join(f"{name} {value}" for name, value in other)
            raise UsageError(
                f"--metrics {self.path}: it has the metrics of another mirror ({shown}): "
                "give each mirror its own file, or remove this one"
            )
        return found

    def _write(self, samples: Samples) -> None:
        with output_file(self.path) as file:
            file.write(render(FAMILIES, samples))

    def _write_or_warn(self, samples: Samples) -> None:
        try:
            self._write(samples)
        except OSError as failure:
            reason = failure.strerror or failure
            warnings.warn(f"--metrics {self.path} cannot be written: {reason}", stacklevel=2)

    def _refuse_unwritable(self) -> None:
        """Raise `OSError` where the file could not be written. It stays as it is."""
        with contextlib.suppress(_NotReplaced), output_file(self.path):
            raise _NotReplaced

    @contextlib.contextmanager
    def _as_usage(self) -> Iterator[None]:
        try:
            yield
        except OSError as failure:
            reason = failure.strerror or failure
            raise UsageError(f"--metrics {self.path} cannot be used: {reason}") from None


_KEPT_WHILE_RUNNING = frozenset((_CODE.name, _SUCCESS.name, _END.name))
"""They are of the last run that has ended."""


def _settled(meter: Meter) -> dict[str, int]:
    return {"fetched": meter.fetched, "skipped": meter.skipped, "failed": meter.failed}


def metrics_file(source: object, dest: str | os.PathLike[str], options: Options) -> MetricsFile:
    """The file that --metrics names, for a mirror of `source`, as it was given, into `dest`.

    Raises `UsageError` for a file in DEST, and for "-".
    """
    assert options.metrics is not None
    if os.fspath(options.metrics) == "-":
        raise UsageError("--metrics -: it is replaced as a whole: give the name of a file, or /dev/stdout")
    refuse_inside(dest, options, "--metrics", options.metrics)
    name = redacted(os.fspath(source)) if isinstance(source, str | os.PathLike) else "items"
    place = os.fspath(dest)
    place = redacted(place) if is_store_address(place) else os.path.abspath(place)
    shard = (("shard", options.shard),) if options.shard is not None else ()
    return MetricsFile(os.fspath(options.metrics), (("source", name), ("dest", _text(place)), *shard))


def _text(path: str) -> str:
    """A path as text that UTF-8 can hold."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
