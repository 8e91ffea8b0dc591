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
