"""Generates the picture of the README that shows chips of the sample catalogue.

    python -m pip install . matplotlib && python docs/images/generate.py

Writes sample.png beside this script, from a real run of `mlhub-async demo`. matplotlib is needed for nothing
else. What the program prints is drawn by terminal.py.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
CHIPS = ("29NMG_12", "29NMG_29", "38PKT_12", "38PKT_29")
DATE = "20180101"
LABELS, SOURCE = "ref_landcovernet_v1_labels", "ref_landcovernet_v1_source"
MAX_REFLECTANCE = 3200
"""Drawn as full brightness, in units of 1/10000."""
_SHORT, _LONG = 3, 4


def read_tiff(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """The pixels of a GeoTIFF of the sample, which has one deflated strip, and its palette if it has one."""
    data = path.read_bytes()
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    tags: dict[int, tuple[int, ...]] = {}
    for at in range(start + 2, start + 2 + 12 * count, 12):
        number, kind, length = struct.unpack_from("<HHI", data, at)
        if kind in (_SHORT, _LONG):
            form = f"<{length}{'H' if kind == _SHORT else 'I'}"
            offset = at + 8 if struct.calcsize(form) <= 4 else struct.unpack_from("<I", data, at + 8)[0]
            tags[number] = struct.unpack_from(form, data, offset)
    strip = zlib.decompress(data[tags[273][0] :])
    pixels = np.frombuffer(strip, "<u2" if tags[258][0] == 16 else "u1").reshape(tags[257][0], tags[256][0])
    palette = np.array(tags[320]).reshape(3, 256).T / 65535 if 320 in tags else None
    return pixels, palette


def label_image(mirror: Path, chip: str) -> np.ndarray:
    pixels, palette = read_tiff(mirror / LABELS / f"{LABELS}_{chip}" / "labels.tif")
    assert palette is not None
    return palette[pixels]


def band_image(mirror: Path, chip: str, bands: Sequence[str]) -> np.ndarray:
    """Three bands as red, green and blue."""
    folder = mirror / SOURCE / f"{SOURCE}_{chip}_{DATE}"
    channels = [read_tiff(folder / f"{band}.tif")[0] / MAX_REFLECTANCE for band in bands]
    return np.clip(np.dstack(channels), 0, 1)


def draw_sample(mirror: Path, path: Path) -> None:
    """A row of labels over a row of true colours and one of false colours, a column per chip."""
    rows = [
        ("land cover", lambda chip: label_image(mirror, chip)),
        ("B04 B03 B02", lambda chip: band_image(mirror, chip, ("B04", "B03", "B02"))),
        ("B08 B04 B03", lambda chip: band_image(mirror, chip, ("B08", "B04", "B03"))),
    ]
    figure, axes = plt.subplots(len(rows), len(CHIPS), figsize=(6.4, 5.0), dpi=100)
    for row, (name, image) in enumerate(rows):
        for column, chip in enumerate(CHIPS):
            axis = axes[row][column]
            axis.imshow(image(chip), interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            if row == 0:
                axis.set_title(chip, fontsize=9)
            if column == 0:
                axis.set_ylabel(name, fontsize=9)
    figure.tight_layout(pad=0.4)
    figure.savefig(path)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "mlhub_async", "demo", "-q"], cwd=folder, check=True)
        draw_sample(Path(folder) / "demo-mirror", HERE / "sample.png")


if __name__ == "__main__":
    main()
