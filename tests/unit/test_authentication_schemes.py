"""Which authentication schemes an asset and its addresses have, by the authentication extension of STAC."""

import json
from pathlib import Path

import pytest

from mlhub_async import stac
from mlhub_async.core.errors import TransferError
from mlhub_async.core.model import Collection, Document, Item
from mlhub_async.core.secret import Secret
from mlhub_async.core.urls import origin
from mlhub_async.http.auth.credentials import Credential
from mlhub_async.http.auth.declared.advice import advise
from mlhub_async.http.auth.declared.api_key import placed
from mlhub_async.http.auth.declared.links import DeclaredByLinks
from mlhub_async.http.auth.declared.signed_url import signed_url
from mlhub_async.http.auth.schemes import RunSchemes
from support.documents import item
from support.signing import signing_context

PUBLISHED = json.loads((Path(__file__).parents[1] / "support/data/auth_schemes.json").read_text())
"""What public catalogues say of authentication, with their addresses and the day."""
LOGINS = {
    "CDSE_USERNAME": "u",
    "CDSE_PASSWORD": "p",
    "TERRASCOPE_USERNAME": "u",
    "TERRASCOPE_PASSWORD": "p",
    "EARTHDATA_TOKEN": "t",
}

OIDC = {"type": "openIdConnect", "openIdConnectUrl": "https://id.test/.well-known/openid-configuration"}
S3 = {"type": "s3"}


def assets(properties=None, schemes=None, **raw):
    body = item("i", assets=raw, properties={"datetime": None, **(properties or {})})
    found = stac.item_of(body, "https://api.test/c/i.json")
    assert isinstance(found, Item)
    return {one.key: one for one in stac.assets_of(found, schemes)}


def schemes_of(asset):
    return [(url, *json.loads(text)) for url, text in asset.auth]


def test_an_asset_has_the_schemes_that_it_refers_to():
    found = assets(
        {"auth:schemes": {"oidc": OIDC, "s3": S3}},
        a={"href": "https://d.test/a.tif", "auth:refs": ["oidc"]},
        b={"href": "b.tif", "auth:refs": ["s3", "oidc"]},
        c={"href": "https://d.test/c.tif"},
    )
    assert schemes_of(found["a"]) == [("https://d.test/a.tif", "oidc", OIDC)]
    b = "https://api.test/c/b.tif"
    assert schemes_of(found["b"]) == [(b, "s3", S3), (b, "oidc", OIDC)]
    assert found["c"].auth == ()


def test_each_address_of_an_asset_has_its_own_schemes():
    asset = {
        "href": "s3://eodata/a.jp2",
        "auth:refs": ["s3"],
        "alternate": {
            "https": {"href": "https://zipper.test/a", "auth:refs": ["oidc"]},
            "other": {"href": "https://other.test/a"},
        },
    }
    found = assets({"auth:schemes": {"oidc": OIDC, "s3": S3}}, a=asset)["a"]
    store = "https://eodata.s3.amazonaws.com/a.jp2"
    assert found.href == "https://zipper.test/a"
    assert sorted(schemes_of(found)) == [
        (store, "s3", S3),
        ("https://other.test/a", "s3", S3),
        ("https://zipper.test/a", "oidc", OIDC),
    ]


@pytest.mark.parametrize("properties", [{}, {"auth:schemes": {}}, {"auth:schemes": ["oidc"]}])
def test_a_scheme_that_is_not_described_is_known_by_its_name(properties):
    found = assets(properties, a={"href": "https://d.test/a", "auth:refs": ["oidc"]})["a"]
    assert schemes_of(found) == [("https://d.test/a", "oidc", None)]


@pytest.mark.parametrize("refs", [None, "oidc", 5, {}, [5, None], []])
def test_references_that_are_no_list_of_names_count_as_none(refs):
    assert (
        assets({"auth:schemes": {"oidc": OIDC}}, a={"href": "https://d.test/a", "auth:refs": refs})["a"].auth
        == ()
    )


def test_what_a_catalogue_says_is_bounded():
    huge = {"type": "x" * 300, "description": "d" * 100_000}
    refs = ["huge", *map(str, range(1000))]
    found = assets({"auth:schemes": {"huge": huge}}, a={"href": "https://d.test/a", "auth:refs": refs})["a"]
    assert len(found.auth) == 8 and len(str(found.auth)) < 2000
    assert schemes_of(found)[0][2] == {"type": "x" * 200}


def test_half_a_character_in_a_scheme_does_no_harm():
    found = assets(
        {"auth:schemes": {"a": {"type": "\ud800"}}},
        a={"href": "https://d.test/a", "auth:refs": ["a", "\ud800"]},
    )["a"]
    assert [name for _, name, _ in schemes_of(found)] == ["a", "\\ud800"]


def test_items_have_the_schemes_of_their_collection_and_their_own_first():
    found = assets(
        {"auth:schemes": {"x": OIDC}},
        {"x": S3, "y": S3},
        a={"href": "https://d.test/a", "auth:refs": ["x", "y"]},
    )
    assert [(name, scheme) for _, name, scheme in schemes_of(found["a"])] == [("x", OIDC), ("y", S3)]


def test_a_collection_has_schemes_for_its_own_assets():
    raw = {"a": {"href": "https://d.test/a", "auth:refs": ["s3"]}}
    (asset,) = stac.collection_assets(
        Collection("c", {"assets": raw, "auth:schemes": {"s3": S3}}, "https://api.test/c.json")
    )
    assert schemes_of(asset) == [("https://d.test/a", "s3", S3)]


def chosen(name, key):
    """Of each address of a published asset: its host, the schemes that it has, and who signs for it."""
    found = stac.item_of(PUBLISHED[name]["item"], PUBLISHED[name]["address"])
    assert isinstance(found, Item)
    (asset,) = (one for one in stac.assets_of(found) if one.key == key)
    run = RunSchemes(signing_context(LOGINS), ())
    names = ("copernicus", "terrascope", "earthdata", "oauth2")
    rows = []
    for url in dict.fromkeys((asset.href, *(href for href, _ in asset.others))):
        signers = run.signers_for(origin(url))
        signs = [one for one in names if run.signer(one) in signers]
        rows.append((origin(url).host, [json.loads(text)[0] for text in asset.schemes(url)], signs))
    return rows


def test_the_addresses_of_copernicus_have_the_signers_that_they_need():
    assert chosen("copernicus", "B02") == [
        ("download.dataspace.copernicus.eu", ["oidc"], ["copernicus"]),
        ("eodata.dataspace.copernicus.eu", ["s3"], []),
    ]
    assert chosen("copernicus", "Product") == [("zipper.dataspace.copernicus.eu", ["oidc"], ["copernicus"])]


def test_the_addresses_of_terrascope_have_the_signer_that_they_need():
    (first, *others) = chosen("terrascope", "AOT")
    assert first == ("services.terrascope.be", ["oidc"], ["terrascope"])
    assert [signs for _, _, signs in others] == [[]], "a file of this machine"


def test_the_links_of_the_reference_system_say_where_the_key_goes():
    published = PUBLISHED["reference-system"]["collection"]
    source = origin("http://localhost:8082/")
    links = DeclaredByLinks(source)
    links.learn(Document(published, "http://localhost:8082/catalog/collections/user:S1_L1"))
    key = placed(Credential("query", "key", Secret("k"), frozenset({source})), links.schemes())
    assert (key.kind, key.name, key.origins) == ("header", "x-api-key", {source})


@pytest.mark.parametrize("source", ["http://localhost:8083", "https://localhost:8082", "http://other:8082"])
def test_links_to_other_origins_than_that_of_source_say_nothing(source):
    links = DeclaredByLinks(origin(source))
    links.learn(Document(PUBLISHED["reference-system"]["collection"], "http://localhost:8082/x"))
    assert links.schemes() == ()


@pytest.mark.parametrize(
    ("name", "key", "said"),
    [
        ("copernicus", "Product", "'oidc' (openIdConnect): set CDSE_USERNAME and CDSE_PASSWORD"),
        ("terrascope", "AOT", "'oidc' (openIdConnect): set TERRASCOPE_USERNAME and TERRASCOPE_PASSWORD"),
    ],
)
def test_what_a_published_asset_needs_is_said_by_the_names_of_variables(name, key, said):
    found = stac.item_of(PUBLISHED[name]["item"], PUBLISHED[name]["address"])
    assert isinstance(found, Item)
    (asset,) = (one for one in stac.assets_of(found) if one.key == key)
    error = TransferError("x: HTTP 401")
    advise(error, asset.schemes(asset.href), asset.href, ())
    assert error.message == f"x: HTTP 401; the catalogue says that it needs {said}"


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {"links": 5},
        {"links": [5, {"auth:refs": 5}, {"auth:refs": ["k"]}, {"auth:refs": ["k"], "href": 5}]},
        {"links": [{"auth:refs": ["k", 5, None], "href": "/x"}], "auth:schemes": ["k"]},
        {"links": [{"auth:refs": ["k"], "href": "/x"}], "auth:schemes": {"k": 5}},
        {"links": [{"auth:refs": ["k"], "href": "/x"}], "auth:schemes": {"k": {"d": "x" * 10_000}}},
        {"links": [{"auth:refs": ["k"], "href": "/x"}], "properties": 5},
    ],
)
def test_documents_that_are_wrong_say_nothing_of_authentication(body):
    links = DeclaredByLinks(origin("https://api.test/"))
    links.learn(Document(body, "https://api.test/c"))
    assert links.schemes() == ()


class Api:
    """Answers an API that signs URLs."""

    async def read(self, request):
        self.asked = request
        return Document({"signed_url": "https://signed.test/x"}, request.url)


def signed_by(parameters, method="POST"):
    flow = {"authorizationApi": "https://api.test/sign", "method": method, "parameters": parameters}
    return [json.dumps(["s", {"type": "signedUrl", "flows": {"authorizationCode": flow}}])]


BUCKET_AND_KEY = {"bucket": {"in": "body", "required": True}, "key": {"in": "body", "required": True}}


@pytest.mark.parametrize(
    ("url", "bucket", "key"),
    [
        ("https://my-bucket.s3.amazonaws.com/a/b%20c.tif", "my-bucket", "a/b c.tif"),
        ("https://my.bucket.s3.eu-west-1.amazonaws.com/a.tif", "my.bucket", "a.tif"),
        ("https://s3.us-west-2.amazonaws.com/my.bucket/a/b.tif?x=1", "my.bucket", "a/b.tif"),
    ],
)
async def test_an_api_may_want_bucket_and_key(url, bucket, key):
    """The form of the example in version 1.1.0."""
    api = Api()
    found = await signed_url(url, signed_by(BUCKET_AND_KEY), api, {origin("https://api.test/")})
    assert found == "https://signed.test/x"
    assert json.loads(api.asked.body) == {"bucket": bucket, "key": key}


async def test_an_api_may_want_the_address_in_a_header_or_in_its_query():
    api, trusted, url = Api(), {origin("https://api.test/")}, "https://d.test/a b.tif"
    await signed_url(
        url, signed_by({"X-Href": {"in": "header"}, "href": {"in": "query"}}, "get"), api, trusted
    )
    assert (api.asked.method, api.asked.url) == (
        "GET",
        "https://api.test/sign?href=https%3A%2F%2Fd.test%2Fa%20b.tif",
    )
    await signed_url("https://d.test/a", signed_by({"url": {"in": "header"}}, "get"), api, trusted)
    assert api.asked.headers["url"] == "https://d.test/a"


async def test_no_other_api_is_asked_than_one_of_the_users_origins():
    api = Api()
    assert (
        await signed_url("https://d.test/a", signed_by(BUCKET_AND_KEY), api, {origin("https://d.test/")})
        is None
    )
    (text,) = signed_by(BUCKET_AND_KEY)
    name, scheme = json.loads(text)
    beside = json.dumps([name, {**scheme, "openIdConnectUrl": "https://d.test/"}])
    assert await signed_url("https://d.test/a", [beside], api, {origin("https://d.test/")}) is None
    assert not hasattr(api, "asked")
