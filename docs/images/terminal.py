"""Draws what the program prints on a terminal: help, a run at half, the summary, with and without colour.

    python -m pip install . && python docs/images/terminal.py

Writes run.svg, run-80.svg, run-no-color.svg and help-80.svg beside this script, each from a real run.
"""

from __future__ import annotations

import os
import re
import struct
import sys
import tempfile
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

HERE = Path(__file__).parent
FONT_SIZE, LINE_HEIGHT, MARGIN, CHARACTER_WIDTH = 13, 19, 16, 7.83
INK, PAPER = "#e6edf3", "#0d1117"
COLOURS = {"31": "#ff7b72", "32": "#7ee787", "33": "#e3b341"}
"""Of SGR parameters."""
SGR = re.compile(r"\x1b\[([0-9;]*)m")
OTHER_CONTROLS = re.compile(r"\x1b\[[0-9;]*[A-Za-ln-z]")


def on_terminal(words: Sequence[str], columns: int, directory: Path, env: Mapping[str, str]) -> str:
    """Run the program on a pseudo-terminal of so many columns; returns what it printed."""
    import fcntl  # POSIX only, as is this script
    import pty
    import termios

    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        os.chdir(directory)
        argv = [sys.executable, "-m", "mlhub_async", *words]
        os.execve(sys.executable, argv, {**os.environ, "COLUMNS": str(columns), **env})
    output = b""
    while True:
        try:
            output += os.read(terminal, 65536)
        except OSError:  # EIO: the program has ended
            break
    _, status = os.waitpid(pid, 0)
    if status:
        raise SystemExit(f"{words} failed:\n{output.decode()}")
    return OTHER_CONTROLS.sub("", output.decode())


def shown_lines(words: Sequence[str], output: str) -> list[str]:
    """The lines that stay on the terminal, with the progress bar as it was at half of the run."""
    frames = [one for one in re.split(r"[\r\n]+", output) if " assets" in one and "|" in one]
    final = [line.rsplit("\r", 1)[-1].rstrip() for line in output.replace("\r\n", "\n").split("\n")]
    lines = [line for line in final if line and not (" assets" in line and "|" in line)]
    bar = [frames[len(frames) // 2]] if frames else []
    return [f"\x1b[32m$ mlhub-async {' '.join(words)}\x1b[0m", lines[0], *bar, *lines[1:]]


def wrapped(line: str, columns: int) -> list[str]:
    """A line as a terminal breaks it."""
    rows, row, used, colour = [], "", 0, ""
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if SGR.fullmatch(part):
            row, colour = row + part, part
            continue
        for character in part:
            if used == columns:
                rows.append(row)
                row, used = colour, 0
            row, used = row + character, used + 1
    return [*rows, row]


def spans(row: str) -> list[tuple[str, str]]:
    """Pieces of text with their colours."""
    found, colour, at = [], INK, 0
    for control in SGR.finditer(row):
        found.append((row[at : control.start()], colour))
        colour, at = COLOURS.get(control[1], INK), control.end()
    return [(text, shade) for text, shade in [*found, (row[at:], colour)] if text]


def draw(lines: Sequence[str], columns: int, path: Path) -> None:
    """Write an SVG of a terminal."""
    rows = [row for line in lines for row in wrapped(line, columns)]
    width, height = columns * CHARACTER_WIDTH + 2 * MARGIN, len(rows) * LINE_HEIGHT + 2 * MARGIN
    texts = []
    for number, row in enumerate(rows):
        y = MARGIN + (number + 0.75) * LINE_HEIGHT
        pieces = "".join(
            f'<tspan fill="{colour}">{escape(text).replace(" ", chr(0xA0))}</tspan>'
            for text, colour in spans(row)
        )
        texts.append(f'<text x="{MARGIN}" y="{y:.1f}">{pieces}</text>')
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}"'
        f' font-family="ui-monospace, Menlo, Consolas, monospace" font-size="{FONT_SIZE}">\n'
        f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>\n' + "\n".join(texts) + "\n</svg>\n",
        encoding="utf-8",
    )


def main() -> None:
    pictures: Sequence[tuple[str, Sequence[str], int, Mapping[str, str]]] = (
        ("run.svg", ("demo",), 120, {}),
        ("run-80.svg", ("demo",), 80, {}),
        ("run-no-color.svg", ("demo",), 80, {"NO_COLOR": "1"}),
        ("help-80.svg", ("mirror", "-h"), 80, {}),
    )
    for name, words, columns, env in pictures:
        with tempfile.TemporaryDirectory() as folder:
            draw(shown_lines(words, on_terminal(words, columns, Path(folder), env)), columns, HERE / name)


if __name__ == "__main__":
    main()
