"""Every format of instances that a batch job reads: what is sent to the model and echoed is what Vertex AI sends."""

import base64
import gzip
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import pytest

from tests.classic import PROJECT, make_model, make_version
from tests.classic import client as classic_client
from tests.classic import finished as classic_finished
from tests.classic import job_body as classic_body
from tests.cloud import LocalCloud
from tests.vertex import client, make_bucket, model_body, put_object, read_objects, upload_model
from tests.vertex_jobs import create, finished, job_body, results

BUCKET = "batch-formats"
OUT = f"gs://{BUCKET}/out"
TEXTS = [b"plain", "größe".encode(), b"line\nend"]


@pytest.fixture(scope="module")
def locations(local_cloud: LocalCloud) -> Iterator[Any]:
    """Google's client of v1."""
    make_bucket(local_cloud, BUCKET)
    with client(local_cloud) as methods:
        yield methods


def put_folder(cloud: LocalCloud, folder: Path) -> str:
    """Upload a SavedModel; return its folder's URI."""
    for path in folder.rglob("*"):
        if path.is_file():
            put_object(cloud, BUCKET, f"{folder.name}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return f"gs://{BUCKET}/{folder.name}"


@pytest.fixture(scope="module")
def texts(local_cloud: LocalCloud, locations: Any, saved_models: Path) -> str:
    """A model of one string input."""
    return str(upload_model(locations, model_body(put_folder(local_cloud, saved_models / "text")))["model"])


@pytest.fixture(scope="module")
def vectors(local_cloud: LocalCloud, locations: Any, saved_models: Path) -> str:
    """A model of one input of three numbers."""
    return str(upload_model(locations, model_body(put_folder(local_cloud, saved_models / "single")))["model"])


def run(cloud: LocalCloud, locations: Any, model: str, form: str, uri: str, **fields: Any) -> tuple[Any, Any, Any]:
    """Run a job; return it, its result lines and its error records."""
    source = {"instancesFormat": form, "gcsSource": {"uris": [uri]}}
    job = finished(locations, create(locations, job_body(model, [uri], OUT, **{**fields, "inputConfig": source})))
    assert job["state"] == "JOB_STATE_SUCCEEDED", job
    return job, *results(cloud, job)


def records(contents: list[bytes]) -> bytes:
    """Return a TFRecord file."""

    def masked(data: bytes) -> bytes:
        crc = google_crc32c.value(data)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    lengths = [struct.pack("<Q", len(content)) for content in contents]
    pairs = zip(lengths, contents, strict=True)
    return b"".join(length + masked(length) + content + masked(content) for length, content in pairs)


def encoded(content: bytes) -> dict[str, str]:
    """Return an instance as bytes are sent."""
    return {"b64": base64.b64encode(content).decode()}


@pytest.mark.parametrize("form", ["tf-record", "tf-record-gzip"])
def test_records_are_sent_as_base64(local_cloud: LocalCloud, locations: Any, texts: str, form: str) -> None:
    """A record is an object with its bytes in base64, and comes back as that."""
    content = records(TEXTS)
    uri = put_object(local_cloud, BUCKET, form, gzip.compress(content) if form.endswith("gzip") else content)
    _, lines, errors = run(local_cloud, locations, texts, form, uri)
    assert errors == []
    found = {line["instance"]["b64"]: line["prediction"]["length"] for line in lines}
    assert found == {encoded(text)["b64"]: len(text) for text in TEXTS}


def test_file_list_echoes_the_address(local_cloud: LocalCloud, locations: Any, texts: str) -> None:
    """A listed object's bytes are sent, its URI comes back; names of any kind, missing ones and outside ones apart."""
    names = ["files/a b.txt", "files/ä/../up", "files//twice", "same"]
    uris = [put_object(local_cloud, BUCKET, name, name.encode()) for name in names]
    outside = ["gs://no-such-bucket/a", f"gs://{BUCKET}/missing", "/etc/hostname", "../../cloud.sqlite", "no uri"]
    listed = put_object(local_cloud, BUCKET, "names.txt", "\n".join([*uris, *outside, ""]).encode())
    job, lines, errors = run(local_cloud, locations, texts, "file-list", listed)
    assert {line["instance"]: line["prediction"]["length"] for line in lines} == {
        uri: len(name.encode()) for uri, name in zip(uris, names, strict=True)
    }
    assert {error["key"] for error in errors} == set(outside)
    assert {error["code"] for error in errors} == {"FILE_NOT_FOUND"}
    assert job["completionStats"] == {"successfulCount": "4", "failedCount": "5", "incompleteCount": "0"}
    assert not (local_cloud.state / "jobs" / job["name"].rpartition("/")[2] / "listed").exists()


def test_csv_rows_are_sent_as_arrays(local_cloud: LocalCloud, locations: Any, vectors: str) -> None:
    """The header is no instance; numbers without quotes are floats; a row is an array of its cells."""
    uri = put_object(local_cloud, BUCKET, "rows.csv", b'"input1","input2","input3"\n0.1,1.2,3\n4.0,5.0,6\n1,2,"x"\n')
    job, lines, errors = run(local_cloud, locations, vectors, "csv", uri)
    assert sorted(line["instance"] for line in lines) == [[0.1, 1.2, 3.0], [4.0, 5.0, 6.0]]
    assert [(error["line"], error["code"]) for error in errors] == [(4, "WRONG_TYPE")]
    assert job["completionStats"] == {"successfulCount": "2", "failedCount": "1", "incompleteCount": "0"}


def test_csv_key_column(local_cloud: LocalCloud, locations: Any, vectors: str) -> None:
    """A key column is not sent, and stands in the result for the instance."""
    uri = put_object(local_cloud, BUCKET, "keyed.csv", b'a,"id",b,c\n1,"r1",2,3\n4,"r2",5,6\n7,"bad",8,"x"\n')
    _, lines, errors = run(local_cloud, locations, vectors, "csv", uri, instanceConfig={"keyField": "id"})
    assert {line["key"]: line["prediction"]["y"] for line in lines} == {"r1": 6.0, "r2": 15.0}
    assert all("instance" not in line for line in lines)
    assert [(error["key"], error["code"]) for error in errors] == [("bad", "WRONG_TYPE")]


def test_json_lines_as_documented(local_cloud: LocalCloud, locations: Any, vectors: str, saved_models: Path) -> None:
    """The documentation's examples: an array or an object is sent as it is, and echoed byte for byte."""
    arrays = put_object(local_cloud, BUCKET, "arrays.jsonl", b"[1, 2, 3]\n[5, 6, 7]\n")
    rows = b'{ "values": [1, 2, 3, 4], "key": 1 }\n{ "values": [5, 6, 7, 8], "key": 2 }\n'
    objects = put_object(local_cloud, BUCKET, "values.jsonl", rows)
    uploaded = upload_model(locations, model_body(put_folder(local_cloud, saved_models / "documented")))["model"]
    found = []
    for model, uri in ((vectors, arrays), (uploaded, objects)):
        job, _, _ = run(local_cloud, locations, str(model), "jsonl", uri)
        files = read_objects(local_cloud, job["outputInfo"]["gcsOutputDirectory"])
        found.append(sorted(b"".join(text for name, text in files.items() if ".results-" in name).splitlines()))
    assert [line.partition(b', "prediction"')[0] for line in found[0]] == [
        b'{"instance": [1, 2, 3]',
        b'{"instance": [5, 6, 7]',
    ]
    assert found[1] == [
        b'{"instance": { "values": [1, 2, 3, 4], "key": 1 }, "prediction": {"result": 1}}',
        b'{"instance": { "values": [5, 6, 7, 8], "key": 2 }, "prediction": {"result": 0}}',
    ]


def test_object_lines_become_arrays_in_the_fields_order(local_cloud: LocalCloud, locations: Any, vectors: str) -> None:
    """With instanceType array an object is sent as the array of its included fields."""
    uri = put_object(local_cloud, BUCKET, "objects.jsonl", b'{"a": 1, "b": 2, "c": 3, "d": 4}\n')
    config = {"instanceType": "array", "includedFields": ["d", "b", "a"]}
    _, lines, _ = run(local_cloud, locations, vectors, "jsonl", uri, instanceConfig=config)
    assert [line["instance"] for line in lines] == [[4, 2, 1]]


def test_ai_platform_reads_records_and_plain_lines(local_cloud: LocalCloud, saved_models: Path) -> None:
    """AI Platform's formats: TF_RECORD, and lines that are the texts of a model that takes one string."""
    make_bucket(local_cloud, BUCKET)
    uri = put_folder(local_cloud, saved_models / "text")
    given = {
        "TF_RECORD": put_object(local_cloud, BUCKET, "classic.tfrecord", records(TEXTS)),
        "TEXT": put_object(local_cloud, BUCKET, "classic.txt", b"plain\nlines here\n"),
    }
    with classic_client(local_cloud) as projects:
        make_version(projects, make_model(projects, "texts"), "v1", uri)
        for form, path in given.items():
            output, model = f"{OUT}/{form}", f"{PROJECT}/models/texts"
            body = classic_body(f"read_{form}", [path], output, dataFormat=form, modelName=model)
            projects.jobs().create(parent=PROJECT, body=body).execute()
            job = classic_finished(projects, f"read_{form}")
            assert job["state"] == "SUCCEEDED", job
            expected = len(TEXTS) if form == "TF_RECORD" else 2
            assert job["predictionOutput"]["predictionCount"] == str(expected)
