#!/usr/bin/env bash
# supervision: labels in COCO format whose masks have holes, such as a field around a pond, read and written again, as it is done
# to merge or to split data sets. COCO has such masks as RLE; a list of polygons is their union.
#
# Versions: supervision 0.31.2 with opencv-python 5.0.0.93; pycocotools 2.0.11 as a comparison.
# Seen: DetectionDataset.from_coco() reads an RLE mask of 1,500 pixels with a hole of 100 as it is, and as_coco() writes it as two
#   polygons, the outline and the hole, with "area": 1500. Read again it has 1,521 pixels by pycocotools, 1,600 by
#   supervision, and no hole. No error, no warning. With "iscrowd": 1 the same mask is written as RLE, and stays; a mask
#   that was not read from COCO is too. Polygons grow on the way in: one of 20 x 20 has 441 pixels by supervision, 400 by
#   pycocotools.
# Expected: RLE for a mask with a hole, as as_coco() makes it where no iscrowd was read; 400 pixels.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    supervision==0.31.2 opencv-python==5.0.0.93 pycocotools==2.0.11 pillow==13.0.0 numpy==2.4.6
cat > look.py <<'PY'
import contextlib
import io
import json
import os
import sys
import warnings

import numpy
import supervision
from PIL import Image
from pycocotools import mask as rle
from pycocotools.coco import COCO

warnings.simplefilter("ignore", FutureWarning)
HEIGHT, WIDTH = 100, 120
IN_THE_HOLE = (25, 25)
with_hole = numpy.zeros((HEIGHT, WIDTH), "uint8")
with_hole[10:50, 10:50] = 1
with_hole[20:30, 20:30] = 0
counts = rle.encode(numpy.asfortranarray(with_hole))
counts = {"size": list(counts["size"]), "counts": counts["counts"].decode()}
square = [[60, 60, 80, 60, 80, 80, 60, 80]]
os.mkdir("images")
Image.fromarray(numpy.zeros((HEIGHT, WIDTH, 3), "uint8")).save("images/chip.png")
common = {"image_id": 1, "category_id": 1}
labels = [
    {"id": 1, "bbox": [10, 10, 40, 40], "area": 1500, "iscrowd": 0, "segmentation": counts} | common,
    {"id": 2, "bbox": [10, 10, 40, 40], "area": 1500, "iscrowd": 1, "segmentation": counts} | common,
    {"id": 3, "bbox": [60, 60, 20, 20], "area": 400, "iscrowd": 0, "segmentation": square} | common,
]
with open("labels.json", "w") as file:
    images = [{"id": 1, "file_name": "chip.png", "width": WIDTH, "height": HEIGHT}]
    categories = [{"id": 1, "name": "field", "supercategory": "crop"}]
    json.dump({"images": images, "annotations": labels, "categories": categories}, file)


def by_pycocotools(path):
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(path)
    masks = [coco.annToMask(one) for one in coco.loadAnns(sorted(coco.getAnnIds()))]
    return [(int(one.sum()), int(one[IN_THE_HOLE])) for one in masks]


def by_supervision(images, path):
    data = supervision.DetectionDataset.from_coco(images, path, force_masks=True)
    ((_, _, found),) = data
    return data, [(int(one.sum()), int(one[IN_THE_HOLE])) for one in found.mask]


def write(data, name):
    with contextlib.redirect_stderr(io.StringIO()):
        data.as_coco(images_directory_path=name, annotations_path=f"{name}.json")
    with open(f"{name}.json") as file:
        return [(type(one["segmentation"]).__name__, one["area"]) for one in json.load(file)["annotations"]]


data, first = by_supervision("images", "labels.json")
print("(pixels, value in the hole) read: pycocotools", by_pycocotools("labels.json"), "supervision", first)
written = write(data, "written")
again = by_pycocotools("written.json"), by_supervision("written", "written.json")[1]
print("written: (segmentation, area)", written)
print("read again: pycocotools", again[0], "supervision", again[1])
made = supervision.Detections(xyxy=numpy.array([[10, 10, 50, 50]]), mask=with_hole[None].astype(bool), class_id=numpy.array([0]))
made = supervision.DetectionDataset(["field"], ["images/chip.png"], {"images/chip.png": made})
print("not read from COCO:", write(made, "made"), "pycocotools", by_pycocotools("made.json"))
same = (
    by_pycocotools("labels.json") == [(1500, 0), (1500, 0), (400, 0)] and first == [(1500, 0), (1500, 0), (441, 0)]
    and [kind for kind, _ in written] == ["list", "dict", "list"] and written[0][1] == 1500
    and again[0][0] == (1521, 1) and again[1][0] == (1600, 1) and again[0][1] == again[1][1] == (1500, 0)
    and by_pycocotools("made.json") == [(1500, 0)]
)
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
