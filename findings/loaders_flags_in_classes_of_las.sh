#!/usr/bin/env bash
# loaders.gl: the classes of a point cloud of point format 0 to 3 in which points are marked as withheld, key points or
# synthetic, as surveys mark noise and the points that lie in an overlap.
#
# Versions: @loaders.gl/las 4.5.1, @loaders.gl/core 4.4.5 (npm; Node.js 20); laspy 2.7.0 with lazrs 0.8.2 writes, and reads
#   as a comparison, with copc 0.0.8 (npm).
# Seen: `classification` of a marked point is a class that no point has: ground (2) that is withheld is 130, vegetation (5) that
#   is a key point 69, and synthetic ground 34. No error. In LAS and LAZ. Points without a mark are right.
# Expected: 2, 5 and 2. Of the byte of the class the five low bits are the class, and the three high ones are the marks (LAS 1.4
#   R15, classification of point formats 0 to 5).
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @loaders.gl/las@4.5.1 @loaders.gl/core@4.4.5 copc@0.0.8 laz-perf@0.0.7 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check laspy==2.7.0 lazrs==0.8.2 numpy==2.4.6
cat > write.py <<'PY'
import laspy
import numpy

for form in range(4):
    for suffix in ("las", "laz"):
        cloud = laspy.LasData(laspy.LasHeader(version="1.2", point_format=form))
        cloud.header.scales = numpy.full(3, 0.01)
        cloud.x = cloud.y = cloud.z = numpy.arange(50.0)
        cloud.classification = [2, 2, 5, 2, 6] * 10
        cloud.withheld, cloud.key_point = [0, 1, 0, 0, 0] * 10, [0, 0, 1, 0, 0] * 10
        cloud.synthetic = [0, 0, 0, 1, 0] * 10
        cloud.write(f"{form}.{suffix}")
        again = laspy.read(f"{form}.{suffix}")
        assert list(again.classification[:5]) == [2, 2, 5, 2, 6] and list(again.withheld[:5]) == [0, 1, 0, 0, 0]
PY
env/bin/python write.py
cat > look.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { parse } from '@loaders.gl/core';
import { LASLoader } from '@loaders.gl/las';
import copc from 'copc';

const { Las } = copc;
let same = true;
for (const name of [0, 1, 2, 3].flatMap((form) => [`${form}.las`, `${form}.laz`])) {
  const bytes = Uint8Array.from(readFileSync(name));
  const header = Las.Header.parse(bytes);
  const points = name.endsWith('.laz') ? await Las.PointData.decompressFile(bytes) : bytes.subarray(header.pointDataOffset);
  const getter = Las.View.create(points, header).getter('Classification');
  const byCopc = [0, 1, 2, 3, 4].map((n) => getter(n));
  const { attributes } = await parse(bytes.buffer, LASLoader, { worker: false, core: { worker: false } });
  const found = Array.from(attributes.classification.value.slice(0, 5));
  console.log(`${name}: loaders.gl ${found}; copc ${byCopc}`);
  same &&= String(found) === '2,130,69,34,6' && String(byCopc) === '2,2,5,2,6';
}
console.log(same ? 'as described' : 'CHANGED: this finding is out of date');
process.exitCode = same ? 0 : 1;
JS
node look.mjs
