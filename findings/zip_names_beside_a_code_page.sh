#!/usr/bin/env bash
# ZIP archives as WinRAR and 7-Zip make them on a machine with Japanese names: each name in the code page of the machine
# (Shift-JIS), and in UTF-8 in the extra field 0x7075 beside it (APPNOTE 4.6.9).
#
# Versions: fflate 0.8.3, adm-zip 0.6.1, unzipper 0.12.5, jszip 3.10.2, yauzl 3.4.0 (npm; Node.js 20); Python 3.11 and 3.12.
# Seen: fflate, adm-zip and unzipper do not read the field. fflate gives the bytes as Latin-1; the others replace what is
#   no UTF-8, so that two names become one: adm-zip refuses the archive for that, and unzipper's extract() leaves one
#   file of two, and reports nothing. jszip, yauzl and Python's zipfile from 3.12 on give the names of the field,
#   zipfile of 3.11 those of code page 437.
# Expected: the names of the field, whose checksum fits; at least two files for two members.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund fflate@0.8.3 jszip@3.10.2 adm-zip@0.6.1 unzipper@0.12.5 yauzl@3.4.0 >/dev/null
python3 - <<'PY'
import io
import struct
import zipfile
import zlib

target, placeholders = io.BytesIO(), []
with zipfile.ZipFile(target, "w") as archive:
    for number, text in enumerate(("ダム.tif", "ダメ.tif")):
        coded, name = text.encode("shift-jis"), text.encode()
        info = zipfile.ZipInfo(f"{number}" * len(coded))
        info.extra = struct.pack("<HHBI", 0x7075, 5 + len(name), 1, zlib.crc32(coded)) + name
        archive.writestr(info, f"chip {number}")
        placeholders.append((info.filename.encode(), coded))
data = target.getvalue()
for placeholder, coded in placeholders:
    data = data.replace(placeholder, coded)
open("chips.zip", "wb").write(data)
PY
cat > look.mjs <<'JS'
import { readFileSync, readdirSync } from 'node:fs';
import AdmZip from 'adm-zip';
import * as fflate from 'fflate';
import JSZip from 'jszip';
import unzipper from 'unzipper';
import yauzl from 'yauzl';

const data = readFileSync('chips.zip');
const byYauzl = () =>
  new Promise((resolve, reject) => {
    yauzl.fromBuffer(data, { lazyEntries: false }, (error, zip) => {
      if (error) return reject(error);
      const names = [];
      zip.on('entry', (entry) => names.push(entry.fileName));
      zip.on('end', () => resolve(names));
    });
  });
const refusal = () => {
  try {
    return new AdmZip(data).getEntries().map((one) => one.entryName);
  } catch (error) {
    return [error.message];
  }
};
const opened = await unzipper.Open.buffer(data);
await opened.extract({ path: `${process.cwd()}/out` });
const found = {
  fflate: Object.keys(fflate.unzipSync(data)),
  'adm-zip': refusal(),
  unzipper: opened.files.map((one) => one.path),
  'extracted by unzipper': readdirSync('out'),
  jszip: Object.keys((await JSZip.loadAsync(data)).files),
  yauzl: await byYauzl(),
};
for (const name in found) console.log(`${name}: ${JSON.stringify(found[name])}`);
const right = JSON.stringify(['ダム.tif', 'ダメ.tif']);
const isRight = (name) => JSON.stringify(found[name]) === right;
const distinct = (name) => new Set(found[name]).size;
const same =
  !isRight('fflate') && distinct('fflate') === 2 &&
  found['adm-zip'][0].includes('Duplicate entry name') &&
  ['unzipper', 'extracted by unzipper'].every((name) => distinct(name) === 1) &&
  isRight('jszip') && isRight('yauzl');
process.exitCode = same ? 0 : 1;
JS
node look.mjs
python3 - <<'PY'
import sys
import zipfile

names = zipfile.ZipFile("chips.zip").namelist()
print(f"zipfile of Python {sys.version.split()[0]}: {names}")
sys.exit((names == ["ダム.tif", "ダメ.tif"]) != (sys.version_info >= (3, 12)))
PY
echo "as described"
