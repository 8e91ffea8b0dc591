"""What a SOURCE is recognised as, and the one-line errors for what is none."""

from pathlib import Path

import pytest

from mlhub_async.core.errors import CatalogError, SourceError, TransferError, Transient, UsageError
from mlhub_async.core.options import Selection
from mlhub_async.sources.api.source import ApiSource
from mlhub_async.sources.items.documents import ItemsSource
from mlhub_async.sources.location import SourceKind, locate
from mlhub_async.sources.mlhub.source import MlhubSource
from mlhub_async.sources.recognise import recognise
from mlhub_async.sources.static.source import StaticSource
from support.documents import Documents, item, link, listed, page, recognised


def catalog():
    return {"type": "Catalog", "id": "root", "stac_version": "1.0.0", "links": []}


def collection(name, **more):
    return {"type": "Collection", "id": name, "links": [], **more}


def root(body):
    return Documents({"https://r.test/": body})


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"type": "Catalog", "id": "x", "conformsTo": [], "links": []}, ApiSource),
        ({"id": "x", "links": [link("search", "search")]}, ApiSource),
        ({"type": "Catalog", "links": [link("data", "collections")]}, ApiSource),
        (catalog(), StaticSource),
        (collection("c", conformsTo=["x"]), StaticSource),
        ({"stac_version": "0.9.0", "id": "old", "links": []}, StaticSource),
        (page(item("i")), ItemsSource),
        (item("i"), ItemsSource),
        ([item("i"), item("j")], ItemsSource),
    ],
)
async def test_a_source_is_recognised_by_what_it_is(body, kind):
    found = await recognised("https://r.test", root(body), follow_sources=False)
    assert type(found) is kind and found.name == "https://r.test/"


async def test_the_word_mlhub_is_a_source():
    location = locate("mlhub", "https://hub.test/v1?key=secret")
    found = await recognise(location, Documents(), Selection(dataset="d", follow_sources=False))
    assert type(found) is MlhubSource and found.name == "https://hub.test/v1?key=***"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "neither a STAC API nor"),
        ([item("i"), {"error": 1}], "neither a STAC API nor"),
        ({"hello": 1}, "neither a STAC API nor"),
        (TransferError("HTML", kind="not-json"), "not of a web page"),
        (Transient("HTML", kind="not-json", status=200), "not of a web page"),
        (TransferError("no", status=401), "MLHUB_API_KEY"),
        (TransferError("no", status=403), "MLHUB_API_KEY"),
        (None, r"https://r\.test/ cannot be read: 404"),
    ],
)
async def test_a_document_that_is_no_catalogue_is_reported_in_one_line(body, message):
    with pytest.raises(SourceError, match=message) as failure:
        await listed("https://r.test/", root(body))
    assert "https://r.test/" in failure.value.message and "\n" not in failure.value.message


async def test_a_root_that_cannot_be_read_now_is_a_temporary_error():
    with pytest.raises(CatalogError):
        await listed("https://r.test/", root(Transient("busy", status=503)))


@pytest.mark.parametrize(
    "where",
    [
        "s3:///x",
        "az://a/b",
        "hf://models/x",
        "ftp://x",
        "https://u:p@r.test/",
    ],
)
async def test_a_kind_of_source_that_cannot_be_read_is_a_usage_error(where):
    reader = Documents()
    with pytest.raises(UsageError) as failure:
        await listed(where, reader)
    assert reader.asked == [] and "u:p" not in failure.value.message


async def test_a_path_that_does_not_exist_is_reported(tmp_path):
    with pytest.raises(SourceError, match="does not exist here"):
        await listed(str(tmp_path / "nothing"), Documents())


async def test_an_allowed_origin_must_be_a_url():
    with pytest.raises(UsageError, match="--allow-origin"):
        await recognised("https://r.test/", Documents(), allow_origins=("r.test",))


class TestTheLocationOfASource:
    """`locate` decides what the given word, path, URL or object is, before anything is read."""

    ROOT = "https://hub.test/v1"

    @pytest.mark.parametrize(
        ("given", "kind", "url"),
        [
            ("mlhub", SourceKind.MLHUB, ROOT),
            ("-", SourceKind.STDIN, ""),
            ("https://R.test", SourceKind.DOCUMENT, "https://r.test/"),
            ("https://r.test/a.NDJSON?x=1", SourceKind.NDJSON, "https://r.test/a.NDJSON?x=1"),
            ("s3://b/a.json", SourceKind.DOCUMENT, "https://b.s3.amazonaws.com/a.json"),
            ("gs://b/a.ndjson", SourceKind.NDJSON, "https://storage.googleapis.com/b/a.ndjson"),
            ("s3://b/a.zip", SourceKind.ARCHIVE, "https://b.s3.amazonaws.com/a.zip"),
            ("az://acct/c/x", SourceKind.FILES, "https://acct.blob.core.windows.net/c/x"),
            ("source.coop:org/set", SourceKind.FILES, "https://data.source.coop/org/set"),
            (
                "mlhub-azure:landcovernet",
                SourceKind.FILES,
                "https://radiantearth.blob.core.windows.net/mlhub/landcovernet",
            ),
            ("hf://datasets/o/n@r/f", SourceKind.FILES, "https://huggingface.co/datasets/o/n"),
            ("https://huggingface.co/datasets/o/n", SourceKind.FILES, "https://huggingface.co/datasets/o/n"),
            (
                "https://huggingface.co/datasets/o/n/resolve/main/catalog.json",
                SourceKind.DOCUMENT,
                "https://huggingface.co/datasets/o/n/resolve/main/catalog.json",
            ),
            ("zenodo:12", SourceKind.FILES, "https://zenodo.org/api/records/12"),
            ("10.5281/zenodo.12", SourceKind.FILES, "https://zenodo.org/api/records/12"),
            ("https://doi.org/10.5281/zenodo.12", SourceKind.FILES, "https://zenodo.org/api/records/12"),
            ("figshare:7", SourceKind.FILES, "https://api.figshare.com/v2/articles/7"),
            (
                "https://figshare.com/articles/dataset/A_title/7/2",
                SourceKind.FILES,
                "https://api.figshare.com/v2/articles/7/versions/2",
            ),
            (
                "https://figshare.com/articles/dataset/2019/123456",
                SourceKind.FILES,
                "https://api.figshare.com/v2/articles/123456",
            ),
            (
                "doi:10.6084/m9.figshare.7.v3",
                SourceKind.FILES,
                "https://api.figshare.com/v2/articles/7/versions/3",
            ),
            (
                "https://zenodo.org/doi/10.5281/zenodo.12",
                SourceKind.FILES,
                "https://zenodo.org/api/records/12",
            ),
            (
                "https://dataverse.test/citation?persistentId=doi:10.5072/FK2/A&version=2.1",
                SourceKind.FILES,
                "https://dataverse.test/api/datasets/:persistentId/versions/2.1?persistentId=doi:10.5072/FK2/A",
            ),
            (
                "doi:10.7910/DVN/ABC",
                SourceKind.FILES,
                "https://dataverse.harvard.edu/api/datasets/:persistentId/?persistentId=doi:10.7910/DVN/ABC",
            ),
            ("https://stac.test/collections/records/items", SourceKind.DOCUMENT, None),
            ("file:///x/a.jsonl", SourceKind.NDJSON, "file:///x/a.jsonl"),
            ([item("i")], SourceKind.OBJECTS, ""),
        ],
    )
    def test_it_has_a_kind_and_a_url(self, given, kind, url):
        found = locate(given, self.ROOT)
        assert (found.kind, found.url) == (kind, given if url is None else url)

    def test_a_folder_stands_for_the_catalogue_in_it(self, tmp_path):
        (tmp_path / "collection.json").write_text("{}")
        for given in (tmp_path, str(tmp_path), tmp_path.as_uri(), f"{tmp_path.as_uri()}/"):
            found = locate(given, self.ROOT)
            assert found.kind is SourceKind.DOCUMENT and found.listed_folder is None
            assert found.url == (tmp_path / "collection.json").as_uri()
            assert found.folder == tmp_path and found.catalogue_folder == str(tmp_path.resolve())

    def test_a_folder_without_a_catalogue_stands_for_its_files(self, tmp_path):
        (tmp_path / "readme.txt").write_text("x")
        for given in (tmp_path, tmp_path.as_uri(), f"{tmp_path.as_uri()}/"):
            found = locate(given, self.ROOT)
            assert found.kind is SourceKind.FILES and found.listed_folder == tmp_path
            assert found.credentials_url is None and found.admits(tmp_path / "readme.txt")

    def test_credentials_belong_to_a_source_on_the_network_only(self, tmp_path):
        (tmp_path / "a.json").write_text("{}")
        assert locate("https://r.test/x", self.ROOT).credentials_url == "https://r.test/x"
        assert locate("mlhub", self.ROOT).credentials_url == self.ROOT
        for given in (str(tmp_path / "a.json"), (tmp_path / "a.json").as_uri(), "-", []):
            assert locate(given, self.ROOT).credentials_url is None

    def test_files_of_the_working_directory_may_be_read_for_items_that_are_handed_over(self):
        assert locate("-", self.ROOT).folder == locate([], self.ROOT).folder == Path.cwd()
        assert locate("-", self.ROOT).catalogue_folder == str(Path.cwd().resolve())
        assert locate([], self.ROOT).catalogue_folder == ""

    @pytest.mark.parametrize("given", ["mlhub", "https://r.test/"])
    def test_no_file_may_be_read_for_a_source_on_the_network(self, given):
        assert locate(given, self.ROOT).folder is None

    def test_a_url_without_slashes_is_no_path(self):
        with pytest.raises(UsageError, match=r"SOURCE https:r\.test: write it as an address"):
            locate("https:r.test", self.ROOT)
