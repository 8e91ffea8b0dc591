"""Files made just now by the programs that are installed: whole ones pass, cut ones are found.

The samples of the unit tests were made by one version of each program; another one may write otherwise.
"""

import io
import subprocess
import sys

import pytest

from mlhub_async.core.formats import flaw
from support import format_writers
from support.samples import BETWEEN_PARTS, PADDED, UNCHECKED, UNDECODED


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files, made by another process: some of these libraries keep files open."""
    folder = tmp_path_factory.mktemp("formats")
    subprocess.run([sys.executable, format_writers.__file__, folder], capture_output=True, check=True)
    return folder


@pytest.mark.xdist_group("format writers")
@pytest.mark.parametrize("name", format_writers.WRITERS)
def test_what_a_program_writes_passes_whole_and_is_found_when_it_is_cut(folder, name):
    if not (folder / name).exists():
        pytest.skip(f"{format_writers.WRITERS[name][0]} is not installed")
    data = (folder / name).read_bytes()
    assert flaw(io.BytesIO(data), name) is None
    if name in UNCHECKED:
        return
    end = len(data) - PADDED.get(name, 0) - UNDECODED.get(name, 0)
    cuts = {len(data) // 2, end - 1, end - min(512, len(data) // 4)}
    missed = [cut for cut in cuts if flaw(io.BytesIO(data[:cut]), name) is None]
    assert not {*missed} - BETWEEN_PARTS.get(name, set())
