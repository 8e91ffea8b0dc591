#!/usr/bin/env bash
# A STAC API whose search has a page without items and with a `next` link, as servers have it that filter, or check
# permissions, after they have read a page from their database.
#
# Versions: pystac-client 0.9.1, rustac 0.9.18.
# Seen: of three pages with one item, none, and one, both give the first item and no error: they end where a page has no
#   features (ItemSearch.items() of pystac-client, rustac.search()), whatever its links say.
# Expected: a search goes on until a page has no `next` link; nothing in the STAC API specification lets a page
#   without features end it. numberMatched says 2 here.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pystac-client==0.9.1 rustac==0.9.18
cat > look.py <<'PY'
import asyncio
import http.server
import json
import os
import sys
import threading
from urllib.parse import parse_qs, urlsplit

import pystac_client
import rustac


def item(name):
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": "scenes",
        "geometry": {"type": "Point", "coordinates": [36.5, -1.5]},
        "bbox": [36.5, -1.5, 36.5, -1.5],
        "properties": {"datetime": "2024-06-01T00:00:00Z"},
        "links": [],
        "assets": {},
    }


PAGES = [[item("first")], [], [item("second")]]


class Api(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        root = f"http://127.0.0.1:{self.server.server_port}"
        asked = urlsplit(self.path)
        if asked.path == "/search":
            number = int(parse_qs(asked.query).get("page", ["0"])[0])
            following = {"rel": "next", "type": "application/geo+json", "href": f"{root}/search?page={number + 1}"}
            links = [following] if number + 1 < len(PAGES) else []
            body = {"type": "FeatureCollection", "numberMatched": 2, "features": PAGES[number], "links": links}
        else:
            links = [{"rel": rel, "href": f"{root}/"} for rel in ("self", "root")]
            search = {"rel": "search", "type": "application/geo+json", "href": f"{root}/search", "method": "GET"}
            classes = [f"https://api.stacspec.org/v1.0.0/{name}" for name in ("core", "item-search")]
            body = {"type": "Catalog", "stac_version": "1.0.0", "id": "api", "description": "An API"}
            body |= {"conformsTo": classes, "links": [*links, search]}
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *words):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
root = f"http://127.0.0.1:{server.server_port}"
search = pystac_client.Client.open(root).search(method="GET")
by_python = [one.id for one in search.items()]


async def search_with_rustac():
    return [one["id"] for one in await rustac.search(root)]


by_rust = asyncio.run(search_with_rustac())
print("pystac-client:", by_python, "of", search.matched())
print("rustac:       ", by_rust)
same = by_python == ["first"] and by_rust == ["first"]
print("as described" if same else "CHANGED: this finding is out of date")
sys.stdout.flush()
os._exit(0 if same else 1)
PY
env/bin/python look.py
