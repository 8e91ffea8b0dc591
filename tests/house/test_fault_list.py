"""The fault list is complete, and every test that it names is there."""

import shutil
import subprocess
import sys

import pytest

from faults import check


def test_every_fault_has_its_tests_or_a_reason():
    print(f"\n{check.summary()}")
    assert check.flaws() == []
    assert sum(check.SECTIONS.values()) == 191


def test_the_list_can_be_checked_by_itself():
    told = subprocess.run([sys.executable, check.__file__], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.split("\n")[-2] == check.summary() and "191 rows" in check.summary()


ROW = '[[row]]\nid = "K07"\n'


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text[: text.rindex("[[row]]")], "K07: 0 rows"),
        (lambda text: text + ROW + 'what = "x"\nnot_ours = "x"\n', "K07: 2 rows"),
        (lambda text: text + '[[row]]\nid = "K08"\nwhat = "x"\nnot_ours = "x"\n', "K08 is none of it"),
        (lambda text: text + ROW + 'what = ""\nnot_ours = "x"\n', "not said"),
        (lambda text: text + ROW + 'what = "x"\n', "tests or a reason"),
        (lambda text: text + ROW + 'what = "x"\nnot_ours = " "\n', "tests or a reason"),
        (
            lambda text: text + ROW + 'what = "x"\ntests = ["tests/house/test_fault_list.py::test_x"]\n',
            "no tests/",
        ),
        (lambda text: text + ROW + 'what = "x"\ntests = ["tests/test_none.py::test_x"]\n', "no tests/"),
        (
            lambda text: (
                text
                + ROW
                + 'what = "x"\ntests = ["tests/faults/test_bodies.py::'
                + "test_under_the_final_name_are_the_right_bytes_or_nothing[no such case at all"
                + ']"]\n'
            ),
            "no tests/",
        ),
    ],
    ids=["gone", "twice", "foreign", "unnamed", "nothing", "blank", "no test", "no file", "no case"],
)
def test_a_list_with_a_hole_is_found_out(tmp_path, change, told):
    folder = tmp_path / "faults"
    shutil.copytree(check.HERE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "k.toml"
    file.write_text(change(file.read_text()))
    assert any(told in flaw for flaw in check.flaws(folder)), check.flaws(folder)


def test_a_section_without_a_file_is_found_out(tmp_path):
    assert len(check.flaws(tmp_path)) == 191
