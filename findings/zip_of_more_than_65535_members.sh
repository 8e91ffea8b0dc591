#!/usr/bin/env bash
# ZIP archives of more than 65,535 members, as data sets of small chips have them, made and read by libraries for
# JavaScript. The end record has 16 bits for their number; ZIP64 is for more.
#
# Versions: fflate 0.8.3, jszip 3.10.2, adm-zip 0.6.1 (npm; Node.js 20).
# Seen: fflate.zipSync() and jszip write 70,000 members without ZIP64, and 4,464 (70,000 modulo 65,536) as their
#   number, without an error. fflate.unzipSync() and adm-zip give the first 4,464 members of these two archives, and no
#   error either; of an archive of the same files by adm-zip fflate gives 70,000. jszip and Python's zipfile read
#   the directory to its end, and give 70,000 of each.
# Expected: ZIP64 or an error when written; when read an error at least, as the directory has more entries than said.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund fflate@0.8.3 jszip@3.10.2 adm-zip@0.6.1 >/dev/null
cat > look.mjs <<'JS'
import { readFileSync, writeFileSync } from 'node:fs';
import * as fflate from 'fflate';
import JSZip from 'jszip';
import AdmZip from 'adm-zip';

const files = {};
for (let i = 0; i < 70000; i += 1) files[`chips/${String(i).padStart(6, '0')}.tif`] = new Uint8Array([i & 255]);
writeFileSync('fflate.zip', fflate.zipSync(files, { level: 0 }));
const other = new JSZip();
for (const name in files) other.file(name, files[name], { createFolders: false });
writeFileSync('jszip.zip', await other.generateAsync({ type: 'nodebuffer' }));
const third = new AdmZip();
for (const name in files) third.addFile(name, Buffer.from(files[name]));
writeFileSync('adm-zip.zip', third.toBuffer());

const readers = {
  fflate: async (data) => Object.keys(fflate.unzipSync(data)).length,
  'adm-zip': async (data) => new AdmZip(data).getEntries().length,
  jszip: async (data) => Object.keys((await JSZip.loadAsync(data)).files).length,
};
const found = [];
for (const writer of ['fflate', 'jszip', 'adm-zip']) {
  for (const [reader, count] of Object.entries(readers)) {
    found.push(await count(readFileSync(`${writer}.zip`)));
    console.log(`70,000 files by ${writer}, read by ${reader}: ${found.at(-1)}`);
  }
}
process.exitCode = found.join() === '4464,4464,70000,4464,4464,70000,70000,70000,70000' ? 0 : 1;
JS
node look.mjs
for name in fflate jszip adm-zip; do
    python3 -c "import sys, zipfile; n = len(zipfile.ZipFile('$name.zip').namelist()); print('read by zipfile:', n); sys.exit(n != 70000)"
done
echo "as described"
