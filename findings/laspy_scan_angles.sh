#!/usr/bin/env bash
# laspy: a point cloud of point format 0 to 5 that is brought to one of 6 to 10, as COPC and LAS 1.4 want it, or the other way.
#
# Versions: laspy 2.7.0.
# Seen: convert() gives all points the scan angle 0, which is nadir: the whole degrees of scan_angle_rank (-90 to 90) are
#   dropped, and scan_angle, the same in steps of 0.006 degrees, is left at its default; back from 6 to 1 too. No error, no
#   warning, and the documentation of convert() does not say so. Intensities, classes and times are kept. That a field is
#   lost tells lost_dimensions(), a function that convert() does not call.
# Expected: -15 degrees as -2500 (LAS 1.4 R15, "Scan Angle": a rotational position of 0.006 degrees a step), or an error.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check laspy==2.7.0 numpy==2.4.6
cat > look.py <<'PY'
import sys
import warnings

import laspy
import numpy

warnings.simplefilter("error")
DEGREES = [-15, -3, 0, 6, 15]


def cloud(format_id, version, field, angles):
    made = laspy.LasData(laspy.LasHeader(point_format=format_id, version=version))
    made.x = made.y = made.z = numpy.arange(len(angles), dtype=float)
    made.intensity = [100, 200, 300, 400, 500]
    made.classification = [2, 3, 4, 5, 6]
    made[field] = angles
    made.write(f"{format_id}.las")
    return laspy.read(f"{format_id}.las")


old = cloud(1, "1.2", "scan_angle_rank", DEGREES)
new = cloud(6, "1.4", "scan_angle", [round(one / 0.006) for one in DEGREES])
same = True
for given, field, wanted, to in ((old, "scan_angle_rank", "scan_angle", 6), (new, "scan_angle", "scan_angle_rank", 1)):
    converted = laspy.convert(given, point_format_id=to)
    converted.write("converted.las")
    read = laspy.read("converted.las")
    print(f"format {given.header.point_format.id}: {field} {given[field].tolist()};", end=" ")
    print(f"format {to}: {wanted} {read[wanted].tolist()}")
    same &= any(given[field]) and read[wanted].tolist() == [0] * len(DEGREES)
    same &= read.intensity.tolist() == [100, 200, 300, 400, 500]
    same &= numpy.array(read.classification).tolist() == [2, 3, 4, 5, 6]
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
