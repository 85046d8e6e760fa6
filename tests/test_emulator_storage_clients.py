"""Clients of Cloud Storage other than Google's own, each doing its work: gcsfs, Beam, DuckDB, Keras, gcloud."""

import os
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extension_httpfs
import pytest
import requests

from tests.cloud import LocalCloud
from tests.storage import call, new_bucket, storage_client

os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"  # as `invoke local.env` has it; read when gcsfs is imported


@pytest.fixture(scope="module")
def filesystem(local_cloud: LocalCloud) -> Any:
    """Return gcsfs's file system, with a bucket."""
    import gcsfs

    made = gcsfs.GCSFileSystem(project="p", token="anon", endpoint_url=local_cloud.url, use_listings_cache=False)
    made.mkdir("gcsfs-bucket")
    return made


def test_gcsfs_walks_and_changes_trees(filesystem: Any, tmp_path: Path) -> None:
    """A tree goes up, is found, measured, copied, moved, fetched and removed."""
    root = "gcsfs-bucket/tree"
    for name, text in (("a.txt", "1"), ("sub dir/ü.txt", "22"), ("sub dir/deep/c.txt", "333")):
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    filesystem.put(f"{tmp_path}/source/", root, recursive=True)
    names = {f"{root}/a.txt", f"{root}/sub dir/ü.txt", f"{root}/sub dir/deep/c.txt"}
    assert set(filesystem.find(root)) == names
    assert filesystem.du(root) == 6
    assert filesystem.glob(f"{root}/**/c.txt") == [f"{root}/sub dir/deep/c.txt"]
    assert [path for path, _, _ in filesystem.walk(root)] == [root, f"{root}/sub dir", f"{root}/sub dir/deep"]
    assert filesystem.info(f"{root}/sub dir")["type"] == "directory"
    filesystem.cp(root, "gcsfs-bucket/copy", recursive=True)
    filesystem.mv("gcsfs-bucket/copy", "gcsfs-bucket/moved", recursive=True)
    assert len(filesystem.find("gcsfs-bucket/moved")) == 3
    assert not filesystem.exists("gcsfs-bucket/copy")
    filesystem.get("gcsfs-bucket/moved/", f"{tmp_path}/target/", recursive=True)
    assert (tmp_path / "target/sub dir/ü.txt").read_text() == "22"
    filesystem.rm(root, recursive=True)
    assert filesystem.find(root) == []


def test_gcsfs_writes_in_chunks_and_transactions(filesystem: Any) -> None:
    """Large files go up in chunks; what a transaction writes is there at its end, or not at all."""
    content = bytes(range(256)) * 6000
    with filesystem.open("gcsfs-bucket/large", "wb", block_size=2**18) as file:
        for start in range(0, len(content), 100_000):
            file.write(content[start : start + 100_000])
    assert filesystem.cat("gcsfs-bucket/large") == content
    assert filesystem.cat_ranges(["gcsfs-bucket/large"] * 2, [1, -3], [4, None]) == [content[1:4], content[-3:]]
    with filesystem.open("gcsfs-bucket/large", "rb", block_size=2**18) as file:
        file.seek(1_000_000)
        assert file.read(9) == content[1_000_000:1_000_009]
    with filesystem.transaction:
        with filesystem.open("gcsfs-bucket/committed", "wb") as file:
            file.write(content[:400_000])
        assert not filesystem.exists("gcsfs-bucket/committed")
    assert filesystem.size("gcsfs-bucket/committed") == 400_000
    with pytest.raises(ZeroDivisionError), filesystem.transaction:
        with filesystem.open("gcsfs-bucket/discarded", "wb") as file:
            file.write(content[:400_000])
        raise ZeroDivisionError
    assert not filesystem.exists("gcsfs-bucket/discarded")


def test_gcsfs_appends_only_by_writing_anew(filesystem: Any) -> None:
    """Objects cannot grow: gcsfs says so and overwrites, as it does on Google Cloud."""
    filesystem.pipe("gcsfs-bucket/grown", b"before")
    with pytest.warns(UserWarning, match="Append"), filesystem.open("gcsfs-bucket/grown", "ab") as file:
        file.write(b"after")
    assert filesystem.cat("gcsfs-bucket/grown") == b"after"
    filesystem.setxattrs("gcsfs-bucket/grown", content_type="text/plain", key="value")
    assert filesystem.info("gcsfs-bucket/grown")["metadata"] == {"key": "value"}


def test_gcsfs_names_predefined_lists(local_cloud: LocalCloud, filesystem: Any) -> None:
    """Its `acl` and `default_acl` are what the bucket, its new objects and a copy get."""
    filesystem.mkdir("gcsfs-public", acl="publicRead", default_acl="bucketOwnerRead")
    filesystem.pipe("gcsfs-public/a", b"x")
    filesystem.cp_file("gcsfs-public/a", "gcsfs-public/b", acl="publicRead")
    owners, writer, public = "project-owners-123456789012", ("user-owner@local", "OWNER"), ("allUsers", "READER")
    for place, want in (
        ("gcsfs-public", {(owners, "OWNER"), public}),
        ("gcsfs-public/o/a", {(owners, "READER"), writer}),
        ("gcsfs-public/o/b", {writer, public}),
    ):
        listed = call(local_cloud, "GET", f"/storage/v1/b/{place}/acl").json()["items"]
        assert {(entry["entity"], entry["role"]) for entry in listed} == want


@pytest.mark.long
def test_beams_gcsio_does_all_it_can(local_cloud: LocalCloud) -> None:
    """Beam writes, reads, lists, copies and deletes, singly and in batches."""
    from apache_beam.io.gcp.gcsio import GcsIO

    client = storage_client(local_cloud)
    bucket = f"gs://{new_bucket(client).name}"
    gcs = GcsIO(storage_client=client)
    with gcs.open(f"{bucket}/a/x", "w") as file:
        file.write(b"line\n" * 500_000)
    with gcs.open(f"{bucket}/a/x") as file:
        assert len(file.readlines()) == 500_000
    assert (gcs.exists(f"{bucket}/a/x"), gcs.exists(f"{bucket}/none")) == (True, False)
    gcs.copytree(f"{bucket}/a/", f"{bucket}/b/")
    gcs.rename(f"{bucket}/b/x", f"{bucket}/b/y")
    assert dict(gcs.list_files(f"{bucket}/")) == {f"{bucket}/a/x": 2_500_000, f"{bucket}/b/y": 2_500_000}
    copied = gcs.copy_batch([(f"{bucket}/a/x", f"{bucket}/c/1"), (f"{bucket}/none", f"{bucket}/c/2")])
    assert [error for _, _, error in copied] == [None, 404]
    assert [error for _, error in gcs.delete_batch([f"{bucket}/c/1", f"{bucket}/none"])] == [None, None]
    assert gcs.is_soft_delete_enabled(f"{bucket}/")
    assert gcs.checksum(f"{bucket}/a/x") == gcs.checksum(f"{bucket}/b/y")


@pytest.mark.long
def test_beams_pipelines_read_and_write(local_cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline on the direct runner reads gs:// files by a pattern and writes shards."""
    import apache_beam as beam
    from apache_beam.io.gcp import gcsio
    from apache_beam.options.pipeline_options import PipelineOptions

    client = storage_client(local_cloud)
    bucket = new_bucket(client)
    bucket.blob("in/1.txt").upload_from_string("a\nb\n")
    bucket.blob("in/2.txt").upload_from_string("c\n")
    monkeypatch.setattr(gcsio, "create_storage_client", lambda *_, **__: client)
    with beam.Pipeline(options=PipelineOptions(["--no_auth", "--project=p"])) as pipeline:
        lines = pipeline | beam.io.ReadFromText(f"gs://{bucket.name}/in/*.txt") | beam.Map(str.upper)
        lines | beam.io.WriteToText(f"gs://{bucket.name}/out/r", num_shards=2)
    written = [blob.download_as_text() for blob in bucket.list_blobs(prefix="out/")]
    assert len(written) == 2
    assert sorted("".join(written).split()) == ["A", "B", "C"]


def test_duckdb_reads_and_writes(local_cloud: LocalCloud, tmp_path: Path) -> None:
    """DuckDB's httpfs reads CSV and Parquet by http:// addresses, and gs:// by pattern; it writes Parquet."""
    bucket = new_bucket(storage_client(local_cloud)).name
    (extension,) = Path(duckdb_extension_httpfs.__file__).parent.glob("extensions/*/httpfs.duckdb_extension")
    database = duckdb.connect()
    database.execute(f"LOAD '{extension}'")
    for number in range(2):
        call(local_cloud, "PUT", f"/{bucket}/in/{number}.csv", data=f"x,y\n{number},2\n3,4\n").raise_for_status()
    database.execute(f"COPY (SELECT range AS r FROM range(100000)) TO '{tmp_path / 'r.parquet'}'")
    call(local_cloud, "PUT", f"/{bucket}/r.parquet", data=(tmp_path / "r.parquet").read_bytes()).raise_for_status()
    address = f"{local_cloud.url}/{bucket}"
    assert database.sql(f"SELECT sum(x) FROM '{address}/in/1.csv'").fetchall() == [(4,)]
    assert database.sql(f"SELECT sum(r) FROM '{address}/r.parquet' WHERE r < 10").fetchall() == [(45,)]
    database.execute(
        "CREATE SECRET (TYPE gcs, KEY_ID 'any', SECRET 'any', USE_SSL false, URL_STYLE 'path',"
        f" ENDPOINT '127.0.0.1:{local_cloud.port}')"
    )
    assert database.sql(f"SELECT sum(x) FROM 'gs://{bucket}/in/*.csv'").fetchall() == [(7,)]
    database.execute(f"COPY (SELECT range AS r FROM range(3000000)) TO 'gs://{bucket}/out/r.parquet'")
    assert database.sql(f"SELECT max(r) FROM 'gs://{bucket}/out/r.parquet'").fetchall() == [(2999999,)]


@pytest.mark.long
def test_keras_fetches_files(local_cloud: LocalCloud, tmp_path: Path) -> None:
    """Keras's get_file takes an object's address, and TensorFlow reads what it fetched."""
    import tensorflow as tf

    bucket = new_bucket(storage_client(local_cloud))
    bucket.blob("d/lines.txt").upload_from_string("a\nb\n")
    address = f"{local_cloud.url}/{bucket.name}/d/lines.txt"
    path = tf.keras.utils.get_file(origin=address, cache_dir=tmp_path)
    assert list(tf.data.TextLineDataset(path).as_numpy_iterator()) == [b"a", b"b"]


def test_requests_in_gclouds_manner_are_answered(local_cloud: LocalCloud) -> None:
    """`gcloud storage` sends True and False, asks for few fields, uploads below /resumable, composes what it sent."""
    bucket = new_bucket(storage_client(local_cloud)).name
    objects = f"/storage/v1/b/{bucket}/o"
    begin = f"/resumable/upload/storage/v1/b/{bucket}/o?alt=json&name=d%2Fa&uploadType=resumable"
    begun = call(local_cloud, "POST", begin, json={"contentType": "text/plain", "name": "d/a"})
    span = {"Content-Range": "bytes 0-4/5"}
    requests.put(begun.headers["location"], data=b"12345", headers=span, timeout=30).raise_for_status()
    asked = "alt=json&fields=prefixes%2Citems%2Fname%2Citems%2Fsize%2CnextPageToken&maxResults=1000&projection=noAcl"
    more = "delimiter=%2F&includeFoldersAsPrefixes=True&softDeleted=False&versions=False&includeTrailingDelimiter=False"
    assert call(local_cloud, "GET", f"{objects}?{asked}&{more}").json() == {"prefixes": ["d/"]}
    listed = call(local_cloud, "GET", f"{objects}?{asked}&prefix=d%2F&{more}").json()
    assert listed == {"items": [{"name": "d/a", "size": "5"}]}
    sources = {"sourceObjects": [{"name": "d/a"}] * 2, "destination": {"contentType": "text/plain"}}
    composed = call(local_cloud, "POST", f"{objects}/d%2Fb/compose?alt=json&ifGenerationMatch=0", json=sources).json()
    assert (composed["size"], composed["componentCount"]) == ("10", 2)
    part = {"Range": "bytes=3-6", "accept-encoding": "gzip"}
    read = call(local_cloud, "GET", f"/download{objects}/d%2Fb?alt=media", headers=part)
    assert (read.status_code, read.content) == (206, b"4512")
