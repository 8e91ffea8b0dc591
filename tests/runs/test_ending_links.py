"""A lone item whose href is signed until a time that comes while its file is fetched."""

import pytest

from support.mirrored import Mirrored
from support.server import Cut, Status, tif
from support.stac_server import answer, stac_item


@pytest.mark.parametrize("signature", ["sig={}&se=1", "md5={}&expires=1700000000"])
def test_a_lone_item_is_read_again_for_an_href_that_has_ended(site, run_cli, dest, signature):
    body = tif(400_000)
    site.put("/a.tif", body, etag='"1"', faults=[Cut(300_000), Status(410)])
    asked = iter("ab")
    url = site.url("/item.json")

    def item(_):
        href = f"{site.url('/a.tif')}?{signature.format(next(asked))}"
        return answer({**stac_item("one", data=href), "links": [{"rel": "self", "href": url}]})

    site.route("/item.json", item)
    ran = run_cli("mirror", url, dest)
    assert ran.code == 0 and Mirrored(dest).bytes_of("one") == body, ran.err
    assert site.requests["/a.tif"][-1].headers["range"].startswith("bytes=")
