"""The table of formats in docs/formats.md is that of the present checks and samples."""

from support.format_table import BEGIN, FORMATS, PAGE, page_with, samples_of, table
from support.samples import MADE_BY, SAMPLES


def test_the_table_in_the_documentation_is_current():
    page = PAGE.read_text(encoding="utf-8")
    assert page.count(BEGIN) == 1
    assert page_with(table(), page) == page, "PYTHONPATH=tests python -m support.format_table"


def test_every_sample_is_in_one_row_of_it():
    rows = [name for parts, _ in FORMATS.values() for name in samples_of(parts)]
    assert sorted(rows) == sorted(SAMPLES) == sorted(MADE_BY)
