"""The documents of the sample: STAC catalogue, collections and items, and MLHub's dataset object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ..core.model import JsonObject
from . import imagery, sample
from .sample import DATASET, LABELS, SOURCE, ItemKey, Sample
from .storage import objects

DOI = "10.34911/rdnt.d2ce8i"
LICENSE = "CC-BY-4.0"
_EO_EXTENSION = "https://stac-extensions.github.io/eo/v1.1.0/schema.json"
_LABEL_EXTENSION = "https://stac-extensions.github.io/label/v1.0.1/schema.json"
_LARGE_SAMPLE_EXTENT = [-180.0, 0.0, 180.0, 15.0]
"""West, south, east, north: contains every tile; used where computing the extent would take long."""
_MAX_MEASURED_CHIPS = 100
_CONFORMANCE_CLASSES = (
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "https://api.stacspec.org/v1.0.0/item-search",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
)
_COLLECTION_TEXTS = {
    LABELS: (
        "labels",
        "LandCoverNet sample labels",
        "Generated land cover labels in the shape of LandCoverNet v1.",
    ),
    SOURCE: (
        "source_imagery",
        "LandCoverNet sample imagery",
        "Generated Sentinel-2 imagery for the sample labels.",
    ),
}
"""The MLHub type, the title and the description of each collection."""


def link(rel: str, href: str, media_type: str = "application/json", **more: str) -> JsonObject:
    return {"rel": rel, "type": media_type, "href": href, **more}


def to_rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Documents:
    """Builds the documents of one site; `issue_token` makes a new token for the path of an asset."""

    content: Sample
    root: str
    issue_token: Callable[[str], str]

    def landing(self) -> JsonObject:
        return {
            "type": "Catalog",
            "id": "mlhub-demo",
            "title": "Sample catalogue with the API of Radiant MLHub",
            "description": "A generated sample of LandCoverNet behind an API like the one Radiant MLHub had.",
            "stac_version": "1.0.0",
            "conformsTo": list(_CONFORMANCE_CLASSES),
            "links": [
                link("self", f"{self.root}/"),
                link("root", f"{self.root}/"),
                link("data", f"{self.root}/collections"),
                link("docs", f"{self.root}/docs", "text/html", title="API documentation"),
                link("conformance", f"{self.root}/conformance"),
                link("search", f"{self.root}/search", "application/geo+json", method="GET"),
                link("search", f"{self.root}/search", "application/geo+json", method="POST"),
                link("service-desc", f"{self.root}/api", "application/vnd.oai.openapi+json;version=3.0"),
                *(link("child", f"{self.root}/collections/{name}") for name in sample.COLLECTIONS),
            ],
        }

    def conformance(self) -> JsonObject:
        return {"conformsTo": list(_CONFORMANCE_CLASSES)}

    def dataset(self) -> JsonObject:
        return {
            "id": DATASET,
            "title": "LandCoverNet sample",
            "doi": DOI,
            "status": "ready",
            "description": "Generated labels and Sentinel-2 imagery in the shape of LandCoverNet v1.",
            "citation": "None: this data is generated.",
            "registry": f"{self.root}/datasets/{DATASET}",
            "documentation_link": f"{self.root}/docs",
            "tags": ["land cover", "segmentation", "sentinel-2"],
            "date_added": "2020-07-01T00:00:00+00:00",
            "date_modified": "2020-12-02T03:41:49+00:00",
            "bbox": {"type": "MultiPolygon", "coordinates": [[_outline(self._extent())]]},
            "collections": [
                {"id": name, "types": [_COLLECTION_TEXTS[name][0]], "license": LICENSE}
                for name in sample.COLLECTIONS
            ],
            "creator_contact": {"creator": "mlhub-async", "contact": ""},
            "publications": [],
            "tools_applications": [],
            "tutorials": [],
        }

    def collections(self) -> JsonObject:
        links = [link(rel, href) for rel, href in (("root", "/"), ("parent", "/"), ("self", "/collections"))]
        for each in links:
            each["href"] = self.root + each["href"]
        return {"collections": [self.collection(name) for name in sample.COLLECTIONS], "links": links}

    def collection(self, name: str) -> JsonObject:
        here = f"{self.root}/collections/{name}"
        last = 0 if name == LABELS else self.content.dates - 1
        interval = [to_rfc3339(sample.LABEL_DATETIME), to_rfc3339(self.content.datetime_of(last))]
        return {
            "type": "Collection",
            "id": name,
            "title": _COLLECTION_TEXTS[name][1],
            "description": _COLLECTION_TEXTS[name][2],
            "stac_version": "1.0.0",
            "license": LICENSE,
            "keywords": ["land cover"],
            "providers": [{"name": "mlhub-async", "roles": ["producer", "host"]}],
            "extent": {"spatial": {"bbox": [self._extent()]}, "temporal": {"interval": [interval]}},
            "links": [
                link("items", f"{here}/items", "application/geo+json"),
                link("parent", f"{self.root}/"),
                link("root", f"{self.root}/"),
                link("self", here),
            ],
            "assets": {},
        }

    def _extent(self) -> list[float]:
        if self.content.chips > _MAX_MEASURED_CHIPS:
            return _LARGE_SAMPLE_EXTENT
        boxes = [sample.bounds(sample.chip_at(number).ring()) for number in range(self.content.chips)]
        west, south, east, north = zip(*boxes, strict=True)
        return [min(west), min(south), max(east), max(north)]

    def item(self, key: ItemKey) -> JsonObject:
        ring = sample.chip_at(key.chip).ring()
        collection = f"{self.root}/collections/{key.collection}"
        item_id = self.content.item_id(key)
        body = self._label_item(key) if key.date < 0 else self._source_item(key)
        return {
            "id": item_id,
            "bbox": list(sample.bounds(ring)),
            "type": "Feature",
            "links": [
                link("collection", collection),
                link("parent", collection),
                link("root", f"{self.root}/"),
                link("self", f"{collection}/items/{item_id}", "application/geo+json"),
                *body.pop("links", ()),
            ],
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "collection": key.collection,
            "stac_version": "1.0.0",
            **body,
        }

    def _label_item(self, key: ItemKey) -> JsonObject:
        counts = imagery.class_counts(objects.landscape_of(key))
        return {
            "stac_extensions": [_LABEL_EXTENSION],
            "properties": {
                "datetime": to_rfc3339(sample.LABEL_DATETIME),
                "label:type": "raster",
                "label:tasks": ["segmentation"],
                "label:methods": ["manual"],
                "label:properties": None,
                "label:description": "Land cover of one chip in 2018",
                "label:classes": [{"name": None, "classes": list(imagery.CLASSES)}],
                "label:overviews": [
                    {
                        "property_key": "labels",
                        "counts": [{"name": name, "count": count} for name, count in counts.items()],
                    }
                ],
                "labels": list(counts),
            },
            "assets": {
                "labels": self._asset(
                    key, "labels", "image/tiff", title="Land cover", roles=["labels", "labels-raster"]
                ),
                "source_dates": self._asset(key, "source_dates", "text/csv", title="Dates of the imagery"),
                "documentation": self._asset(key, "documentation", "application/pdf", title="Documentation"),
            },
            "links": [self._source_link(ItemKey(key.chip, date)) for date in range(self.content.dates)],
        }

    def _source_link(self, key: ItemKey) -> JsonObject:
        href = f"{self.root}/collections/{SOURCE}/items/{self.content.item_id(key)}"
        return link("source", href, "application/geo+json")

    def _source_item(self, key: ItemKey) -> JsonObject:
        return {
            "stac_extensions": [_EO_EXTENSION],
            "properties": {
                "datetime": to_rfc3339(self.content.datetime_of(key.date)),
                "gsd": 10,
                "platform": "Sentinel-2",
                "instruments": ["MultiSpectral Instrument"],
                "eo:cloud_cover": round(objects.cloudiness(key) / 2.56, 1),
            },
            "assets": {
                name: self._asset(key, name, "image/tiff", **_band_fields(name)) for name in imagery.KEYS
            },
        }

    def _asset(self, key: ItemKey, name: str, media_type: str, **more: object) -> JsonObject:
        stamp = self.content.date_stamp(key.date) if key.date >= 0 else ""
        path = objects.path_of(key, name, stamp)
        return {"href": f"{self.root}/download/{self.issue_token(path)}", "type": media_type, **more}


def _band_fields(name: str) -> JsonObject:
    """The fields that describe the band of an asset of a source item."""
    if name not in imagery.BANDS:
        return {"title": {"CLD": "Cloud probability", "SCL": "Scene classification"}[name]}
    common, wavelength, _ = imagery.BANDS[name]
    return {"eo:bands": [{"name": name, "common_name": common, "center_wavelength": wavelength}]}


def _outline(box: list[float]) -> list[list[float]]:
    west, south, east, north = box
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]
