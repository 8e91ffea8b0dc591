"""An archive that was cut anywhere is never taken for a whole one. It is only listed here, which is cheap."""

import gzip
import io
import itertools
import random
import zipfile

import pytest
import zstandard

from mlhub_async import MlhubError
from mlhub_async.engine.planning.plan import plan_only
from support.archives import catalogue, heads_of, tarred, zipped
from support.engine import make_options

PLACES = 100
STAC = catalogue(2, 3_000)
PLAIN = {f"data/{number}.tif": bytes([number]) * (number * 400) for number in range(8)}
EMPTY_LAST = {**PLAIN, "data/z.txt": b""}


def in_members(tar, pack):
    """Each member of a tar, its end and what fills it up packed by itself; where each of them ends."""
    heads = [*heads_of(tar), len(tar)]
    packed, ends = b"", []
    for begin, end in itertools.pairwise(heads):
        packed += pack(tar[begin:end])
        ends.append(len(packed))
    return packed, ends[:-1]


def cases(files):
    tar, zip_file = tarred(files), zipped(files)
    whole = heads_of(tar)[-1] + 1024
    yield "a.tar", tar, heads_of(tar), whole
    packed = gzip.compress(tar)
    yield "a.tar.gz", packed, [len(packed) - 1, len(packed) - 4, len(packed) - 8], len(packed)
    packed, ends = in_members(tar, gzip.compress)
    yield "members.tar.gz", packed, ends, ends[-1]
    packed, ends = in_members(tar, zstandard.ZstdCompressor().compress)
    yield "frames.tar.zst", packed, ends, ends[-1]
    with zipfile.ZipFile(io.BytesIO(zip_file)) as opened:
        heads = [one.header_offset for one in opened.infolist()]
    yield "a.zip", zip_file, [*heads, zip_file.index(b"PK\1\2"), zip_file.index(b"PK\5\6")], len(zip_file)


CASES = [
    pytest.param(*case, id=f"{case[0]}-{kind}")
    for kind, files in (("stac", STAC), ("plain", PLAIN), ("empty-last", EMPTY_LAST))
    for case in cases(files)
]


async def exit_code(path):
    try:
        return (await plan_only(path, make_options())).exit_code
    except MlhubError as error:
        return error.exit_code


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
@pytest.mark.parametrize("files", [STAC, PLAIN, EMPTY_LAST])
def test_a_tar_with_one_block_of_zeros_at_its_end_is_whole(tmp_path, run_cli, name, files):
    """As GNU tar reads it, with a warning. Members and the second block are all the same to a reader."""
    path, tar = tmp_path / name, tarred(files)
    end = heads_of(tar)[-1]
    counts = []
    for size in (512, 1024):
        path.write_bytes(gzip.compress(tar[: end + size]) if name.endswith("gz") else tar[: end + size])
        ran = run_cli("plan", path)
        told = [line for line in ran.out.splitlines() if "one block of zeros" in line]
        assert ran.code == 0 and len(told) == (size == 512), ran.out
        counts.append([line for line in ran.out.splitlines() if "total:" in line])
    assert counts[0] == counts[1]


@pytest.mark.parametrize("size", [512, 511, 1023])
async def test_zeros_alone_are_no_end_without_two_blocks(tmp_path, size):
    (tmp_path / "a.tar").write_bytes(bytes(size))
    assert await exit_code(tmp_path / "a.tar") in (3, 4, 5)


@pytest.mark.parametrize(("name", "archive", "boundaries", "whole"), CASES)
async def test_no_cut_ends_in_0(tmp_path, name, archive, boundaries, whole):
    path = tmp_path / name
    path.write_bytes(archive)
    assert await exit_code(path) == 0
    places = {place for place in boundaries if place < whole}
    assert len(places) >= 3
    for place in sorted(places | set(random.Random(name).sample(range(whole), PLACES))):
        path.write_bytes(archive[:place])
        assert await exit_code(path) in (3, 4, 5), place
