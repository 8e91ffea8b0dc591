"""Runs the program by a fork of a process that has imported it: the same program, without the imports.

`serve` runs in that process. A request is a message on a socket: arguments, directory and environment as
JSON, with the descriptors of stdin, stdout and stderr. The process forks twice, so that the program becomes
a child of the process that asked, which is a subreaper (prctl(2)) until it has the answer: the pid.
"""

from __future__ import annotations

import array
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TESTS = Path(__file__).parents[1]
PR_SET_CHILD_SUBREAPER = 36
MAX_REQUEST = 1 << 17
READ_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "TZ", "MALLOC", "SSL", "OPENSSL")
"""Variables that an interpreter or a library reads once, when it begins: a fork would not see them."""

PROGRAM = """
import mlhub_async.cli.terminal.console, mlhub_async.cli.actions.mirror, mlhub_async.cli.actions.plan
import mlhub_async.cli.actions.inspection.verify, mlhub_async.cli.actions.inspection.status
import mlhub_async.cli.actions.ls
from support.fork_server import serve
serve()
from mlhub_async.__main__ import main
main()
"""


def is_possible(env: dict[str, str]) -> bool:
    """Whether a program with these variables is the same when it is forked."""
    return sys.platform == "linux" and not any(name.startswith(READ_AT_START) for name in env)


class ForkServer:
    """The process that has imported the program. `close` it."""

    def __init__(self, env: dict[str, str]) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        root = env["PYTHONPATH"]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(theirs.fileno())],
                env={**env, "PYTHONPATH": f"{root}{os.pathsep}{TESTS}"},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,  # as the program's own will be: streams are set up once
                stderr=subprocess.PIPE,
            )
        self._prctl = ctypes.CDLL(None).prctl

    def run(
        self, words: list[str], directory: str, env: dict[str, str], timeout: float
    ) -> tuple[int, str, str]:
        """Run the program: its exit code (-N: killed by signal N), and what it wrote to stdout and stderr."""
        pipes = [os.pipe(), os.pipe()]
        try:
            pid = self._fork(words, directory, env, [writer for _, writer in pipes])
        finally:
            for _, writer in pipes:
                os.close(writer)
        limit = threading.Timer(timeout, os.kill, (pid, signal.SIGKILL))
        limit.start()
        try:
            with ThreadPoolExecutor(2) as threads:
                out, err = threads.map(_read_all, [reader for reader, _ in pipes])
            _, status = os.waitpid(pid, 0)
        finally:
            limit.cancel()
            limit.join()
        return os.waitstatus_to_exitcode(status), out, err

    def _fork(self, words: list[str], directory: str, env: dict[str, str], outputs: list[int]) -> int:
        request = json.dumps([words, directory, env]).encode("utf-8", "surrogateescape")
        with open(os.devnull, "rb") as nothing:
            self._prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            try:
                socket.send_fds(self._socket, [request], [nothing.fileno(), *outputs])
                return int(self._socket.recv(64))
            finally:
                self._prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)

    def close(self) -> None:
        self._socket.close()
        self._process.communicate()


def _read_all(descriptor: int) -> str:
    with open(descriptor, encoding="utf-8") as stream:
        return stream.read()


def serve() -> None:
    """Answer requests; returns in a child, which is to run the program. Ends the process with the last."""
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        while True:
            message, ancillary, _, _ = requests.recvmsg(MAX_REQUEST, socket.CMSG_SPACE(4 * 3))
            if not message:
                sys.exit()
            files = array.array("i", b"".join(data for _, _, data in ancillary)).tolist()
            if _fork_twice(requests):
                break
            for number in files:
                os.close(number)
    for number, given in enumerate(files):
        os.dup2(given, number)
        os.close(given)
    words, directory, env = json.loads(message.decode("utf-8", "surrogateescape"))
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [os.path.join(env["PYTHONPATH"], "mlhub_async/__main__.py"), *words]
    sys.path = [path for path in sys.path if not path.endswith("/tests")]


def _fork_twice(requests: socket.socket) -> bool:
    """True in the grandchild; the server sends its pid when the process between them has ended."""
    reader, writer = os.pipe()
    if between := os.fork():
        os.close(writer)
        os.waitpid(between, 0)
        requests.send(os.read(reader, 64))
        os.close(reader)
        return False
    if grandchild := os.fork():
        os.write(writer, str(grandchild).encode())
        os._exit(0)
    os.close(reader)
    os.close(writer)
    return True
