#!/usr/bin/env bash
# pooch.Unzip (and Untar): the files of an archive whose new version has left some of them out.
#
# Versions: pooch 1.9.0.
# Seen: fetch(name, processor=Unzip()) returns the paths of the members. The registry gets the digest of a new version
#   of the archive, which has dropped a file of wrong labels. fetch() downloads it, unpacks it into the same folder,
#   and returns all that is there: the file that was dropped is among them, for good.
# Expected: the members of the archive whose digest is in the registry. The digest says that the archive is right;
#   what a training script gets is the union of all versions that were ever here.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pooch==1.9.0
mkdir served
cat > look.py <<'PY'
import functools
import hashlib
import http.server
import os
import sys
import tarfile
import threading
import zipfile

import pooch


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory="served"))
threading.Thread(target=server.serve_forever, daemon=True).start()
pooch.get_logger().setLevel("ERROR")
cache = pooch.create("cache", base_url=f"http://127.0.0.1:{server.server_port}/", registry={})


def publish(name, labels):
    for label in labels:
        with open(label, "w") as file:
            file.write(label)
    if name.endswith(".zip"):
        with zipfile.ZipFile(f"served/{name}", "w") as archive:
            for label in labels:
                archive.write(label)
    else:
        with tarfile.open(f"served/{name}", "w") as archive:
            for label in labels:
                archive.add(label)
    with open(f"served/{name}", "rb") as file:
        cache.registry[name] = "sha256:" + hashlib.sha256(file.read()).hexdigest()


def fetched(name, processor):
    return sorted(os.path.basename(path) for path in cache.fetch(name, processor=processor))


same = True
for name, processor in (("labels.zip", pooch.Unzip()), ("labels.tar", pooch.Untar())):
    publish(name, ["good.csv", "wrong.csv"])
    before = fetched(name, processor)
    publish(name, ["good.csv"])
    after = fetched(name, processor)
    print(f"{name}: {before}, and of the version without wrong.csv: {after}")
    same &= before == after == ["good.csv", "wrong.csv"]
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
