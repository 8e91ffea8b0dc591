#!/usr/bin/env bash
# asf_search: a download that is repeated after the connection was lost.
#
# Versions: asf-search 14.1.0.
# Seen: download_url() writes under the final name, and raises ChunkedEncodingError when the connection ends early: what came is
#   left there, 98,304 of 200,000 bytes here. The same call again returns as after a success, without a request to the server:
#   it warns that the file exists and is skipped. ASFProduct.download() and ASFSearchResults.download() take the same way.
#   A script that tries again until there is no error has a truncated scene, and nothing tells it from the others.
# Expected: the file in full, or an error: of a file that is there only the name is looked at, not the size that the server or
#   the search result (bytes) gives; or no file under the final name before it is complete.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check asf-search==14.1.0
cat > look.py <<'PY'
import os
import sys
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import asf_search

BODY = bytes(range(250)) * 800
requests = []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        requests.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY[: len(BODY) // 2] if len(requests) == 1 else BODY)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.mkdir("scenes")


def attempt():
    """Downloads once, and gives the name of the error or None, and what warnings there were."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            url = f"http://127.0.0.1:{server.server_port}/scene.zip"
            asf_search.download_url(url, "scenes", "scene.zip", session=asf_search.ASFSession())
        except Exception as error:
            return type(error).__name__, []
    return None, [str(one.message) for one in caught if "scene.zip" in str(one.message)]


outcomes = []
for number in (1, 2):
    error, said = attempt()
    outcomes.append((error, os.path.getsize("scenes/scene.zip"), len(requests)))
    print(f"call {number}: error {error}, {outcomes[-1][1]} of {len(BODY)} bytes, {len(requests)} requests so far; {said}")
server.shutdown()
server.server_close()
first, second = outcomes
same = (
    first[0] == "ChunkedEncodingError" and 0 < first[1] < len(BODY) and first[2] == 1
    and second == (None, first[1], 1) and len(said) == 1 and "skipping" in said[0]
)
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
