"""The MLHub API as calls: what a server leaves to us."""

from urllib.parse import parse_qs

import pytest

from mlhub_async import Client

DATASETS = [
    {"id": "crops", "tags": ["crop type", "sentinel-2"]},
    {"id": "floods", "tags": ["flood"]},
    {"id": "bare"},
]


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ([], ["crops", "floods", "bare"]),
        (["crop type"], ["crops", "bare"]),
        (["sentinel-2", "flood"], ["bare"]),
    ],
)
async def test_tags_hold_where_a_server_does_not_look_at_them(troubled, tags, found):
    site = await troubled.site()
    site.json("/v1/datasets", DATASETS)
    async with Client(api_key="k", environ={"MLHUB_ROOT_URL": site.url("/v1")}) as mlhub:
        assert [dataset["id"] async for dataset in mlhub.datasets(tags=tags)] == found
    assert parse_qs(site.log[-1].query).get("tags", []) == tags
