#!/usr/bin/env bash
# cftime, and with it netCDF4-python and xarray: times of a NetCDF file whose reference is in a time zone that is written with
# one digit, as in the example of the CF conventions (4.4): "seconds since 1992-10-8 15:15:42.5 -6:00".
#
# Versions: cftime 1.6.6.1, netCDF4 1.7.5.1.post1, xarray 2026.9.0 with pandas 2.3.3.
# Seen: cftime.num2date() and netCDF4.num2date() leave the offset out: 15:15:42.5 in place of 21:15:42.5 UTC. With -06:00
#   and -0600 they are right. date2num() has the same fault. xarray.open_dataset() is right for the standard calendar,
#   where it decodes by pandas, and 6 hours off in `noleap` and `360_day`, and with use_cftime=True: of one file two
#   times, by an option that is to choose the class of the objects. No error, no warning. So with +3:00 of Nairobi.
# Expected: 21:15:42.5 of each, or an error.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    cftime==1.6.6.1 netCDF4==1.7.5.1.post1 xarray==2026.9.0 pandas==2.3.3 numpy==2.4.6
cat > look.py <<'PY'
import sys

import cftime
import netCDF4
import xarray

LOCAL, UTC = "1992-10-08 15:15:42", "1992-10-08 21:15:42"


def text(value):
    return str(value)[:19].replace("T", " ")


def times(offset, calendar):
    units = f"seconds since 1992-10-8 15:15:42.5 {offset}"
    with netCDF4.Dataset("tile.nc", "w") as file:
        file.createDimension("time", 1)
        variable = file.createVariable("time", "f8", ("time",))
        variable.units, variable.calendar = units, calendar
        variable[:] = 0
    with netCDF4.Dataset("tile.nc") as file:
        variable = file["time"]
        by_netcdf = netCDF4.num2date(variable[0], variable.units, variable.calendar)
    found = {"cftime": cftime.num2date(0, units, calendar), "netCDF4": by_netcdf}
    for name, decoder in (
        ("xarray", xarray.coders.CFDatetimeCoder()),
        ("xarray, use_cftime", xarray.coders.CFDatetimeCoder(use_cftime=True)),
    ):
        with xarray.open_dataset("tile.nc", engine="netcdf4", decode_times=decoder) as dataset:
            found[name] = dataset.time.values[0]
    return {name: text(value) for name, value in found.items()}


same = True
for offset in ("-6:00", "-06:00", "-0600"):
    for calendar in ("standard", "noleap", "360_day"):
        found = times(offset, calendar)
        print(offset, calendar, found)
        lost = set(found) if offset == "-6:00" else set()
        if calendar == "standard":
            lost -= {"xarray"}
        same &= all(value == (LOCAL if name in lost else UTC) for name, value in found.items())
noon = cftime.DatetimeGregorian(2020, 6, 1, 9)
hours = [cftime.date2num(noon, f"hours since 2020-06-01 12:00 {offset}") for offset in ("+3:00", "+03:00")]
print("hours of 09:00 UTC since 12:00 in Nairobi, +3:00 and +03:00:", hours)
same &= hours == [-3, 0]
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
