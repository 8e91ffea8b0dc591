#!/usr/bin/env bash
# zarrs (the codecs of zarr-python in Rust, one setting to make reading faster): complex numbers in big-endian byte order, as radar
# images (SLC) are stored that come from a format of that order, read with or without compression.
#
# Versions: zarrs 0.2.3, zarr 3.4.2 (Python 3.12 or later); tensorstore 0.1.86 as a comparison.
# Seen: with codec_pipeline.path "zarrs.ZarrsCodecPipeline" real and imaginary part have changed places wherever a part of a
#   chunk is read: a window, some rows, a column, one pixel, and also in the chunks at the lower and the right edge when the
#   whole array is read, for these are stored whole. Chunks that lie whole in what is read are right; so the same pixel is
#   right or not, as the window is chosen. Magnitudes are right, phases are mirrored at 45 degrees. In a shard all of
#   it is wrong but shards that are read whole. No error, no warning; complex64 and complex128. Little-endian is right, and so
#   are floats and integers in both orders.
# Expected: the numbers that the same call gives with the codecs of zarr-python: the codec `bytes` of Zarr 3 stores the real part
#   and then the imaginary part, each as a float in the order that it names.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
for python in python3 python3.14 python3.13 python3.12 "$HOME"/.pyenv/versions/3.1[2-9].*/bin/python; do
  if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then break; fi
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$python" -m venv env
env/bin/pip install --quiet --disable-pip-version-check zarrs==0.2.3 zarr==3.4.2 tensorstore==0.1.86 numpy==2.5.5
cat > look.py <<'PY'
import os
import sys

import numpy
import tensorstore
import zarr
import zarrs  # noqa: F401

SHAPE, CHUNK, SHARD = (20, 23), (8, 9), (16, 18)
BY_ZARRS = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}
WINDOWS = {
    "all": numpy.s_[:, :], "one chunk": numpy.s_[8:16, 9:18], "one shard": numpy.s_[:16, :18], "a window": numpy.s_[3:17, 5:11],
    "three rows": numpy.s_[0:3], "a column": numpy.s_[:, 5], "a pixel": numpy.s_[1, 1],
}
EDGE = 1 - (16 * 18) / (20 * 23)  # the share of the pixels that lie in chunks at the edge, or in shards at the edge
number = numpy.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE)


def looked_at(kind, order, **options):
    """The share of numbers that are wrong in each window, and whether these are the numbers with their parts exchanged."""
    values = (number + (1j * (number + 1000) if kind.startswith("complex") else 0)).astype(kind)
    name = f"{kind}-{order}-{'-'.join(options)}.zarr"
    serializer = zarr.codecs.BytesCodec(endian=order)
    zarr.create_array(name, shape=SHAPE, dtype=kind, chunks=CHUNK, serializer=serializer, **options)[:] = values
    store = {"driver": "file", "path": os.path.abspath(name) + "/"}
    other = tensorstore.open({"driver": "zarr3", "kvstore": store}).result()
    wrong = {}
    for what, window in WINDOWS.items():
        assert numpy.array_equal(zarr.open_array(name, mode="r")[window], values[window])
        assert numpy.array_equal(other[window].read().result(), values[window])
        with zarr.config.set(BY_ZARRS):
            read = numpy.asarray(zarr.open_array(name, mode="r")[window])
        differ = read != values[window]
        exchanged = values[window].imag + 1j * values[window].real
        assert numpy.array_equal(read[differ], exchanged[differ])
        wrong[what] = round(float(differ.mean()), 3)
    print(f"{kind}, {order}-endian, {options}: share of numbers with their parts exchanged {wrong}")
    return wrong


same = True
for kind in ("complex64", "complex128"):
    for options in ({}, {"compressors": []}, {"shards": SHARD}):
        wrong = looked_at(kind, "big", **options)
        whole = {"all": round(EDGE, 3), "one chunk": float("shards" in options), "one shard": 0.0}
        same &= wrong == whole | dict.fromkeys(("a window", "three rows", "a column", "a pixel"), 1.0)
for kind, order in (("complex64", "little"), ("float64", "big"), ("int32", "big"), ("float32", "little")):
    same &= not any(looked_at(kind, order).values()) and not any(looked_at(kind, order, shards=SHARD).values())
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
