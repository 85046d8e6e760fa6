"""Faults on demand: what is asked for goes wrong, as often as its seed says, and nothing else does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
from google.api_core.exceptions import Forbidden, ServiceUnavailable
from google.cloud import storage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.emulator.errors import ApiError
from infra.emulator.faults import KINDS, Fault, checked
from model.results import find_shards, join
from tests.clones import make_clone
from tests.cloud import LocalCloud, start_cloud
from tests.storage import call, new_bucket, storage_client
from tests.vertex import client, make_bucket, model_body, put_model, put_object, read_objects, upload_model
from tests.vertex_jobs import create, finished, instances, job_body

MODELS = "/aiplatform/v1/projects/p/locations/us-central1/models"


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """An emulator that only these tests make faulty."""
    cloud = start_cloud(tmp_path_factory.mktemp("faulty"))
    yield cloud
    cloud.stop()


@pytest.fixture
def cloud(faulty: LocalCloud) -> Iterator[LocalCloud]:
    """It, without faults before and after."""
    yield faulty
    call(faulty, "DELETE", "/_local/faults")


@pytest.fixture
def connected(cloud: LocalCloud) -> Iterator[storage.Client]:
    """Google's storage client for it."""
    client = storage_client(cloud)
    yield client
    client.close()


def add(cloud: LocalCloud, **fault: Any) -> dict[str, Any]:
    """Ask for a fault."""
    answer = call(cloud, "POST", "/_local/faults", json=fault)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def statuses(cloud: LocalCloud, path: str, count: int) -> list[int]:
    """Return how calls are answered, one after the other."""
    with requests.Session() as session:
        return [session.get(cloud.url + path, timeout=30).status_code for _ in range(count)]


def test_errors_strike_the_methods_they_name_and_repeat_by_seed(cloud: LocalCloud) -> None:
    """A third of the calls to one method fail; the same third again with the same seed, another with another."""
    runs = []
    for seed in (1, 1, 2):
        fault = add(cloud, kind="error", method="aiplatform.*.models.*", rate=0.33, seed=seed, code=500)
        runs.append(statuses(cloud, MODELS, 60))
        assert set(statuses(cloud, "/storage/v1/b?project=p", 20)) == {200}
        (done,) = call(cloud, "DELETE", f"/_local/faults/{fault['id']}").json()["cleared"]
        assert (done["calls"], done["struck"]) == (60, runs[-1].count(500))
    assert runs[0] == runs[1] != runs[2]
    assert 5 < runs[0].count(500) < 35
    assert set(statuses(cloud, MODELS, 20)) == {200}


def test_clients_live_through_errors_that_pass(cloud: LocalCloud, connected: storage.Client) -> None:
    """Google's client repeats an upload that was answered 503 twice; one that must not be repeated fails."""
    bucket = new_bucket(connected)
    # of an upload, not of a download: there the client leaves a refused answer's connection to the garbage collector
    fault = add(cloud, kind="error", method="storage.objects.insert", code=503, times=2)
    bucket.blob("kept").upload_from_string("content")
    assert bucket.blob("kept").download_as_bytes() == b"content"
    (listed,) = call(cloud, "GET", "/_local/faults").json()["faults"]
    assert (listed["id"], listed["struck"]) == (fault["id"], 2)
    add(cloud, kind="error", method="storage.objects.insert", message="closed for today")
    with pytest.raises(ServiceUnavailable, match="closed for today"):
        bucket.blob("refused").upload_from_string("content", retry=None)
    xml = call(cloud, "PUT", f"/{bucket.name}/refused", data=b"x")
    assert (xml.status_code, xml.headers["content-type"]) == (503, "application/xml; charset=UTF-8")


def test_latency_makes_calls_wait(cloud: LocalCloud) -> None:
    """A call that is to be late takes at least that long; others go before it."""
    add(cloud, kind="latency", method="aiplatform.projects.locations.models.list", seconds=0.4)
    assert requests.get(cloud.url + MODELS, timeout=30).elapsed.total_seconds() >= 0.4


def test_a_full_disk_is_told_and_leaves_nothing_half(cloud: LocalCloud, connected: storage.Client) -> None:
    """Writes are refused with the reason, reads go on, nothing is left, and writes go on when there is room."""
    bucket = new_bucket(connected)
    bucket.blob("before").upload_from_string("content")
    add(cloud, kind="fullDisk")
    with pytest.raises(Forbidden, match=r"disk that holds the local cloud's state is full: No space left on device"):
        bucket.blob("during").upload_from_string("content")
    xml = call(cloud, "PUT", f"/{bucket.name}/during", data=b"x")
    assert (xml.status_code, "state is full" in xml.text) == (403, True)
    body = {"displayName": "one"}
    refused = call(cloud, "POST", MODELS.replace("models", "endpoints"), json=body)
    assert (refused.status_code, refused.json()["error"]["status"]) == (403, "RESOURCE_EXHAUSTED")
    assert bucket.blob("before").download_as_bytes() == b"content"
    call(cloud, "DELETE", "/_local/faults")
    assert [blob.name for blob in bucket.list_blobs()] == ["before"]
    bucket.blob("after").upload_from_string("content")
    assert len(list((cloud.state / "objects").glob("[0-9a-f][0-9a-f]/*"))) >= 2
    assert "Traceback" not in (cloud.state / "emulator.stderr").read_text()


@pytest.mark.long
def test_lost_shards_and_duplicated_rows_are_noticed_by_the_join(cloud: LocalCloud, tmp_path: Path) -> None:
    """A job whose result lacks a shard, or has a row twice, succeeds like any other; the join says what is wrong."""
    uri = put_model(cloud, make_bucket(cloud, "faulty-jobs"), "sum")
    asked = tmp_path / "instances.jsonl"
    asked.write_bytes(instances(range(300)))
    put_object(cloud, "faulty-jobs", "in.jsonl", asked.read_bytes())
    with client(cloud) as locations:
        model = upload_model(locations, model_body(uri, displayName="sum"))["model"]
        summaries = {}
        for kind in ("", "lostShard", "duplicatedRow"):
            if kind:
                add(cloud, kind=kind, seed=3, times=1)
            body = job_body(model, ["gs://faulty-jobs/in.jsonl"], "gs://faulty-jobs/out")
            job = finished(locations, create(locations, body))
            assert (job["state"], job["completionStats"]["successfulCount"]) == ("JOB_STATE_SUCCEEDED", "300")
            folder = tmp_path / (kind or "sound")
            folder.mkdir()
            for name, content in read_objects(cloud, job["outputInfo"]["gcsOutputDirectory"]).items():
                (folder / name).write_bytes(content)
            summaries[kind] = join(asked, *find_shards(folder), folder / "joined", ("jsonl",))
    assert summaries[""].complete
    assert not summaries["lostShard"].complete
    assert 0 < summaries["lostShard"].missing.count < 300
    assert not summaries["duplicatedRow"].complete
    assert summaries["duplicatedRow"].missing.count == 0


@pytest.mark.long
def test_a_slow_start_outlives_the_process_and_the_clock_too(tmp_path: Path) -> None:
    """Faults are state: asked for before a stop they are there at the next start, which takes that much longer."""
    cloud = start_cloud(tmp_path)
    add(cloud, kind="slowStart", seconds=1.5)
    call(cloud, "POST", "/_local/clock", json={"advanceSeconds": 86400})
    cloud.stop()
    cloud = start_cloud(tmp_path)
    (fault,) = call(cloud, "GET", "/_local/faults").json()["faults"]
    assert (fault["kind"], fault["struck"]) == ("slowStart", 1)
    assert call(cloud, "GET", "/healthz").json()["uptimeSeconds"] >= 1.5
    assert call(cloud, "GET", "/_local/clock").json()["aheadSeconds"] == 86400
    moved = call(cloud, "POST", "/_local/clock", json={"time": "2031-02-03T04:05:06Z"}).json()["time"]
    assert moved.startswith("2031-02-03T04:05:0")
    assert abs(call(cloud, "POST", "/_local/clock").json()["aheadSeconds"]) < 1
    cloud.stop()


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("faults", {"kind": "flood"}, "No kind of fault 'flood': latency, error"),
        ("faults", {"kind": "error", "rate": 2}, "rate is 2; wanted: 0 to 1"),
        ("faults", {"kind": "error", "code": "x"}, "code is 'x'; wanted: int"),
        ("faults", {"kind": "error", "colour": 1}, "no field 'colour'"),
        ("clock", {"time": "noon"}, "time is 'noon'; wanted: RFC 3339"),
        ("clock", {"advanceSeconds": "1"}, "advanceSeconds is '1'; wanted: a number"),
        ("clock", {"advanceSeconds": 1e300}, "wanted: a number"),
        ("clock", {"advanceSeconds": 1, "time": "2031-02-03T04:05:06Z"}, "not both"),
        ("clock", {"hour": 1}, "Unknown field 'hour'"),
    ],
)
def test_wrong_requests_are_refused_by_name(cloud: LocalCloud, path: str, body: Any, words: str) -> None:
    """What cannot be done is said with the field and its value."""
    answer = call(cloud, "POST", f"/_local/{path}", json=body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


def test_the_admin_routes_have_the_same_guard(cloud: LocalCloud) -> None:
    """No page of another site adds a fault or moves the clock; what is no JSON object is refused; ids are known."""
    foreign = call(cloud, "POST", "/_local/faults", json={"kind": "error"}, headers={"Origin": "http://evil.example"})
    assert foreign.status_code == 403
    assert call(cloud, "POST", "/_local/clock", headers={"Host": "evil.example"}).status_code == 403
    assert call(cloud, "POST", "/_local/faults", data=b"[").status_code == 400
    assert call(cloud, "POST", "/_local/faults", data=b"[]").status_code == 400
    assert call(cloud, "POST", "/_local/faults", data=b" " * 11_000_000).status_code == 413
    assert call(cloud, "DELETE", "/_local/faults/fault-99").status_code == 404
    assert call(cloud, "GET", "/_local/faults").json()["faults"] == []


JSON = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers())


@settings(suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from(["kind", "method", "rate", "seed", "seconds", "code", "times", "x"]), JSON))
def test_whatever_is_asked_for_is_a_fault_or_refused(body: dict[str, Any]) -> None:
    """Nothing else comes of a request."""
    try:
        fault = checked({"kind": "error", **body})
    except ApiError as error:
        assert error.code == 400
        return
    assert fault.kind in KINDS
    assert isinstance(fault, Fault)
    assert orjson.dumps(fault)
    assert 0 <= fault.random(7).random() < 1


@pytest.mark.long
def test_the_tasks_add_list_and_clear(tmp_path: Path) -> None:
    """`invoke local.faults` and `invoke local.clock` do what the routes do, and name a mistake in one line."""
    clone = make_clone(tmp_path)
    url = clone.facts("local.start")["url"]
    try:
        added = clone.facts("local.faults", "--add", "error", "--method", "storage.*", "--seed", "4", "--code", "418")
        assert [(one["kind"], one["seed"], one["code"]) for one in added["faults"]] == [("error", 4, 418)]
        assert requests.get(f"{url}/storage/v1/b?project=p", timeout=30).status_code == 418
        assert "struck 1 of 1 calls" in clone.invoke("local.faults").stdout
        assert len(clone.facts("local.faults", "--clear")["cleared"]) == 1
        refused = clone.invoke("local.faults", "--add", "flood")
        assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
        assert "No kind of fault 'flood'" in refused.stderr
        assert clone.facts("local.clock", "--advance", "2d")["aheadSeconds"] == 172800
        assert clone.facts("local.clock", "--reset")["aheadSeconds"] == 0
    finally:
        clone.invoke("local.stop")
    assert "invoke local.start" in clone.invoke("local.clock").stderr
