"""Counts the assets of a collection with pystac-client in the simplest way."""

from __future__ import annotations

import sys

from pystac_client import Client
from pystac_client.item_search import ItemSearch


def main(stac: str, collection: str) -> None:
    items = ItemSearch(f"{stac}/collections/{collection}/items", client=Client.open(stac), method="GET")
    print(sum(len(item["assets"]) for item in items.items_as_dicts()))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
