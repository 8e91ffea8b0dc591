"""Files that find each other by their names, such as scene.tif and scene.tif.msk, keep these names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ...core import urls
from ...core.model import Asset

_NAMING_OTHERS = (".vrt", "_mtl.txt", "_mtl.json", "_mtl.xml", "manifest.safe", "mtd_tl.xml")
"""Ends of the names of files that name the files beside them."""
_DOUBLE = (".aux.xml",)
_LINE_ENDS = tuple([f"{end}\n" for end in (*_NAMING_OTHERS, *_DOUBLE)])
_SIDECARS = (
    *(".msk", ".ovr", ".aux.xml", ".aux", ".rrd", ".ige", ".hdr", ".rpb", ".imd", ".til"),
    *(".tfw", ".tifw", ".tiffw", ".jgw", ".jpgw", ".jpegw", ".pgw", ".pngw", ".j2w", ".jp2w", ".wld"),
    *(".shp", ".shx", ".dbf", ".prj", ".cpg", ".qix", ".qpj", ".sbn", ".sbx"),
)
"""Suffixes of files that a reader looks for beside another one: masks, overviews, headers, world files, parts
of a shapefile."""


def companions(assets: Sequence[Asset]) -> dict[str, str]:
    """File names by asset key, for the assets of one owner that have to keep the names of their hrefs.

    These are assets whose hrefs are in one directory and share a stem, one of which is a sidecar: one name is
    another one with a suffix more (scene.tif, scene.tif.msk), or they differ in the suffix only (scene.tif,
    scene.tfw). A picture and a table of one stem (scene.png, scene.csv) do not need each other. Where a file
    names others in its directory (a VRT), it and all of these are among them.
    """
    places = [asset.href for asset in assets]
    lines = "\n".join(places)
    if "?" in lines or "#" in lines:
        places = [place.partition("#")[0].partition("?")[0] for place in places]
        lines = "\n".join(places)
    if not _may_have_companions(places, lines):
        return {}
    names = [urls.filename(asset.href) for asset in assets]
    folders = [place.rpartition("/")[0] for place in places]
    unique = Counter(zip(folders, names, strict=True))
    listing = {folder for folder, name in unique if name.lower().endswith(_NAMING_OTHERS)}
    counts: Counter[tuple[str, str]] = Counter()
    for folder, name in unique:
        counts.update({(folder, stem) for stem in _stems(name)})
    led = {
        (folder, stem) for folder, name in unique if name.lower().endswith(_SIDECARS) for stem in _stems(name)
    }
    return {
        asset.key: name
        for asset, folder, name in zip(assets, folders, names, strict=True)
        if name
        and unique[folder, name] == 1
        and (folder in listing or any(counts[one] > 1 for one in _led_by(folder, name, led)))
    }


def _led_by(folder: str, name: str, led: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """The stems of a name that a sidecar has, too."""
    return [(folder, stem) for stem in _stems(name) if (folder, stem) in led]


def _may_have_companions(places: list[str], lines: str) -> bool:
    """Cheap, as nearly no item has any. `lines`: the places, one per line."""
    stems = {place.rpartition(".")[0] for place in places}
    if len(stems) < len(places) or not stems.isdisjoint(places):
        return True
    lowered = lines.lower() + "\n"
    return any([end in lowered for end in _LINE_ENDS])


def _stems(name: str) -> set[str]:
    """What the names of its companions may have in common with a name: the name itself, and its stem."""
    for double in _DOUBLE:
        if name.lower().endswith(double):
            base = name[: -len(double)]
            return {name, base}
    base, dot, _ = name.rpartition(".")
    return {name, base} if dot and base.strip(".") else {name}
