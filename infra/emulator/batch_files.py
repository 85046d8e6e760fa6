"""The files of a batch run: a bucket's objects -> the engine's input folder; its shards -> the bucket."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import orjson

from infra.emulator.calls import Cloud
from infra.emulator.classic_tables import as_tables
from infra.emulator.errors import invalid
from infra.emulator.model_artifacts import is_plain_path, link
from infra.emulator.objects import add_file, bucket_exists, parse_gs_uri, stored_objects
from infra.emulator.resources import Json
from infra.emulator.storage_catalog import StoredObject
from infra.emulator.storage_customer_keys import check_open
from infra.emulator.storage_listing import glob_expression

SHARD = re.compile(r"prediction\.(results|errors|errors_stats)-(\d{5}-of-\d{5})")
RESULTS, ERRORS = "prediction.results", "prediction.errors_stats"  # the service's names
MAX_PARTIAL_FAILURES = 20
INVALID_ARGUMENT = 3
ATTEMPTS = 3
WILDCARD = re.compile(r"[*?\[]")  # as on Google's page of wildcards: `*` stops at a slash, `**` does not
Found = dict[tuple[str, str], Path]  # (bucket, object name) -> its file


def link_inputs(cloud: Cloud, uris: list[str], folder: Path) -> None:
    """Link every object that the URIs name below `folder/<bucket>/`; one named twice is read once.

    Raises a 400 where a URI names nothing.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            for (bucket, name), source in input_files(cloud, uris).items():
                _link(source, folder, bucket, name)
            return
        except FileNotFoundError:  # an object was overwritten between the listing and the link
            if attempt == ATTEMPTS:
                raise


def input_files(cloud: Cloud, uris: list[str]) -> Found:
    """Return the object of every URI and its file. Raises a 400 where a URI names nothing."""
    found: Found = {}
    for uri in uris:
        found |= _matches(cloud, uri)
    return found


def _matches(cloud: Cloud, uri: str) -> Found:
    bucket, name = parse_gs_uri(uri)
    if not bucket_exists(cloud, bucket):
        raise invalid(f"The Cloud Storage bucket of {uri!r} does not exist.")
    objects = _named(cloud, bucket, name)
    check_open(objects)
    files = {(bucket, stored.name): stored.path for stored in objects if not stored.name.endswith("/")}
    if not files:
        raise invalid(f"No input files found: {uri!r} matches no object.")
    return files


def _named(cloud: Cloud, bucket: str, name: str) -> list[StoredObject]:
    """Return the objects of a name, or those that its wildcards fit; a `*` at its end alone is any rest of a name."""
    plain = WILDCARD.split(name, maxsplit=1)[0]
    if name == f"{plain}*":
        return stored_objects(cloud, bucket, plain)
    objects = stored_objects(cloud, bucket, plain)
    exact = [stored for stored in objects if stored.name == name]
    if exact or plain == name:
        return exact
    fits = glob_expression(name).fullmatch
    return [stored for stored in objects if fits(stored.name)]


def _link(source: Path, folder: Path, bucket: str, name: str) -> None:
    """Link an object under its own name, or under a safe one where its name cannot be a path here."""
    target = folder / bucket / name
    if is_plain_path(name):
        try:
            _link_once(source, target)
            return
        except OSError:  # `a` and `a/b` are both objects, or a part is longer than the file system takes
            pass
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    _link_once(source, folder / bucket / f"{quote(name, safe='')[:200]}-{digest}")


def _link_once(source: Path, target: Path) -> None:
    if not target.exists():  # a run that is resumed finds its links
        link(source, target)


def publish(cloud: Cloud, output: Path, directory: str, *, stats: bool = False, tables: bool = False) -> list[str]:
    """Add the engine's shards to the bucket under the service's names; doing it again changes nothing that is read.

    With `stats`, errors are what the service itself writes: messages with numbers of batches, without any row. With
    `tables`, results are AI Platform's CSV.
    """
    bucket, prefix = parse_gs_uri(directory)
    shards = {path: match for path in sorted(output.glob("prediction.*")) if (match := SHARD.fullmatch(path.name))}
    start = f"{prefix.rstrip('/')}/" if prefix else ""
    called = {"results": RESULTS, "errors_stats" if stats else "errors": ERRORS}
    names = {path: f"{called[match[1]]}-{match[2]}" for path, match in shards.items() if match[1] in called}
    if tables:
        results = {path: name for path, name in names.items() if name.startswith(RESULTS + "-")}
        names = {path: name for path, name in names.items() if path not in results} | as_tables(results, output)
    for path, name in names.items():
        add_file(cloud, bucket, start + name, path, "text/plain")
    return [start + name for name in names.values()]


def partial_failures(output: Path) -> list[Json]:
    """Return the first failures of rows as statuses; all of them stand in the error files."""
    failures = []
    for record in _error_records(output):
        place = f"{record.get('file')}:{record.get('line')}"
        message = f"{record.get('code')}: {record.get('message')} ({place})"
        failures.append({"code": INVALID_ARGUMENT, "message": message})
        if len(failures) == MAX_PARTIAL_FAILURES:
            break
    return failures


def _error_records(output: Path) -> Iterator[Json]:
    for path in sorted(output.glob("prediction.errors-*")):
        with path.open("rb") as lines:
            for line in lines:
                yield orjson.loads(line)
