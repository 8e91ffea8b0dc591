"""The items of a mirror by month, or by year where they are of many years."""

from __future__ import annotations

from typing import NamedTuple

from .contents import Month, Totals

MAX_MONTHS = 60
MAX_YEARS = 120


class Period(NamedTuple):
    """A month or a year, and the items of that time."""

    name: str
    totals: Totals


def periods(months: dict[Month, Totals]) -> list[Period]:
    """All months from the first to the last one; else years, also those without items if they are not many.

    Of more than `MAX_YEARS` years with items the last ones.
    """
    if not months:
        return []
    (year, month), (last_year, last_month) = min(months), max(months)
    count = (last_year - year) * 12 + last_month - month + 1
    if count <= MAX_MONTHS:
        steps = [divmod(year * 12 + month - 1 + step, 12) for step in range(count)]
        found = [(at_year, at_month + 1) for at_year, at_month in steps]
        return [Period(f"{one[0]:04}-{one[1]:02}", months.get(one, Totals())) for one in found]
    years: dict[int, Totals] = {}
    for (at_year, _), totals in sorted(months.items()):
        years.setdefault(at_year, Totals()).join(totals)
    if last_year - year < MAX_YEARS:
        years = {one: years.get(one, Totals()) for one in range(year, last_year + 1)}
    return [Period(f"{one:04}", totals) for one, totals in list(years.items())[-MAX_YEARS:]]
