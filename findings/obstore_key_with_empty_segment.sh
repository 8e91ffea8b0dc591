#!/usr/bin/env bash
# obstore: the listing of a bucket in which one key has an empty segment (`tiles//3.tif`), as uploads leave it that
# join a prefix with a slash at its end to a name with one before it. S3 takes such keys.
#
# Versions: obstore 0.12.1; moto 5.2.5 and boto3 1.44.8 for a bucket of S3.
# Seen: list() and list_with_delimiter() raise InvalidPathError for the whole page; the 3 other
#   objects cannot be listed, and the one cannot be read: get() refuses its name (ValueError).
# Expected: the other objects are listed; what cannot be named is told.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check obstore==0.12.1 'moto[server]==5.2.5' boto3==1.44.8
cat > look.py <<'PY'
import logging
import os
import sys

import boto3
import obstore
from moto.server import ThreadedMotoServer
from obstore.exceptions import BaseError
from obstore.store import S3Store

os.environ.update(AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret", AWS_DEFAULT_REGION="us-east-1")
logging.getLogger("werkzeug").setLevel("ERROR")
server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
server.start()
endpoint = "http://%s:%d" % server.get_host_and_port()
client = boto3.client("s3", endpoint_url=endpoint)
client.create_bucket(Bucket="chips")
for key in ("tiles/1.tif", "tiles/2.tif", "tiles//3.tif", "labels.csv"):
    client.put_object(Bucket="chips", Key=key, Body=key.encode())
store = S3Store("chips", endpoint=endpoint, client_options={"allow_http": True})


def outcome(call):
    try:
        return call()
    except (BaseError, ValueError) as error:
        return type(error).__name__


seen = {
    "boto3": len(client.list_objects_v2(Bucket="chips")["Contents"]),
    "list": outcome(lambda: len(obstore.list(store).collect())),
    "list of tiles/": outcome(lambda: len(obstore.list(store, prefix="tiles").collect())),
    "list of a level": outcome(lambda: len(obstore.list_with_delimiter(store, prefix="tiles")["objects"])),
    "get of it": outcome(lambda: bytes(obstore.get(store, "tiles//3.tif").bytes())),
}
for name, found in seen.items():
    print(f"{name}: {found}")
server.stop()
same = [*seen.values()] == [4, *["InvalidPathError"] * 3, "ValueError"]
print("as described" if same else "CHANGED: this finding is out of date")
sys.stdout.flush()
os._exit(0 if same else 1)
PY
env/bin/python look.py
