"""SOURCE `mlhub` without MLHUB_ROOT_URL: MLHub is closed, its datasets are taken from where they are now."""

import copy
import datetime
import json
import re
from importlib.resources import files
from urllib.parse import urlsplit

import pytest

from mlhub_async import Options, Selection, UsageError, mirror
from mlhub_async.core.urls import StoreEndpoints
from mlhub_async.sources.location import Services, SourceKind, locate
from mlhub_async.sources.mlhub import record
from support.mirrored import Mirrored
from support.object_stores import AzureContainer, S3Bucket
from support.server import tif

BODY = json.loads(files(record.__package__).joinpath("recorded.json").read_text())
NO_ROOT = {"MLHUB_ROOT_URL": ""}
KEY = "canary-key-of-mlhub"


def statements(body):
    """Every object of the record that says something: it needs its source."""
    for row in body["datasets"]:
        yield from (row, *row["places"], *([row["size"]] if "size" in row else []))


def test_every_statement_of_the_record_has_the_address_of_its_source_and_its_date():
    for one in statements(BODY):
        assert urlsplit(one["source"]).scheme == "https" and urlsplit(one["source"]).netloc, one
        assert datetime.date.fromisoformat(one["date"]) <= datetime.date.fromisoformat(BODY["recorded"])
    ids = [row["id"] for row in BODY["datasets"]]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("member", ["source", "date"])
@pytest.mark.parametrize("change", ["missing", "empty"])
@pytest.mark.parametrize("number", range(4))
def test_a_statement_without_source_or_date_is_refused(member, change, number):
    """Of a whole row, of one of its two places, and of its size."""
    body = copy.deepcopy(BODY)
    body["datasets"] = [row for row in body["datasets"] if row["id"] == "nasa_marine_debris"]
    assert record.record_of(body).datasets[0].size == 77_207_762
    one = list(statements(body))[number]
    one[member] = ""
    if change == "missing":
        del one[member]
    with pytest.raises(KeyError):
        record.record_of(body)


def test_every_place_of_the_record_is_a_source_that_can_be_listed():
    for row in BODY["datasets"]:
        for place in row["places"]:
            assert locate(place["address"], "https://hub.test", Services()).kind is SourceKind.FILES


def test_ls_lists_what_is_recorded_and_says_from_when_without_any_request(run_cli, site):
    ran = run_cli("ls", "mlhub", "--endpoint-url", site.url("/"), env=NO_ROOT)
    assert ran.code == 0 and site.log == []
    assert f"closed in 2023: this is where its data is, recorded {BODY['recorded']}, not complete" in ran.err
    rows = [line.split("\t") for line in ran.out.splitlines()]
    assert [row[0] for row in rows] == [row["id"] for row in BODY["datasets"]]
    assert [
        "nasa_marine_debris",
        "Marine Debris Dataset for Object Detection in Planetscope Imagery",
        "source.coop:nasa/marine-debris",
        "77207762",
    ] in rows


def test_ls_chooses_by_text_and_refuses_tags_which_were_not_recorded(run_cli):
    ran = run_cli("ls", "--text", "KENYA", "--text", "cv4a", env=NO_ROOT)
    assert (ran.code, ran.out.split("\t")[0]) == (0, "ref_african_crops_kenya_02")
    assert run_cli("ls", "--text", "10.34911/rdnt.dw605x", env=NO_ROOT).out.startswith("ref_african_crops_k")
    assert run_cli("ls", "--text", "nothing like it", env=NO_ROOT).code == 9
    refused = run_cli("ls", "--tags", "crop", env=NO_ROOT)
    assert refused.code == 2 and "tags of its datasets are not recorded: use --text" in refused.err


LANDCOVERNET = {
    "landcovernet/landcovernet_af/labels/38PKT_29.tif": tif(900, 1),
    "landcovernet/landcovernet_af/source/38PKT_29_20180101_B02.tif": tif(700, 2),
    "other/x.tif": tif(100, 3),
}


@pytest.mark.parametrize("command", ["mirror", "plan", "ls"])
def test_a_dataset_is_taken_from_where_it_is_now_and_that_is_said(run_cli, site, dest, command):
    bucket = S3Bucket(site, "radiantearth", LANDCOVERNET)
    words = [dest] if command == "mirror" else []
    given = ("--dataset", "ref_landcovernet_v1", "--endpoint-url", bucket.url)
    ran = run_cli(command, "mlhub", *words, *given, env={**NO_ROOT, "MLHUB_API_KEY": KEY})
    assert ran.code == 0, ran.err
    said = "closed in 2023: ref_landcovernet_v1 is read from source.coop:radiantearth/landcovernet (recorded"
    assert ran.err.count(said) == 1
    assert not any(KEY in f"{seen.query}{dict(seen.headers)}" for seen in site.log)
    if command == "mirror":
        mirrored = Mirrored(dest)
        mirrored.check(0)
        assert sorted(mirrored.files.values()) == sorted([tif(900, 1), tif(700, 2)])
        [row] = [one for one in BODY["datasets"] if one["id"] == "ref_landcovernet_v1"]
        assert mirrored.receipt["listing"]["moved"] == {
            "dataset": "ref_landcovernet_v1",
            **row["places"][0],
        }


def test_a_key_that_is_given_for_mlhub_is_not_sent_to_where_the_data_is_now(run_cli, site, dest):
    bucket = S3Bucket(site, "radiantearth", LANDCOVERNET)
    words = ("--dataset", "ref_landcovernet_v1", "--endpoint-url", bucket.url, "--api-key", KEY)
    assert run_cli("mirror", "mlhub", dest, *words, env=NO_ROOT).code == 0
    assert site.log and not any(KEY in f"{seen.path}{seen.query}{seen.headers}" for seen in site.log)
    refused = run_cli("mirror", "mlhub", dest, *words, "-H", "X-Key: a", env=NO_ROOT)
    assert refused.code == 2 and "write the host before the name" in refused.err


async def test_a_dataset_is_found_by_its_doi_and_a_place_on_azure_is_read_too(troubled, dest):
    site = await troubled.site()
    folder = "nasa-tropical-storm-challenge"
    AzureContainer(site, "radiantearth/mlhub", {f"{folder}/train/a.jpg": b"\xff\xd8\xff" + b"0" * 50})
    options = Options(
        selection=Selection(dataset="NASA_tropical_storm_competition"),
        endpoint_url=site.origin,
        verify="size",
    )
    with pytest.warns(UserWarning, match=f"mlhub-azure:{folder}"):
        assert (await mirror("mlhub", dest, options, environ={})).ok
    assert record.the_record().dataset("https://doi.org/10.34911/RDNT.DW605X").id.endswith("kenya_02")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--dataset", "ref_landcovernet_v2"), 3, "closed in 2023.*did you mean ref_landcovernet_v1"),
        (("--dataset", "sen12floods"), 3, "closed in 2023: where the data of sen12floods is was not known"),
        (
            ("-c", "ref_landcovernet_v1_labels"),
            3,
            "closed in 2023: name the dataset of ref_landcovernet_v1_l",
        ),
        ((), 2, "closed in 2023: name a dataset of it with --dataset"),
    ],
)
def test_what_is_not_recorded_ends_with_the_reason(run_cli, dest, words, code, said):
    ran = run_cli("mirror", "mlhub", dest, *words, env=NO_ROOT)
    assert ran.code == code and not dest.exists()

    assert re.search(said, ran.err), ran.err


def test_the_endpoint_of_the_user_is_that_of_source_cooperative_too_but_that_of_aws_is_not():
    given = Services(StoreEndpoints("https://s3.test", "", "", "https://coop.test"))
    assert locate("source.coop:org/set", "", given).url == "https://coop.test/org/set"
    only_s3 = Services(StoreEndpoints("https://s3.test"))
    assert locate("source.coop:org/set", "", only_s3).url == "https://data.source.coop/org/set"


def test_datasets_are_chosen_in_an_mlhub_only(run_cli, site):
    site.json("/v1/datasets", [{"id": "a", "title": "A", "tags": ["crop"]}, {"id": "b", "tags": ["flood"]}])
    root = {"MLHUB_ROOT_URL": site.url("/v1")}
    ran = run_cli("ls", "mlhub", "--tags", "crop", "--text", "x y", env=root)
    assert (ran.code, ran.out) == (0, "a\tA\n")
    assert site.log[-1].query == "tags=crop&text=x+y"
    assert run_cli("ls", "mlhub", "--tags", "ice", env=root).code == 9
    for words in (("mlhub", "--dataset", "a"), ("mlhub", "-c", "c"), (site.url("/catalog.json"),)):
        refused = run_cli("ls", *words, "--tags", "crop", env=root)
        assert refused.code == 2 and "among all datasets of an MLHub" in refused.err


def test_an_mlhub_that_is_named_is_asked(run_cli, site):
    site.json("/v1/datasets", [{"id": "mine"}])
    assert run_cli("ls", env={"MLHUB_ROOT_URL": site.url("/v1")}).out == "mine\t\n"
    with pytest.raises(UsageError):
        record.the_record().matching(["a"], ())
