#!/usr/bin/env bash
# copc (npm; COPC and LAS for JavaScript): a dimension of extra bytes with a scale and an offset, such as a height above ground
# or a reflectance that is stored in two bytes.
#
# Versions: copc 0.0.8 with laz-perf 0.0.7 (npm; Node.js 20); copclib 2.6.3 writes the COPC file, and laspy 2.7.0 with lazrs
#   0.8.2 reads it as a comparison, and writes the LAS file.
# Seen: the values of the dimension are like -6e287 in place of -3 metres, without an error: scale and offset are read as
#   big-endian numbers. So in COPC, LAZ and LAS. Extra bytes without a scale are right, and so are X, Y and Z.
# Expected: -3. All numbers of a LAS file are little-endian, those of the extra bytes record too (LAS 1.4 R15).
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund copc@0.0.8 laz-perf@0.0.7 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check copclib==2.6.3 laspy==2.7.0 lazrs==0.8.2 numpy==2.4.6
cat > write.py <<'PY'
import json

import copclib
import laspy
import numpy

COUNT = 20
heights = numpy.arange(COUNT) * 1.5 - 3  # metres, stored as hundredths above 5 m
header = laspy.LasHeader(version="1.4", point_format=6)
header.global_encoding.wkt = True
header.offsets, header.scales = numpy.zeros(3), numpy.full(3, 0.01)
header.add_extra_dim(laspy.ExtraBytesParams("height", "i2", scales=numpy.array([0.01]), offsets=numpy.array([5.0])))
header.add_extra_dim(laspy.ExtraBytesParams("pulse", "i2"))
cloud = laspy.LasData(header)
cloud.x = cloud.y = cloud.z = numpy.arange(COUNT, dtype=float)
cloud.height, cloud.pulse = heights, numpy.arange(COUNT) + 100
cloud.write("points.las")
cloud.write("points.laz")
record = copclib.LazReader("points.laz").laz_config.extra_bytes_vlr
config = copclib.CopcConfigWriter(6, copclib.Vector3(0.01, 0.01, 0.01), copclib.Vector3(0, 0, 0), "", record)
points = copclib.Points(config.las_header)
for n in range(COUNT):
    point = points.CreatePoint()
    point.x = point.y = point.z = n
    point.extra_bytes = list(numpy.array([round((heights[n] - 5) / 0.01), n + 100], "<i2").tobytes())
    points.AddPoint(point)
config.las_header.min, config.las_header.max = copclib.Vector3(0, 0, 0), copclib.Vector3(COUNT, COUNT, COUNT)
writer = copclib.FileWriter("points.copc.laz", config)
writer.copc_config.copc_info.spacing = 1
writer.AddNode(copclib.VoxelKey(0, 0, 0, 0), points)
writer.Close()
with laspy.CopcReader.open("points.copc.laz") as reader:
    found = reader.query()
for one in (found, laspy.read("points.las"), laspy.read("points.laz")):
    assert numpy.allclose(one.height, heights) and numpy.array_equal(one.pulse, numpy.arange(COUNT) + 100)
with open("right.json", "w") as target:
    json.dump(heights.tolist(), target)
PY
env/bin/python write.py
cat > look.mjs <<'JS'
import { readFileSync } from 'node:fs';
import copc from 'copc';

const { Copc, Las } = copc;
const heights = JSON.parse(readFileSync('right.json'));

async function viewOf(name) {
  const bytes = new Uint8Array(readFileSync(name));
  const get = async (begin, end) => bytes.subarray(begin, end);
  if (name.endsWith('.copc.laz')) {
    const opened = await Copc.create(get);
    const { nodes } = await Copc.loadHierarchyPage(get, opened.info.rootHierarchyPage);
    return Copc.loadPointDataView(get, opened, nodes['0-0-0-0']);
  }
  const header = Las.Header.parse(bytes);
  const record = Las.Vlr.find(await Las.Vlr.walk(get, header), 'LASF_Spec', 4);
  const extra = Las.ExtraBytes.parse(await Las.Vlr.fetch(get, record));
  const size = header.pointCount * header.pointDataRecordLength;
  const points = name.endsWith('.laz') ? await Las.PointData.decompressFile(bytes)
    : bytes.subarray(header.pointDataOffset, header.pointDataOffset + size);
  return Las.View.create(points, header, extra);
}

let same = true;
for (const name of ['points.copc.laz', 'points.laz', 'points.las']) {
  const view = await viewOf(name);
  const column = (dimension) => heights.map((_, n) => view.getter(dimension)(n));
  const [height, pulse, x] = ['height', 'pulse', 'X'].map(column);
  console.log(`${name}: height ${height.slice(0, 2)} of ${heights.slice(0, 2)}, pulse ${pulse.slice(0, 2)}, X ${x.slice(0, 2)}`);
  same &&= view.pointCount === heights.length && pulse.every((v, n) => v === n + 100);
  same &&= x.every((v, n) => Math.abs(v - n) < 1e-9);
  same &&= height.every((v, n) => Math.abs(v - heights[n]) > 1e100);
}
console.log(same ? 'as described' : 'CHANGED: this finding is out of date');
process.exitCode = same ? 0 : 1;
JS
node look.mjs
