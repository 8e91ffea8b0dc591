"""A part of the table of `server_table`: the servers that are there wherever these tests run.

The transport is that of the suite.
"""

from __future__ import annotations

import asyncio

import pytest

from support.engine import DEFAULTS
from support.file_servers import NotInstalled, start
from support.odd_transfers import CASES, OLD, Place, outcome

FILES = {f"{number}.tif": OLD for number in range(len(CASES))}


@pytest.fixture(
    scope="module", params=["nginx", "nginx without ETag", "aiohttp", "tornado", "python http.server"]
)
def served(request, tmp_path_factory):
    """A server with a file for each case."""
    try:
        with start(request.param, tmp_path_factory.mktemp("served"), FILES) as server:
            yield server
    except NotInstalled as error:
        pytest.skip(f"{error} is not installed")


@pytest.mark.parametrize("case", CASES)
def test_the_bytes_are_those_of_the_server_or_the_run_says_that_it_has_none(served, tmp_path, case):
    place = Place(served, f"{list(CASES).index(case)}.tif", tmp_path, DEFAULTS.get("transport", "auto"))
    cell = asyncio.run(outcome(case, place))
    assert cell.right, cell.how
