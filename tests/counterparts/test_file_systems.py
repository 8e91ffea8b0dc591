"""On each file system that can be mounted here what `selftest` predicts is what happens.

The kinds that differ; `file_systems.py` tries all of them.
"""

from pathlib import Path

import pytest

from counterparts.file_systems import FILE_SYSTEMS, NotHereError, try_out

DIFFERENT = [
    "ext4, a collection is a mount point",
    "btrfs, a collection is a subvolume",
    "lowntfs-3g, case ignored",
    "gocryptfs",
    "rclone mount, cache off",
]


@pytest.mark.parametrize("name", DIFFERENT)
async def test_what_the_selftest_predicts_is_what_happens(name):
    try:
        result = await try_out(name)
    except NotHereError as reason:
        pytest.skip(f"{name}: {reason}")
    assert result.as_predicted, result.row(name)
    if name.endswith("cache off"):
        assert "writes in place" in result.failures
    else:
        assert result.works and result.exit_code == result.asked_again == 0


def test_every_file_system_of_the_page_is_one_that_is_mounted():
    page = (Path(__file__).parents[2] / "docs/file-systems.md").read_text()
    rows = [line.split(" | ")[0].removeprefix("| ") for line in page.split("\n") if line.startswith("| ")]
    assert rows[2:] == list(FILE_SYSTEMS)
