# ruff: noqa: E501
"""Writes docs/datasets.md from the record of datasets: `python docs/site/datasets.py > docs/datasets.md`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

RECORD = Path(__file__).parents[2] / "mlhub_async/sources/mlhub/recorded.json"
HEAD = """\
# Where the data lives now

Radiant MLHub closed in 2023. This is what public documents say of where its data sets are now, as of {day}; each
statement has its source in `mlhub_async/sources/mlhub/recorded.json`. Nobody promises that the data stays, and the record is
not complete. What is at these places are files without STAC: they become one item per folder
([sources.md](sources.md#files-without-stac)).

By the name that it had on MLHub a data set is copied from its first place, and the receipt says where that was:

```sh
mlhub-async plan mlhub --dataset {example}
```

By its address in the table it is copied from any of its places: `mlhub-async mirror ADDRESS DEST`. `plan` in place of `mirror`
counts files and bytes first. `mlhub-async ls` prints the record, without a network.

| data set | title | address: `mlhub-async mirror ADDRESS DEST` |
|---|---|---|
"""
NOWHERE = """
## No place is documented

| data set | title |
|---|---|
"""
OTHERS = """
## Data sets with labels that never were on MLHub

torchgeo, Hugging Face, Source Cooperative, Zenodo and figshare have many more. They are copied by their address in the same way:
`hf://datasets/ORG/NAME`, `source.coop:ORG/PRODUCT`, `zenodo:ID`, `figshare:ID` ([sources.md](sources.md)).
"""
EXAMPLE = "spacenet1"


def page() -> str:
    """The page as Markdown."""
    record = json.loads(RECORD.read_text("utf-8"))
    found = [one for one in record["datasets"] if one["places"]]
    rest = [one for one in record["datasets"] if not one["places"]]
    return "".join(
        [
            HEAD.format(day=record["recorded"], example=EXAMPLE),
            *(f"| `{one['id']}` | {title(one)} | {places(one)} |\n" for one in found),
            NOWHERE,
            *(f"| `{one['id']}` | {title(one)} |\n" for one in rest),
            OTHERS,
        ]
    )


def title(dataset: dict[str, Any]) -> str:
    return (dataset.get("title") or "").replace("|", "\\|")


def places(dataset: dict[str, Any]) -> str:
    found = "<br>".join(f"`{place['address']}`" for place in dataset["places"])
    note = dataset.get("note", "")
    return f"{found}<br>{note}" if note else found


if __name__ == "__main__":
    sys.stdout.write(page())
