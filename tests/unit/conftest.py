"""Unit tests start no server and no process: each attempt raises an error."""

import socket
import subprocess
import sys

import pytest


@pytest.fixture(autouse=True)
def no_servers_and_no_processes(monkeypatch):
    def refused(*_, **__):
        pytest.fail("a unit test may start neither a server nor a process: move it to another folder")

    monkeypatch.setattr(subprocess.Popen, "__init__", refused)
    if sys.platform != "win32":  # an event loop of Windows listens for itself
        monkeypatch.setattr(socket.socket, "listen", refused)
