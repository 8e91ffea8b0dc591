"""The transport for `file:` URLs: what it may read, what it answers, and how it stops."""

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlhub_async.http.transport import file as transport_file
from mlhub_async.http.transport.file import FileTransport
from mlhub_async.sources.linked.local_files import LocalFiles
from support.server import until
from support.wire import Heard, asked

BODY = bytes(range(256)) * 20_000


@pytest.fixture
def path(tmp_path):
    (tmp_path / "catalogue").mkdir()
    path = tmp_path / "catalogue" / "one.tif"
    path.write_bytes(BODY)
    return path


@pytest.fixture
def transport(path):
    return FileTransport(LocalFiles(path.parent).admits)


def open_descriptors():
    return len(os.listdir("/proc/self/fd"))


needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors in /proc")


async def test_a_file_arrives_whole_in_pieces_with_its_length_and_a_validator(transport, path):
    heard = await asked(transport, path.as_uri())
    assert (heard.kind, heard.status, heard.body) == ("whole", 200, BODY)
    assert len(heard.pieces) == -(-len(BODY) // transport_file.PIECE_BYTES)
    assert heard.head.headers["content-length"] == str(len(BODY)) and heard.head.headers["etag"]


@pytest.mark.parametrize(("start", "status"), [(1, 206), (len(BODY) - 1, 206), (len(BODY), 200), (0, 200)])
async def test_a_range_is_answered_from_its_first_byte_or_by_the_whole_file(transport, path, start, status):
    heard = await asked(transport, path.as_uri(), headers={"range": f"bytes={start}-"})
    assert (heard.status, heard.body) == (status, BODY[start:] if status == 206 else BODY)


async def test_a_file_that_is_the_known_one_is_not_read(transport, path):
    etag = (await asked(transport, path.as_uri())).head.headers["etag"]
    heard = await asked(transport, path.as_uri(), headers={"if-none-match": etag})
    assert (heard.status, heard.body, heard.head.headers["etag"]) == (304, b"", etag)
    path.write_bytes(BODY[::-1])
    heard = await asked(transport, path.as_uri(), headers={"if-none-match": etag})
    assert (heard.status, heard.body) == (200, BODY[::-1])


async def test_a_file_that_is_not_there_is_absent(transport, path):
    heard = await asked(transport, path.with_name("two.tif").as_uri())
    assert (heard.kind, heard.error.absent) == ("not-found", True)


async def test_a_file_outside_the_root_is_refused_also_behind_a_link(transport, path, tmp_path):
    (tmp_path / "secret").write_bytes(b"x")
    (path.parent / "link").symlink_to(tmp_path / "secret")
    for name in (tmp_path / "secret", path.parent / "link"):
        assert (await asked(transport, name.as_uri())).kind == "outside-root"
    assert (await asked(FileTransport(None), path.as_uri())).kind == "outside-root"


async def test_only_regular_files_are_opened(transport, path):
    os.mkfifo(path.parent / "pipe")
    for name in ("pipe", ""):
        assert (await asked(transport, (path.parent / name).as_uri())).kind == "not-found"


@needs_proc
async def test_files_are_closed_whether_they_are_read_refused_or_fail(transport, path):
    class RefusedError(Exception):
        pass

    class Refusing(Heard):
        def start(self, head):
            raise RefusedError

    await asked(transport, path.as_uri())
    before = open_descriptors()
    await asked(transport, path.as_uri())
    with pytest.raises(RefusedError):
        await asked(transport, path.as_uri(), Refusing())
    assert open_descriptors() == before


class HoldingExecutor(ThreadPoolExecutor):
    """Carries out operations one by one. The one with the number `held` waits for `go_on`."""

    def __init__(self, held):
        super().__init__(1)
        self.held, self.count = held, 0
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.failures = []

    def submit(self, call, /, *args, **kwargs):
        return super().submit(self._carry_out, call, *args, **kwargs)

    def _carry_out(self, call, *args, **kwargs):
        self.count += 1
        if self.count == self.held:
            self.begun.set()
            self.go_on.wait(20)
        try:
            return call(*args, **kwargs)
        except Exception as error:
            self.failures.append(error)
            raise


@needs_proc
@pytest.mark.parametrize("number", [1, 2, 3], ids=["open", "first read", "second read"])
async def test_a_cancelled_transfer_closes_the_file_after_the_thread_is_done_with_it(transport, path, number):
    await asked(transport, path.as_uri())
    before = open_descriptors()
    executor = HoldingExecutor(number)
    asyncio.get_running_loop().set_default_executor(executor)
    running = asyncio.create_task(asked(transport, path.as_uri()))
    await until(executor.begun.is_set)
    for _ in range(3):
        running.cancel()
        await asyncio.sleep(0.01)
        assert not running.done()
    executor.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert open_descriptors() == before and executor.failures == []
    assert executor.count == number + 1, "the only operation after it is to close the file"
