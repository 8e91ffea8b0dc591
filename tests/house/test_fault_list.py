"""The fault list in tests/faults: it has a row for every fault, and each test that it names exists."""

import shutil
import subprocess
import sys

import pytest

from faults import check

pytestmark = pytest.mark.xdist_group("files of the repository, parsed once")


def test_every_fault_has_its_tests_or_a_reason():
    print(f"\n{check.summary()}")
    assert check.flaws() == []
    assert sum(check.ROWS.values()) > 190


def test_the_check_is_a_program_as_well():
    done = subprocess.run([sys.executable, check.__file__], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split("\n")[-2] == check.summary()
    assert check.summary().startswith(f"{sum(check.ROWS.values())} rows, ")


ROW = '[[row]]\nid = "K07"\n'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: text.rindex("[[row]]")], "K07: 0 rows"),
        (lambda text: text + ROW + 'what = "x"\nnot_ours = "x"\n', "K07: 2 rows"),
        (lambda text: text + '[[row]]\nid = "K08"\nwhat = "x"\nnot_ours = "x"\n', "K08 does not belong here"),
        (lambda text: text + ROW + 'what = ""\nnot_ours = "x"\n', "`what` is empty"),
        (lambda text: text + ROW + 'what = "x"\n', "give either"),
        (lambda text: text + ROW + 'what = "x"\nnot_ours = " "\n', "give either"),
        (
            lambda text: text + ROW + 'what = "x"\ntests = ["tests/house/test_fault_list.py::test_x"]\n',
            "no such test",
        ),
        (lambda text: text + ROW + 'what = "x"\ntests = ["tests/test_none.py::test_x"]\n', "no such test"),
        (
            lambda text: (
                text
                + ROW
                + 'what = "x"\ntests = ["tests/faults/test_bodies.py::'
                + "test_under_the_final_name_are_the_right_bytes_or_nothing[no such case at all"
                + ']"]\n'
            ),
            "no such test",
        ),
    ],
    ids=["gone", "twice", "foreign", "unnamed", "nothing", "blank", "no test", "no file", "no case"],
)
def test_an_incomplete_list_is_reported(tmp_path, change, message):
    folder = tmp_path / "faults"
    shutil.copytree(check.HERE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "k.toml"
    file.write_text(change(file.read_text()))
    assert any(message in flaw for flaw in check.flaws(folder)), check.flaws(folder)


def test_a_section_without_a_file_is_reported(tmp_path):
    assert len(check.flaws(tmp_path)) == sum(check.ROWS.values())
