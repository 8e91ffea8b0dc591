"""Jobs and outcomes as they are sent to workers and back: what arrives is what was sent."""

import pickle

import pytest

from mlhub_async.core.errors import Transient
from mlhub_async.core.model import Asset, Checksum, Job, Outcome, Proof, Record, Status
from mlhub_async.engine.executors.remote.wire import pack_job, pack_outcome, unpack_job, unpack_outcome

URL = "https://h.test/a.tif"
RECORD = Record("c/i/a.tif", 5, "ab" * 32, 1_790_000_000_000_000_001, Proof.CHECKSUM, '"v1"')
PLAIN = Job(Asset(URL, "a", "i", "c"), "c/i/a.tif")
FULL = Job(
    Asset(
        *(
            URL,
            "a",
            "i",
            "c",
            "image/tiff",
            5,
            Checksum("sha256", bytes(32)),
            "stamp",
            "2020-01-01T00:00:00Z",
        ),
        *("", "s3", (("https://h.test/b.tif", "http"),), "z", "0/0", True, ((URL, "bearer"),)),
    ),
    *("c/i/a", True, RECORD, True, True),
)


@pytest.mark.parametrize("job", [PLAIN, FULL])
def test_a_job_arrives_as_it_was_sent(job):
    sent = pickle.loads(pickle.dumps(pack_job(7, job, "partial")))
    assert unpack_job(sent) == (7, job, "partial")


@pytest.mark.parametrize("job", [PLAIN, FULL])
@pytest.mark.parametrize("record", [RECORD, RECORD._replace(path="c/i/a_2.tif", proof=Proof.NONE), None])
@pytest.mark.parametrize("status", Status)
def test_an_outcome_arrives_as_it_was_sent(job, record, status):
    """The record of a file is under the path of the job, or under another one."""
    outcome = Outcome(job, status, record, None, 2, 5)
    sent = pickle.loads(pickle.dumps(pack_outcome(7, outcome, URL)))
    found, url = unpack_outcome(sent, job)
    assert (found, url) == (outcome, URL)
    assert found.record is None or type(found.record.proof) is Proof


def test_an_outcome_says_what_has_changed_of_its_job():
    changed = FULL._replace(asset=FULL.asset._replace(via="azure"), previous=None)
    outcome = Outcome(changed, Status.FAILED, None, Transient("slow", retry_after=3.0))
    sent = pickle.loads(pickle.dumps(pack_outcome(7, outcome, "https://h.test/moved.tif")))
    found, url = unpack_outcome(sent, FULL)
    assert found._replace(error=None) == outcome._replace(error=None) and url == "https://h.test/moved.tif"
    assert type(found.error) is Transient and vars(found.error) == vars(outcome.error)
    assert str(found.error) == "slow"
