"""Generates the pictures of the README: chips of the sample catalogue, and a run in a terminal.

    python -m pip install . matplotlib && python docs/images/generate.py

Writes sample.png and run.svg beside this script. Both show a real run of `mlhub-async demo`: the first its
data, the second what it prints on a terminal of 116 columns. matplotlib is needed for nothing else.
"""

from __future__ import annotations

import os
import re
import struct
import sys
import tempfile
import zlib
from collections.abc import Sequence
from html import escape
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
COLUMNS = 116
CHIPS = ("29NMG_12", "29NMG_29", "38PKT_12", "38PKT_29")
DATE = "20180101"
LABELS, SOURCE = "ref_landcovernet_v1_labels", "ref_landcovernet_v1_source"
MAX_REFLECTANCE = 3200
"""Drawn as full brightness, in units of 1/10000."""
_SHORT, _LONG = 3, 4


def run_demo(directory: Path) -> str:
    """Run `mlhub-async demo` in a directory, on a pseudo-terminal; returns what it printed."""
    import fcntl  # POSIX only, as is this script
    import pty
    import termios

    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(directory)
        os.execv(sys.executable, [sys.executable, "-m", "mlhub_async", "demo"])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, COLUMNS, 0, 0))
    output = b""
    while True:
        try:
            output += os.read(terminal, 65536)
        except OSError:  # EIO: the program has ended
            break
    _, status = os.waitpid(pid, 0)
    if status:
        raise SystemExit(f"mlhub-async demo failed:\n{output.decode()}")
    return output.decode()


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


def shown_lines(output: str) -> list[str]:
    """The lines that stay on the terminal, with the progress bar as it was at two thirds of the run."""
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", output)
    frames = [frame.rstrip() for frame in re.split(r"[\r\n]+", plain) if " assets |" in frame]
    final = [line.rsplit("\r", 1)[-1].rstrip() for line in plain.replace("\r\n", "\n").split("\n")]
    lines = [line for line in final if line and " assets |" not in line]
    bar = [frames[len(frames) * 2 // 3]] if frames else []
    return ["$ mlhub-async demo", lines[0], *bar, *lines[1:]]


def draw_terminal(lines: Sequence[str], path: Path) -> None:
    """An SVG of a terminal; long lines are cut at its width."""
    size, line_height, margin = 13, 19, 16
    width = COLUMNS * 7.83 + 2 * margin
    height = len(lines) * line_height + 2 * margin
    texts = []
    for number, line in enumerate(lines):
        y = margin + (number + 0.75) * line_height
        colour = "#7ee787" if line.startswith(("$", "complete", "verified")) or "|" in line else "#e6edf3"
        text = escape(line[:COLUMNS]).replace(" ", "\u00a0")
        texts.append(f'<text x="{margin}" y="{y:.1f}" fill="{colour}">{text}</text>')
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}"'
        f' font-family="ui-monospace, Menlo, Consolas, monospace" font-size="{size}">\n'
        f'<rect width="100%" height="100%" rx="8" fill="#0d1117"/>\n' + "\n".join(texts) + "\n</svg>\n",
        encoding="utf-8",
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        output = run_demo(Path(folder))
        draw_terminal(shown_lines(output), HERE / "run.svg")
        draw_sample(Path(folder) / "demo-mirror", HERE / "sample.png")


if __name__ == "__main__":
    main()
