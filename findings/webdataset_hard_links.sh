#!/usr/bin/env bash
# A shard that `tar` made of a folder in which files with the same bytes are hard links, as tools that remove duplicates
# and mirrors leave them: labels of chips without a class are one file under many names.
#
# Versions: webdataset 1.0.2, fsspec 2026.9.0; GNU tar.
# Seen: WebDataset() passes hard links over without a word: of three samples of an image and a label each the second has
#   no label, the third no image. fsspec's "tar" file system and tar itself give all six files.
# Expected: the file that the link leads to, which is before it in the archive, or an error.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check webdataset==1.0.2 fsspec==2026.9.0
mkdir chips copy
for number in 0 1 2; do
    printf 'image %s' "$number" > "chips/$number.tif"
    printf '%s' "$number" > "chips/$number.cls"
done
ln -f chips/0.cls chips/1.cls
ln -f chips/1.tif chips/2.tif
tar --sort=name --create --file shard.tar --directory chips 0.tif 0.cls 1.tif 1.cls 2.tif 2.cls
tar --extract --file shard.tar --directory copy
cat > look.py <<'PY'
import os
import sys

import fsspec
import webdataset

samples = webdataset.WebDataset("shard.tar", shardshuffle=False)
parts = [sorted(key for key in sample if not key.startswith("__")) for sample in samples]
names = fsspec.filesystem("tar", fo="shard.tar").find("")
print(f"webdataset: {parts}\nfsspec: {names}\ntar: {sorted(os.listdir('copy'))}")
same = parts == [["cls", "tif"], ["tif"], ["cls"]] and names == sorted(os.listdir("copy")) and len(names) == 6
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(0 if same else 1)
PY
env/bin/python look.py
