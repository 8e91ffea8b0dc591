#!/usr/bin/env bash
# StaticFileHandler of Tornado: the ETag of a file that was replaced, as a new version of a data set is put in place
# beside a running server.
#
# Versions: tornado 6.6.1.
# Seen: the handler makes the ETag of a digest of the content, once per path and process, and keeps it. The file is
#   replaced (os.replace, another size, a later time): the server sends the new bytes and the new Last-Modified
#   with the strong ETag of the old ones, and answers If-None-Match with that ETag by 304, until it is started again.
# Expected: another ETag (RFC 9110 8.8.3). With this one a copy that is brought up to date by conditional
#   requests never is, and a download goes on in the new file by If-Match. The date in the 304 tells.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check tornado==6.6.1
mkdir root
cat > look.py <<'PY'
import asyncio
import os
import sys
import time

from tornado.httpclient import AsyncHTTPClient
from tornado.testing import bind_unused_port
from tornado.httpserver import HTTPServer
from tornado.web import Application, StaticFileHandler


def put(body, age):
    with open("new", "wb") as file:
        file.write(body)
    os.utime("new", (time.time() - age,) * 2)
    os.replace("new", "root/scene.tif")


async def main():
    listening, port = bind_unused_port()
    server = HTTPServer(Application([("/(.*)", StaticFileHandler, {"path": "root"})]))
    server.add_sockets([listening])
    client, url = AsyncHTTPClient(), f"http://127.0.0.1:{port}/scene.tif"
    put(b"first version", 86400)
    first = await client.fetch(url)
    put(b"the second version", 3600)
    second = await client.fetch(url)
    etag = first.headers["ETag"]
    again = await client.fetch(url, headers={"If-None-Match": etag}, raise_error=False)
    print("first: ", first.body, first.headers["Last-Modified"], etag[:12])
    print("second:", second.body, second.headers["Last-Modified"], second.headers["ETag"][:12])
    print("If-None-Match with the first ETag:", again.code, again.headers["Last-Modified"])
    return (
        second.body == b"the second version"
        and second.headers["ETag"] == etag
        and second.headers["Last-Modified"] != first.headers["Last-Modified"]
        and again.code == 304
        and again.headers["Last-Modified"] == second.headers["Last-Modified"]
    )


same = asyncio.run(main())
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
