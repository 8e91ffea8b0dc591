"""Whatever a catalogue calls its things, they land in one place each, below DEST, on every file system."""

import os
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlhub_async.core.errors import UsageError
from mlhub_async.core.formats.kinds import media_suffix
from mlhub_async.storage import naming

WORDS = r". .. / \ : ~ - % %2e %2F CON nul COM¹ A é .tif ~0123456789"
CHARACTERS = ["\0", "\n", "\x1b[", "\x85", "\u202e", "e\u0301", "\u0301", "\ud800", " ", "x" * 90, "é" * 60]
NASTY = st.sampled_from([*WORDS.split(" "), *CHARACTERS])
TEXTS = st.lists(NASTY | st.text(max_size=8), max_size=6).map("".join)
UNSAFE = re.compile(
    '[\x00-\x1f\x7f-\x9f/\\\\:*?#;%"<>|\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]'
)
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(\.|$)", re.IGNORECASE)


def assert_safe(name):
    assert name and not UNSAFE.search(name) and not RESERVED.match(name)
    assert name[0] not in ".-~ " and name[-1] not in ". "
    assert len(os.fsencode(name)) == len(name.encode()) <= 180
    assert unicodedata.normalize("NFC", name) == name


@given(TEXTS)
@example(":\u0301")
@example("=\u0338")
@example("x" * 108 + ":" * 100)
def test_any_text_becomes_one_safe_component(text):
    assert_safe(naming.safe_component(text))


@given(TEXTS)
@example("CON.%41~0123456789")
@example("%" + "~0123456789" + "x" * 200)
def test_a_component_that_was_made_safe_stays_as_it_is(text):
    name = naming.safe_component(text)
    assert naming.safe_component(name) == name


@given(TEXTS, TEXTS)
@example("é", "e\u0301")
@example("a/b", "a%2Fb")
@example("x" * 181, "x" * 182)
@example("\ud800", "\udfff")
def test_different_texts_have_different_names_unless_one_is_the_others_name(one, other):
    first, second = naming.safe_component(one), naming.safe_component(other)
    assert (first == second) == (one in (other, second) or other == first)


@pytest.mark.parametrize(
    "text",
    [
        "ref_landcovernet_v1_labels_29NMG_12",
        "B01",
        "S2A_MSIL2A_20190721T075611.SAFE",
        "cloud cover (percent)",
        "_common",
        "item~2",
        "Überschwemmung",
        "地図",
        "$HOME",
        "@scope",
        "console",
        "x" * 180,
    ],
)
def test_ordinary_names_are_kept(text):
    assert naming.safe_component(text) == text


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("../x", r"_~2E\.~2Fx~[0-9a-f]{10}"),
        ("..", r"_~2E~2E~[0-9a-f]{10}"),
        ("/etc/passwd", r"_~2Fetc~2Fpasswd~[0-9a-f]{10}"),
        ("C:\\x", r"C~3A~5Cx~[0-9a-f]{10}"),
        ("URN:S2:A.tif", r"URN~3AS2~3AA~[0-9a-f]{10}\.tif"),
        ("NUL.tif", r"_NUL~[0-9a-f]{10}\.tif"),
        ("con ", r"con~20~[0-9a-f]{10}"),
        (".ledger.db", r"_~2Eledger~[0-9a-f]{10}\.db"),
        ("", r"_~[0-9a-f]{10}"),
        ("x" * 300 + ".tif", r"x{165}~[0-9a-f]{10}\.tif"),
        ("é" * 128, r"é{84}~[0-9a-f]{10}"),
    ],
)
def test_what_is_not_safe_is_still_recognised_by_people(text, shape):
    assert re.fullmatch(shape, naming.safe_component(text))


def test_two_giant_ids_that_differ_in_the_middle_differ_on_disk():
    one, other = ("x" * 5_000_000 + middle + "x" * 5_000_000 for middle in "ab")
    assert re.fullmatch(r"x{169}~[0-9a-f]{10}", naming.safe_component(one))
    assert naming.safe_component(one) != naming.safe_component(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A.tif", "a.TIF"),
        ("é", "e\u0301"),
        ("É", "e\u0301"),
        ("straße", "STRASSE"),
        ("catalog.j\u017fon", "catalog.json"),
    ],
)
def test_paths_that_some_file_system_takes_for_one_have_one_fold(one, other):
    assert naming.fold(f"d/{one}") == naming.fold(f"D/{other}")


def test_paths_that_no_file_system_takes_for_one_keep_their_folds():
    assert len({naming.fold(path) for path in ("a/b", "a/c", "ab", "a.tif", "ä.tif")}) == 5


@given(TEXTS.map(naming.safe_component), st.text(), st.text())
def test_a_distinct_path_is_safe_and_depends_on_its_seed(name, seed, other):
    path = naming.distinct(f"c/i/{name}", seed)
    assert path.startswith("c/i/") and path != f"c/i/{name}"
    assert_safe(path.removeprefix("c/i/"))
    assert naming.safe_component(path.removeprefix("c/i/")) == path.removeprefix("c/i/")
    assert (naming.distinct(f"c/i/{name}", other) == path) == (seed == other)


def test_a_distinct_path_keeps_its_extension():
    assert re.fullmatch(r"c/B01~[0-9a-f]{10}\.tif", naming.distinct("c/B01.tif", "x"))
    assert re.fullmatch(r"v1\.0/B01~[0-9a-f]{10}", naming.distinct("v1.0/B01", "x"))


@pytest.mark.parametrize(
    ("media_type", "suffix"),
    [
        ("image/tiff", ".tif"),
        ("image/tiff; application=geotiff; profile=cloud-optimized", ".tif"),
        ("IMAGE/TIFF;application=geotiff", ".tif"),
        ("application/geo+json", ".geojson"),
        ("application/json", ".json"),
        ("application/vnd.oai.openapi+json;version=3.0", ".json"),
        ("application/vnd.something+xml", ".xml"),
        ("image/png", ".png"),
        ("image/jpeg", ".jpg"),
        ("image/jp2", ".jp2"),
        ("application/pdf", ".pdf"),
        ("text/csv", ".csv"),
        ("application/x-hdf5", ".h5"),
        ("application/x-netcdf", ".nc"),
        ("text/html", ".html"),
        ("text/plain; charset=utf-8", ".txt"),
        ("application/zip", ".zip"),
        ("application/vnd.apache.parquet", ".parquet"),
        ("application/gzip", ".gz"),
        ("application/octet-stream", ""),
        ("nonsense", ""),
        ("application/octet-xml", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_a_media_type_gives_the_extension_that_tools_expect(media_type, suffix):
    assert media_suffix(media_type) == suffix


FIELDS = {
    "collection": "ref_v1",
    "id": "ref_v1_29NMG_12",
    "key": "B01",
    "ext": ".tif",
    "filename": "29NMG_B01.tif",
    "datetime": "2019-07-21T00:00:00Z",
    "year": "2019",
    "month": "07",
    "day": "21",
}


@pytest.mark.parametrize(
    ("template", "path"),
    [
        (naming.DEFAULT_TEMPLATE, "ref_v1/ref_v1_29NMG_12/B01.tif"),
        ("${year}/${month}/${day}/${collection}-${filename}", "2019/07/21/ref_v1-29NMG_B01.tif"),
        ("data/${key}/${id}${ext}", "data/B01/ref_v1_29NMG_12.tif"),
        ("${datetime}/${id}/${key}", "2019-07-21T00-00-00Z/ref_v1_29NMG_12/B01"),
    ],
)
def test_a_template_names_the_levels_of_a_path(template, path):
    naming.check_template(template)
    assert naming.render(template, FIELDS) == path


@pytest.mark.parametrize(
    ("template", "hint"),
    [
        ("${collection}/${band}", "${band}"),
        ("${collection}/${}", "${}"),
        ("${collection}/${a/b}", "${a/b}"),
        ("${collection}/\x1b[2J${\x1b[2J}", r"${\x1b[2J}"),
        ("$collection/$id", "both braces"),
        ("${collection}/${id", "both braces"),
        ("{collection}/${id}", "both braces"),
        ("/data/${id}", "''"),
        ("${id}//${key}", "''"),
        ("", "''"),
        ("../${id}", "'..'"),
        ("./${id}", "'.'"),
        (".mlhub/${id}", "'.mlhub'"),
        ("C:\\data\\${id}", "C:"),
        ("nul/${id}", "'nul'"),
        ("x" * 300, "xxx"),
    ],
)
def test_a_template_that_cannot_be_followed_is_refused_with_its_reason(template, hint):
    with pytest.raises(UsageError) as refused:
        naming.check_template(template)
    assert hint in str(refused.value) and "\x1b" not in str(refused.value)


TEMPLATES = [
    naming.DEFAULT_TEMPLATE,
    "${collection}/${id}/${filename}",
    "${year}/${collection}-${id}/${key}${ext}",
    "${datetime}/${filename}",
    "${key}",
    "${ext}/${month}${day}",
]
HOSTILE = TEXTS | st.sampled_from(
    ["catalog.json", "COLLECTION.JSON", "_common", ".mlhub", "i.json", "i", "c"]
)


@given(st.sampled_from(TEMPLATES), st.fixed_dictionaries({name: HOSTILE for name in FIELDS}))
def test_no_value_adds_or_removes_a_level_of_the_path(template, fields):
    path = naming.render(template, fields)
    levels = path.split("/")
    assert len(levels) == template.count("/") + 1
    for level in levels:
        assert_safe(level)
    assert naming.fold(levels[0]) not in ("catalog.json", ".mlhub")
    assert naming.fold(path) not in map(naming.fold, documents_of(fields))


def documents_of(fields):
    collection, item = naming.collection_dir(fields["collection"]), naming.item_dir(fields["id"])
    return "catalog.json", f"{collection}/collection.json", f"{collection}/{item}/{item}.json"


@pytest.mark.parametrize(
    ("template", "changes", "shape"),
    [
        (
            naming.DEFAULT_TEMPLATE,
            {"collection": "catalog.json"},
            r"catalog~\w{10}\.json/ref_v1_29NMG_12/B01\.tif",
        ),
        (naming.DEFAULT_TEMPLATE, {"id": "Collection.json"}, r"ref_v1/Collection~\w{10}\.json/B01\.tif"),
        (naming.DEFAULT_TEMPLATE, {"id": "_COMMON"}, r"ref_v1/_COMMON~\w{10}/B01\.tif"),
        (naming.DEFAULT_TEMPLATE, {"id": "I", "key": "i", "ext": ".json"}, r"ref_v1/I/i~\w{10}\.json"),
        ("${collection}/${filename}", {"filename": "collection.json"}, r"ref_v1/collection~\w{10}\.json"),
        ("${filename}/${key}", {"filename": "CATALOG.json"}, r"CATALOG~\w{10}\.json/B01"),
    ],
)
def test_the_places_of_the_mirrors_own_documents_stay_free(template, changes, shape):
    assert re.fullmatch(shape, naming.render(template, FIELDS | changes))


def test_the_assets_of_a_collection_itself_have_a_place_that_no_item_can_take():
    assert naming.render(naming.DEFAULT_TEMPLATE, FIELDS | {"id": ""}) == "ref_v1/_common/B01.tif"
    assert naming.item_dir("_common") != naming.item_dir("") == "_common"


def test_a_value_that_is_missing_leaves_no_empty_level():
    assert naming.render("${year}/${key}", {"collection": "c", "id": "i", "key": "B01"}) == "_/B01"
