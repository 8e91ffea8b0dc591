#!/usr/bin/env bash
# openeo-processes-dask (openEO processes on xarray, also behind the local processing of the openEO client): aggregate_temporal, and
# with it the dekads, tropical seasons and decades of aggregate_temporal_period, of images whose time is a date, as composites,
# daily grids and labels have it: midnight.
#
# Versions: openeo-processes-dask 2026.9.1, openeo-pg-parser-networkx 2026.3.3, xarray 2026.9.0 (Python 3.11 or later);
#   filter_temporal() of the same package and xarray as a comparison.
# Seen: an image at the start of an interval is left out of it, and one at its end, which is the start of the next one, is in it.
#   Of twelve monthly composites by quarters the first quarter has February, March and April, the last one November and December,
#   and January is in none. The first dekad of January has the days from the 2nd to the 11th. No error, no warning.
#   filter_temporal() with the same intervals is right, and so are the periods month, season and year.
# Expected: "left-closed" intervals: the first instant is included, the second one excluded (openEO processes 2.0, aggregate_temporal;
#   the description that the package itself ships); dekads of the days 1-10, 11-20 and 21 to the end (aggregate_temporal_period).
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
# Its extra "implementations" without the bindings of GDAL, which want a compiler and are not used here
env/bin/pip install --quiet --disable-pip-version-check openeo-processes-dask==2026.9.1 openeo-pg-parser-networkx==2026.3.3 \
    xarray==2026.9.0 numpy==2.2.6 pandas==2.3.3 scipy==1.17.1 dask==2026.8.0 distributed==2026.8.0 dask-geopandas==0.5.0 \
    geopandas==1.2.0 rasterio==1.4.4 rioxarray==0.19.0 odc-geo==0.5.3 odc-stac==0.5.3 joblib==1.6.0 xvec==0.5.2 \
    pystac-client==0.9.1 planetary-computer==1.0.0 stac-validator==4.1.2 rqadeforestation==0.2.3
cat > look.py <<'PY'
import json
import logging
import os
import sys
import warnings

import numpy
import pandas
import xarray

warnings.simplefilter("ignore")
logging.disable(logging.ERROR)

import openeo_processes_dask.specs
from openeo_pg_parser_networkx.pg_schema import TemporalInterval
from openeo_processes_dask.process_implementations import aggregate_temporal, aggregate_temporal_period, filter_temporal

folder = os.path.join(os.path.dirname(openeo_processes_dask.specs.__file__), "openeo-processes")
with open(os.path.join(folder, "aggregate_temporal.json")) as file:
    (rule,) = (one["description"] for one in json.load(file)["parameters"] if one["name"] == "intervals")
print("its own description:", rule.splitlines()[0], "...", *rule.splitlines()[2:4])
assert "Left-closed" in rule and "**excluded** from the interval" in rule


def cube_of(times):
    """One pixel whose bit number n is set at the time number n, so that a sum tells which times are in it."""
    bits = 2.0 ** numpy.arange(len(times))
    return xarray.DataArray(bits[:, None, None], dims=("t", "y", "x"), coords={"t": times, "y": [0.0], "x": [0.0]})


def times_of(total, times):
    number = 0 if numpy.isnan(total) else int(total)
    return [str(time.date()) for index, time in enumerate(times) if number >> index & 1]


def add_up(data, axis=None, **options):
    return numpy.sum(data, axis=axis)


same = True
months = pandas.date_range("2020-01-01", periods=12, freq="MS")
starts = ["2020-01-01", "2020-04-01", "2020-07-01", "2020-10-01", "2021-01-01"]
quarters = [list(pair) for pair in zip(starts, starts[1:])]
by_quarter = aggregate_temporal(cube_of(months), quarters, add_up).values.ravel()
for number, (quarter, total) in enumerate(zip(quarters, by_quarter)):
    found = times_of(total, months)
    chosen = filter_temporal(data=cube_of(months), extent=TemporalInterval.model_validate(quarter))
    by_filter = times_of(float(chosen.sum()), months)
    print(f"{quarter}: aggregate_temporal {found}, filter_temporal {by_filter}")
    same &= by_filter == [str(one.date()) for one in months[3 * number:3 * number + 3]]
    same &= found == [str(one.date()) for one in months[3 * number + 1:3 * number + 4]]
days = pandas.date_range("2020-01-01", "2020-02-15", freq="D")
dekads = [times_of(total, days) for total in aggregate_temporal_period(cube_of(days), add_up, "dekad").values.ravel()]
print("dekads:", [(one[0], one[-1], len(one)) for one in dekads])
same &= [(one[0][-5:], one[-1][-5:]) for one in dekads[:3]] == [("01-02", "01-11"), ("01-12", "01-21"), ("01-22", "02-01")]
years = pandas.to_datetime([f"{year}-01-01" for year in range(2005, 2016)])
decades = [times_of(total, years) for total in aggregate_temporal_period(cube_of(years), add_up, "decade").values.ravel()]
print("decades:", [(one[0], one[-1]) for one in decades])
same &= [(one[0][:4], one[-1][:4]) for one in decades] == [("2005", "2010"), ("2011", "2015")]
seasons = aggregate_temporal_period(cube_of(months), add_up, "season").values.ravel()
print("seasons:", [times_of(total, months) for total in seasons])
same &= times_of(seasons[1], months) == ["2020-03-01", "2020-04-01", "2020-05-01"]
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
