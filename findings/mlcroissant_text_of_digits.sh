#!/usr/bin/env bash
# mlcroissant: a text field of a CSV file whose values look like numbers, or like nothing: chips that are numbered
# 0001, 0002; MGRS tiles and codes with a leading zero; Namibia's country code NA; a label class named None.
#
# Versions: mlcroissant 1.1.1, pandas 2.3.3.
# Seen: the fields are declared as sc:Text. Of a column of such values records() gives 0001 as b"1", and as b"1.0" where one
#   value is empty or 1e5, which is b"100000.0"; NA and None are missing (None). No error, no warning: the ids lead to no
#   file any more, and two ids, 01 and 1, become one. The same table as JSON (application/json, jsonPath) keeps all of it.
# Expected: the text that is in the file: the data type of the field says what it is (Croissant 1.0, dataType).
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check mlcroissant==1.1.1 pandas==2.3.3
cat > look.py <<'PY'
import hashlib
import json
import logging
import sys

import mlcroissant

logging.disable(logging.CRITICAL)
CONTEXT = {
    **{"@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/"},
    **{"cr": "http://mlcommons.org/croissant/", "dct": "http://purl.org/dc/terms/", "conformsTo": "dct:conformsTo"},
    **{name: f"cr:{name}" for name in ("column", "extract", "field", "fileObject", "jsonPath", "recordSet", "source")},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
}
ROWS = [("0001", "NA", "01"), ("0002", "None", "1"), ("1e5", "true", ""), ("0004", "maize", "2")]
NAMES = ("chip", "label", "tile")


def records(name, kind, text, extracts):
    with open(name, "w") as file:
        file.write(text)
    distribution = {"@type": "cr:FileObject", "@id": "table", "name": "table", "contentUrl": name}
    distribution |= {"encodingFormat": kind, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    fields = [
        {"@type": "cr:Field", "@id": f"chips/{one}", "name": one, "dataType": "sc:Text"}
        | {"source": {"fileObject": {"@id": "table"}, "extract": extract}}
        for one, extract in extracts.items()
    ]
    about = {"@context": CONTEXT, "@type": "sc:Dataset", "conformsTo": "http://mlcommons.org/croissant/1.0"}
    about |= {"name": "chips", "description": "chips", "license": "CC0-1.0", "url": "https://chips.example"}
    about |= {"version": "1.0.0", "datePublished": "2024-01-01", "distribution": [distribution]}
    about["recordSet"] = [{"@type": "cr:RecordSet", "@id": "chips", "name": "chips", "field": fields}]
    with open("croissant.json", "w") as file:
        json.dump(about, file)
    found = [tuple(one[f"chips/{key}"] for key in NAMES) for one in mlcroissant.Dataset("croissant.json").records("chips")]
    print(f"{kind}: {found}")
    return found


lines = "".join(",".join(row) + "\n" for row in (NAMES, *ROWS))
by_csv = records("table.csv", "text/csv", lines, {one: {"column": one} for one in NAMES})
whole = records(
    "whole.csv", "text/csv", "chip,label,tile\n0001,a,07\n0002,b,08\n", {one: {"column": one} for one in NAMES}
)
as_json = json.dumps([dict(zip(NAMES, row)) for row in ROWS])
by_json = records("table.json", "application/json", as_json, {one: {"jsonPath": f"$[*].{one}"} for one in NAMES})
right = [tuple(one.encode() for one in row) for row in ROWS]
same = (
    by_csv == [(b"1.0", None, b"1.0"), (b"2.0", None, b"1.0"), (b"100000.0", b"true", None), (b"4.0", b"maize", b"2.0")]
    and whole == [(b"1", b"a", b"7"), (b"2", b"b", b"8")]
    and by_json == right
)
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
HOME="$work" env/bin/python look.py
