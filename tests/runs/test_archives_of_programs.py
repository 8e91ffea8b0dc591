"""Archives as other programs write them: sparse files, labels, backslashes, pipes, windows of zstd."""

import io
import shutil
import subprocess
import zipfile

import pytest
import zstandard

from support.archives import TOP, catalogue, tarred
from support.engine import run
from support.mirrored import Mirrored

FILES = catalogue(2, 9_000)
RASTERS = sorted(data for name, data in FILES.items() if name.endswith(".tif"))
BLOCK = 4096


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def by_gnu_tar(folder, *words):
    """FILES in a tar that GNU tar makes, and a file of 30 blocks with holes between them."""
    told = (
        subprocess.run(["tar", "--version"], capture_output=True, check=False)
        if shutil.which("tar")
        else None
    )
    if told is None or b"GNU" not in told.stdout:
        pytest.skip("needs GNU tar")
    for name, data in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    with open(folder / TOP / "a.bin", "wb") as sparse:
        for number in range(30):
            sparse.seek(number * 16 * BLOCK)
            sparse.write(bytes([number + 1]) * BLOCK)
    names = [f"{TOP}a.bin", *FILES]
    command = ["tar", "-cf", "-", *words, *names]
    return subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    "words",
    [
        ("--format=gnu", "-S"),
        ("--format=posix", "-S", "--sparse-version=0.0"),
        ("--format=posix", "-S", "--sparse-version=0.1"),
        ("--format=posix", "-S", "--sparse-version=1.0"),
    ],
    ids=["gnu", "0.0", "0.1", "1.0"],
)
async def test_what_follows_a_sparse_file_comes(site, dest, tmp_path, words):
    report = await run(site.put("/a.tar", by_gnu_tar(tmp_path, *words)), dest)
    errors = Mirrored(dest).errors
    assert report.exit_code == 4 and len(errors) == 1, report.summary()
    assert "it is a sparse file" in errors[0]["error"]["message"]
    assert sorted(Mirrored(dest).files.values()) == RASTERS


async def test_the_map_of_a_sparse_file_that_is_cut_is_told(site, dest, tmp_path):
    archive = by_gnu_tar(tmp_path, "--format=gnu", "-S")
    report = await run(site.put("/a.tar", archive[: archive.index(b"a.bin") + 512 - len(TOP)]), dest)
    assert report.exit_code == 5 and "is cut" in report.listing.error.message


async def test_the_label_of_a_tar_is_no_file(site, dest, tmp_path):
    report = await run(site.put("/a.tar", by_gnu_tar(tmp_path, "--label=volume 1")), dest)
    assert report.exit_code == 0, report.summary()
    assert sorted(Mirrored(dest).files.values()) == RASTERS


def zip_of(names, system):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in names.items():
            entry = zipfile.ZipInfo(name)
            entry.create_system = system
            archive.writestr(entry, data)
    return target.getvalue()


@pytest.mark.parametrize("system", [0, 10])
async def test_backslashes_of_programs_on_windows_are_slashes(site, dest, system):
    names = {name.replace("/", "\\"): data for name, data in FILES.items()}
    report = await run(site.put("/a.zip", zip_of({f"{TOP[:-1]}\\": b"", **names}, system)), dest)
    assert report.exit_code == 0, report.summary()
    assert sorted(Mirrored(dest).files.values()) == RASTERS
    Mirrored(dest).check(0)


@pytest.mark.parametrize(
    "name", ["..\\evil.tif", "\\evil.tif", "C:\\evil.tif", "a\\..\\..\\evil.tif", "a/b\\evil.tif"]
)
async def test_names_that_lead_out_by_backslashes_are_refused(site, dest, name):
    report = await run(site.put("/a.zip", zip_of({**FILES, name: b"x"}, 0)), dest)
    assert report.exit_code == 4
    assert [row["error"]["class"] for row in Mirrored(dest).errors] == ["refused-member"]
    assert not list(dest.parent.rglob("*evil*"))


async def test_a_window_that_is_too_large_is_no_damage(site, dest):
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=28)
    frame = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    archive = frame.compress(tarred(FILES)) + frame.flush()
    report = await run(site.put("/a.tar.zst", archive), dest)
    assert report.exit_code == 4 and "needs a window" in report.listing.error.message


@pytest.mark.parametrize("body", [RASTERS[0], b""])
async def test_what_zip_has_read_from_a_pipe_is_data(site, dest, body):
    """Info-ZIP keeps the kind of its standard input, a pipe, in the mode of the member."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, mode in (("-", 0o010600), ("from/fifo.tif", 0o010644), ("device", 0o060600)):
            member = zipfile.ZipInfo(name)
            member.create_system, member.external_attr = 3, mode << 16
            archive.writestr(member, body)
    report = await run(site.put("/a.zip", target.getvalue()), dest)
    assert [*Mirrored(dest).files.values()] == [body, body]
    (flaw,) = report.flaws
    assert report.exit_code == 4 and "device: it is no regular file" in flaw.error.message


def of_standard_input(data):
    return subprocess.run(["zip", "-q", "-", "-"], input=data, capture_output=True, check=True).stdout


@pytest.mark.skipif(shutil.which("zip") is None, reason="needs Info-ZIP")
async def test_the_standard_input_of_zip_is_data(site, dest):
    packed = of_standard_input(RASTERS[0])
    report = await run(site.put("/a.zip", packed), dest)
    assert report.exit_code == 0 and [*Mirrored(dest).files.values()] == [RASTERS[0]]
