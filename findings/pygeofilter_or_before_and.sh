#!/usr/bin/env bash
# pygeofilter: a filter with OR and, after it, AND without brackets, in the two text languages that it reads. pygeoapi and
# others take filters of their users through it.
#
# Versions: pygeofilter 0.4.0; cql2 0.6.0 (Python package of cql2-rs) as a comparison.
# Seen: `crop = 'maize' OR crop = 'wheat' AND area > 5` is read as (maize OR wheat) AND area > 5, by parsers.cql2_text and
#   parsers.ecql: the two have one rank in the grammar, and are taken from left to right. A field of maize with an area of
#   2 is left out. `area > 5 AND crop = 'wheat' OR crop = 'maize'` gives it. No error. All backends (SQL, Django, native
#   and others) get the tree so. cql2 reads both in the same way.
# Expected: AND binds more tightly: CQL2 has a boolean expression of terms with OR, and the terms of factors with AND
#   (the BNF of OGC 21-065r2), as the CQL of Catalogue Services 2.0.2 had before it, and SQL.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pygeofilter==0.4.0 shapely==2.2.0 cql2==0.6.0
cat > look.py <<'PY'
import sys
from types import SimpleNamespace

import cql2
from pygeofilter import ast
from pygeofilter.backends.native.evaluate import NativeEvaluator
from pygeofilter.parsers import cql2_text, ecql

FIELDS = [{"crop": "maize", "area": 2}, {"crop": "wheat", "area": 9}, {"crop": "wheat", "area": 1}]
OR_FIRST = "crop = 'maize' OR crop = 'wheat' AND area > 5"
AND_FIRST = "area > 5 AND crop = 'wheat' OR crop = 'maize'"


def by_pygeofilter(tree):
    matches = NativeEvaluator(use_getattr=True).evaluate(tree)
    return [field for field in FIELDS if matches(SimpleNamespace(**field))]


def by_cql2(text):
    expression = cql2.Expr(text)
    return [field for field in FIELDS if expression.matches({"properties": field} | field)]


same = True
for text, right in ((OR_FIRST, False), (AND_FIRST, True)):
    print(text)
    found = {
        "cql2": by_cql2(text),
        "pygeofilter, CQL2": by_pygeofilter(cql2_text.parse(text)),
        "pygeofilter, ECQL": by_pygeofilter(ecql.parse(text)),
    }
    for reader, fields in found.items():
        print(f"  {reader}: {fields}")
        same &= fields == (FIELDS[:2] if right or reader == "cql2" else FIELDS[1:2])
    for parser in (cql2_text, ecql):
        same &= isinstance(parser.parse(text), ast.Or if right else ast.And)
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
