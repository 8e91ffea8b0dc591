#!/usr/bin/env bash
# planetary_computer.sign() of an item that was saved with its signatures, as a list of items for a later run is.
#
# Versions: planetary-computer 1.0.0, pystac 1.15.2.
# Seen: an href that has a signature (st, se, sp) is returned as it is, also where `se`, the end of it, is years ago.
#   sign() gives an item whose assets cannot be read, and no error; no token is asked for. Only after the
#   query is taken off by hand a new one is.
# Expected: a signature that has ended is replaced: when it ends is in the href.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check planetary-computer==1.0.0 pystac==1.15.2
cat > look.py <<'PY'
import datetime
import http.server
import json
import os
import sys
import threading

asked = []


class Tokens(http.server.BaseHTTPRequestHandler):
    """A token endpoint."""

    def do_GET(self):
        asked.append(self.path)
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
        expiry = end.strftime("%Y-%m-%dT%H:%M:%SZ")
        data = json.dumps({"msft:expiry": expiry, "token": f"st=2024&se={expiry}&sp=rl&sig=new"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tokens)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["PC_SDK_SAS_URL"] = f"http://127.0.0.1:{server.server_port}/token"

import planetary_computer
import pystac

plain = "https://account.blob.core.windows.net/container/scene/B04.tif"
ended = plain + "?st=2021-03-01T00%3A00%3A00Z&se=2021-03-02T00%3A00%3A00Z&sp=rl&sv=2020-06-12&sr=c&sig=old"
item = pystac.Item("scene", None, None, datetime.datetime(2021, 3, 1), {}, assets={"B04": pystac.Asset(ended)})
signed = planetary_computer.sign(item).assets["B04"].href
before = len(asked)
again = planetary_computer.sign(plain)
print("ended in 2021, signed again:", "as it was" if signed == ended else signed, f"({before} tokens asked for)")
print("without its query:          ", again.partition("&sig=")[2], f"({len(asked)} token asked for)")
same = signed == ended and before == 0 and "sig=new" in again and len(asked) == 1
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
