"""Object stores that nobody here wrote as DEST: moto, and rclone's `serve s3`."""

import shutil
import subprocess

import pytest

from support.bucket_kills import bucket_loop, moto, rclone

STORES = {"moto_server": moto, "rclone": rclone}


@pytest.fixture(params=STORES)
def port(request, tmp_path):
    program = shutil.which(request.param)
    if program is None:
        pytest.skip(f"{request.param} is not installed")
    if request.param == "rclone":
        asked = subprocess.run(
            [program, "serve", "s3", "--help"], capture_output=True, text=True, check=False
        )
        if "--auth-key" not in asked.stdout:
            pytest.skip("this rclone cannot serve s3")
    with STORES[request.param](tmp_path, program) as found:
        yield found


def test_a_mirror_there_survives_kills_and_a_second_run_puts_nothing(port, tmp_path):
    with bucket_loop(tmp_path, 7, port) as loop:
        for _ in range(3):  # the third one without its ledger
            loop.round()
    assert loop.tally.violations == [] and loop.tally.fetched_again == 0
