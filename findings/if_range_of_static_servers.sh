#!/usr/bin/env bash
# If-Range with the validator of a version that is gone, as servers of static files answer it. A download that was
# interrupted asks so for the rest of its file: RFC 9110 13.1.5 has the range left out then, and all of the new
# file sent with status 200.
#
# Versions: aiohttp 3.14.5, tornado 6.6.1, whitenoise 6.12.0, bottle 0.13.4; as a comparison starlette 1.10.0.
# Seen: the file is replaced by another one of the same size, and bytes 10 to 19 are asked for with If-Range.
#   aiohttp (add_static, FileResponse) heeds a date, but takes an ETag, its own strong one, for no condition; tornado,
#   whitenoise and bottle heed neither. All four send 206 with bytes of the new file. starlette sends 200.
# Expected: 200. A client that joins what it has and the 206 has a file that never was, of the right length. What
#   tells is only that the validator in the 206 is not the one asked with, and of tornado only its date is another.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    aiohttp==3.14.5 tornado==6.6.1 whitenoise==6.12.0 bottle==0.13.4 starlette==1.10.0 uvicorn==0.54.0
cat > look.py <<'PY'
import http.client
import os
import socket
import subprocess
import sys
import time

SERVERS = {
    "aiohttp": """
from aiohttp import web
app = web.Application()
app.router.add_static("/", "root")
web.run_app(app, host="127.0.0.1", port=PORT, print=None)
""",
    "tornado": """
import asyncio
from tornado.web import Application, StaticFileHandler
async def main():
    Application([("/(.*)", StaticFileHandler, {"path": "root"})]).listen(PORT, "127.0.0.1")
    await asyncio.Event().wait()
asyncio.run(main())
""",
    "whitenoise": """
from wsgiref.simple_server import make_server
from whitenoise import WhiteNoise
make_server("127.0.0.1", PORT, WhiteNoise(None, root="root", autorefresh=True)).serve_forever()
""",
    "bottle": """
import bottle
@bottle.get("/<name>")
def file(name):
    return bottle.static_file(name, root="root")
bottle.run(host="127.0.0.1", port=PORT, quiet=True)
""",
    "starlette": """
import uvicorn
from starlette.staticfiles import StaticFiles
uvicorn.run(StaticFiles(directory="root"), host="127.0.0.1", port=PORT, log_level="error")
""",
}
SEEN = {
    "aiohttp": (206, 200),
    "tornado": (206, 206),
    "whitenoise": (206, 206),
    "bottle": (206, 206),
    "starlette": (200, 200),
}


def put(letter, age):
    with open("new", "wb") as file:
        file.write(letter * 5000)
    os.utime("new", (time.time() - age,) * 2)
    os.replace("new", "root/a.bin")


def ask(port, fields):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/a.bin", headers=fields)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def look(script):
    put(b"A", 86400)
    port = free_port()
    server = subprocess.Popen([sys.executable, "-c", script.replace("PORT", str(port))], stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                first, _ = ask(port, {"Range": "bytes=0-9"})
                break
            except OSError:
                time.sleep(0.1)
        put(b"B", 3600)
        found = []
        for validator in (first.headers["ETag"], first.headers["Last-Modified"]):
            answer, body = ask(port, {"Range": "bytes=10-19", "If-Range": validator})
            assert body == (b"B" * 10 if answer.status == 206 else b"B" * 5000)
            found.append(answer.status)
        return tuple(found)
    finally:
        server.terminate()
        server.wait()


os.mkdir("root")
same = True
for name, script in SERVERS.items():
    found = look(script)
    same &= found == SEEN[name]
    print(f"{name}: If-Range with the ETag of before: {found[0]}, with the date of before: {found[1]}")
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
