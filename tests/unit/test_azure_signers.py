"""Which requests get a signature of Azure Storage, and which of those that URLs have already are replaced."""

import pytest

from mlhub_async import stac
from mlhub_async.core.errors import TransferError, UsageError
from mlhub_async.core.model import Document, Request
from mlhub_async.core.ports import Refused, SigningContext
from mlhub_async.core.urls import StoreEndpoints, origin
from mlhub_async.http.auth.schemes import RunSchemes
from mlhub_async.http.auth.signer_set import SignerSet
from mlhub_async.http.auth.signers.shared_access import blob_container
from support.stac_server import stac_item

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
NAIP = "https://naipeuwest.blob.core.windows.net/naip/a/b.tif"
TOKEN = f"st=2026-01-01&se=2027-01-01T00%3A00%3A00Z&sp=rl&sr=c&sktid={TENANT}&sig=new%3D"
SAS = "?sv=2022-11-02&sp=rl&se=2027-01-01&sig=mine%3D"
PC = "https://planetarycomputer.microsoft.com/api/stac/v1"
NOW = 1_780_000_000.0  # in May 2026


class Tokens:
    def __init__(self):
        self.asked = []

    async def read(self, request):
        self.asked.append(request.url)
        return Document({"token": TOKEN, "msft:expiry": "2026-12-01T00:00:00Z"}, request.url)


def signers(tokens, source=None, given=(), endpoint="", **environ):
    here = origin(source) if source else None
    context = SigningContext(
        {"HOME": "/nowhere", **environ},
        tokens,
        frozenset(),
        here,
        StoreEndpoints(azure=endpoint),
        request_payer=False,
        name_address=lambda url: None,
        clock=lambda: NOW,
    )
    return SignerSet(schemes=RunSchemes(context, given))


async def sent(run, url):
    """The URL that is sent."""
    here = origin(url)
    found = run.sign(Request(url), here)
    return (found or await run.sign_renewed(Request(url), here)).url


@pytest.mark.parametrize(
    ("url", "container"),
    [
        (NAIP, ("naipeuwest", "naip")),
        ("https://naipeuwest.dfs.core.windows.net/naip/a", ("naipeuwest", "naip")),
        ("https://naipeuwest.blob.core.windows.net/naip?restype=container&comp=list", ("naipeuwest", "naip")),
        ("https://naipeuwest.blob.core.windows.net/root.txt", ("naipeuwest", "$root")),
        ("http://127.0.0.1:10000/account/naip/a.tif", ("account", "naip")),
        ("http://localhost:10000/account/naip/a.tif", ("account", "naip")),
        ("https://naipeuwest.blob.core.windows.net.evil.test/naip/a", None),
        ("https://data.test/account/naip/a", None),
        ("https://naipeuwest.blob.core.windows.net/naip/%2E%2E/other/a", None),
    ],
)
def test_the_container_of_a_url(url, container):
    assert blob_container(url) == container


async def test_all_containers_get_tokens_where_the_source_is_the_planetary_computer():
    tokens = Tokens()
    run = signers(tokens, PC)
    assert await sent(run, NAIP) == f"{NAIP}?{TOKEN}"
    assert await sent(run, f"{NAIP}?versionid=1") == f"{NAIP}?versionid=1&{TOKEN}"
    assert tokens.asked == [f"{PC.removesuffix('stac/v1')}sas/v1/token/naipeuwest/naip"]
    for other in ("https://data.test/x", "https://ai4edatasetspublicassets.blob.core.windows.net/a/b"):
        assert await sent(run, other) == other
    assert len(tokens.asked) == 1


async def test_for_another_source_the_endpoint_is_not_asked_without_a_reason():
    tokens = Tokens()
    run = signers(tokens, "https://stac.test")
    for url in (NAIP, f"{NAIP}?se=2019-01-01&sig=theirs", f"{NAIP}?se=2040-01-01&sktid={TENANT}&sig=valid"):
        assert await sent(run, url) == url
    assert tokens.asked == []


async def test_a_file_whose_item_is_from_there_gets_a_token_wherever_the_item_is_read():
    item = stac_item("i", data=NAIP, elsewhere="https://data.test/x.tif")
    item["links"] = [{"rel": "self", "href": f"{PC}/collections/naip/items/i"}]
    [found] = stac.items_of([item], "file:///plan.ndjson")
    auth = {asset.key: asset.schemes(asset.href) for asset in stac.assets_of(found)}
    assert auth["elsewhere"] == ()
    run, here = signers(Tokens()), origin(NAIP)
    request = Request(NAIP, auth=auth["data"])
    assert run.sign(request, here) is None
    assert (await run.sign_renewed(request, here)).url == f"{NAIP}?{TOKEN}"


async def test_a_saved_signature_that_has_ended_is_replaced_wherever_the_item_comes_from():
    run = signers(Tokens())
    ended = f"{NAIP}?st=2025-01-01&se=2025-01-02T00%3A00%3A00Z&sp=rl&sr=c&sktid={TENANT}&sig=old%3D"
    assert await sent(run, ended) == f"{NAIP}?{TOKEN}"
    assert await sent(run, NAIP) == f"{NAIP}?{TOKEN}"  # the container is known to need one now


async def test_the_signature_of_the_variable_goes_to_its_account_only():
    tokens = Tokens()
    run = signers(tokens, AZURE_STORAGE_SAS_TOKEN=SAS, AZURE_STORAGE_ACCOUNT="naipeuwest")
    assert await sent(run, NAIP) == NAIP + SAS
    assert await sent(run, f"{NAIP}?sig=own") == f"{NAIP}?sig=own"
    other = NAIP.replace("naipeuwest", "somebody")
    assert await sent(run, other) == other
    assert await sent(signers(tokens, AZURE_STORAGE_SAS_TOKEN=SAS), NAIP) == NAIP
    given = signers(tokens, given=["naipeuwest.blob.core.windows.net=azure-sas"], AZURE_STORAGE_SAS_TOKEN=SAS)
    assert await sent(given, NAIP) == NAIP + SAS
    assert tokens.asked == []


async def test_a_host_that_is_given_no_scheme_gets_no_credentials():
    run = signers(Tokens(), PC, given=["naipeuwest.blob.core.windows.net=none"])
    assert await sent(run, NAIP) == NAIP


async def test_at_an_endpoint_only_the_urls_of_the_account_get_the_signature_of_the_variable():
    endpoint = "http://127.0.0.1:10000"
    environ = {"AZURE_STORAGE_SAS_TOKEN": SAS, "AZURE_STORAGE_ACCOUNT": "mine"}
    run = signers(Tokens(), endpoint=endpoint, **environ)
    assert await sent(run, f"{endpoint}/mine/box/a.tif") == f"{endpoint}/mine/box/a.tif{SAS}"
    for path in ("theirs/box/a.tif", "mine2/box/a.tif", "bucket/a.tif"):
        assert await sent(run, f"{endpoint}/{path}") == f"{endpoint}/{path}"


def test_a_blob_that_is_copied_is_read_with_the_signature_of_the_variable():
    run = signers(Tokens(), AZURE_STORAGE_SAS_TOKEN=SAS, AZURE_STORAGE_ACCOUNT="naipeuwest")
    copy = Request(NAIP, "PUT", {"x-ms-copy-source": f"{NAIP}.old"})
    signed = run.sign(copy, origin(NAIP))
    assert signed.headers["x-ms-copy-source"] == f"{NAIP}.old{SAS}" and signed.url == NAIP + SAS


async def test_a_signature_that_has_ended_or_is_refused_is_replaced_by_that_of_the_variable():
    run = signers(Tokens(), AZURE_STORAGE_SAS_TOKEN=SAS, AZURE_STORAGE_ACCOUNT="naipeuwest")
    ended = f"{NAIP}?versionid=1&sv=2020&se=2026-01-01&sig=old"
    assert await sent(run, ended) == f"{NAIP}?versionid=1&{SAS[1:]}"
    valid = Request(f"{NAIP}?sv=2020&se=2027-01-01&sig=theirs")
    here = origin(NAIP)
    assert run.sign(valid, here) == valid
    refused = Refused(valid, TransferError("no", kind="forbidden"))
    signed = await run.sign_renewed(valid, here, refused)
    assert signed.url == NAIP + SAS
    assert await run.sign_renewed(valid, here, Refused(signed, refused.error)) is None


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"AZURE_STORAGE_SAS_TOKEN": "sv=2022&se=2030"}, "has no 'sig='"),
        ({"AZURE_STORAGE_SAS_TOKEN": SAS, "AZURE_STORAGE_ACCOUNT": "https://x"}, "no name of a storage"),
        ({"AZURE_STORAGE_SAS_TOKEN": f"{SAS}\nx"}, "line break"),
    ],
)
def test_a_variable_that_cannot_be_right_is_named(environ, said):
    with pytest.raises(UsageError, match=said):
        signers(Tokens(), **environ).sign(Request(NAIP), origin(NAIP))
