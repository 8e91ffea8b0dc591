"""What a mirror needs, by its forecast: bytes and names on the disk of DEST, and time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....core.options import Options
from ....core.telemetry import human_size
from ....storage.file_systems import free_inodes
from ...report.rates import Numbers, load_rates
from .duration import Duration, duration_of
from .sampling import Forecast
from .wording import duration_line, forecast_lines


@dataclass(frozen=True, slots=True)
class Needs:
    """A forecast for one DEST. `names`: files and directories to be made; `free_names` None: any."""

    found: Forecast
    names: int
    free_names: int | None
    time: Duration | None

    @classmethod
    def of(cls, found: Forecast, documents: int, store: Numbers, dest: Path, options: Options) -> Needs:
        """`documents`: of items and collections, with their directories."""
        time = duration_of(found, load_rates(store), options)
        return cls(found, found.files + documents, free_inodes(dest), time)

    def summary(self) -> dict[str, Any]:
        """For JSON, beside the forecast's own."""
        low, high = self.time or (None, None)
        return {
            "disk_bytes": self.found.disk_bytes,
            "seconds_low": None if low is None else round(low, 1),
            "seconds_high": None if high is None else round(high, 1),
            "inodes": self.names,
            "free_inodes": self.free_names,
        }

    def lines(self, free: int) -> Iterator[str]:
        """For people. `free`: bytes of the disk."""
        yield from forecast_lines(self.found)
        yield duration_line(self.time, self.found)
        words = "enough" if self.found.disk_bytes <= free else "perhaps enough"
        if self.found.sizes.low > free:
            words = "not enough"
        elif self.found.unmeasured or self.found.unbelieved:
            words = "perhaps enough" if words == "enough" else words
        needed = human_size(self.found.disk_bytes)
        yield f"disk: {human_size(free)} free, up to {needed} needed: {words}"
        if self.free_names is not None:
            words = "enough" if self.names <= self.free_names else "not enough"
            yield f"inodes: {self.free_names} free, up to {self.names} needed: {words}"
