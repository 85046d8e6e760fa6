"""What happens to storage by itself, as time goes by: lifecycle rules run, soft-deleted objects and old uploads go.

It runs every minute, and at once when the clock is moved.
"""

import logging
import threading
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

import orjson

from infra.emulator import clock
from infra.emulator import storage_catalog as catalog
from infra.emulator import storage_sessions as sessions
from infra.emulator.calls import Cloud, on_start, on_stop
from infra.emulator.errors import ApiError
from infra.emulator.objects import BUCKETS, discarding, find_bucket, retire
from infra.emulator.resources import Json
from infra.emulator.storage_catalog import EVERY_VERSION, StoredObject
from infra.emulator.storage_holds import check_unprotected
from infra.emulator.storage_lifecycle import DELETE, Subject, aborts, decide
from infra.emulator.storage_soft_delete import bury, purge

logger = logging.getLogger("infra.emulator")

SECONDS = 60.0

_threads: dict[int, threading.Thread] = {}  # by the cloud: tests have several in a process


@clock.on_move
def run(cloud: Cloud) -> None:
    """Do everything that is due at the clock's present time."""
    for name, bucket in cloud.resources.list(BUCKETS):
        if rules := bucket.get("lifecycle", {}).get("rule"):
            _follow(cloud, name, rules)
            _abort_uploads(cloud, name, rules)
    sessions.expire(cloud)
    with discarding(cloud) as freed, cloud.resources.transaction():
        freed.extend(purge(cloud))


def _follow(cloud: Cloud, bucket: str, rules: list[Json]) -> None:
    now = clock.now(cloud.resources)
    for subject in _subjects(cloud, bucket, now):
        if action := decide(rules, subject):
            _act(cloud, subject.found, action)


def _subjects(cloud: Cloud, bucket: str, now: datetime) -> Iterator[Subject]:
    """Yield every generation with the number of younger ones of its name."""
    every = catalog.scan(cloud, bucket, (b"", 0), None, EVERY_VERSION)
    for _, found in groupby(every, key=lambda found: found.name):
        generations = list(found)
        yield from (Subject(each, len(generations) - place, now) for place, each in enumerate(generations, 1))


def _act(cloud: Cloud, seen: StoredObject, action: str) -> None:
    """Do what the rules decided, unless the object has changed meanwhile or is protected."""
    with discarding(cloud) as freed, cloud.resources.transaction():
        bucket = find_bucket(cloud, seen.bucket)
        found = catalog.find(cloud, seen.bucket, seen.name, seen.generation)
        if bucket is None or found is None or found != seen:
            return
        if action != DELETE:
            times = {"timeStorageClassUpdated": cloud.now(), "updated": cloud.now()}
            counted = {"storageClass": action, "metageneration": str(found.metageneration + 1)}
            catalog.update(cloud, found, {**found.body, **times, **counted})
            return
        try:
            check_unprotected(cloud, bucket, found, by_name=found.live)
        except ApiError:
            return  # it goes when the hold or the retention is over
        freed.extend((retire if found.live else bury)(cloud, bucket, found))


def _abort_uploads(cloud: Cloud, bucket: str, rules: list[Json]) -> None:
    now = clock.now(cloud.resources)
    for session, content in cloud.resources.execute("SELECT id, body FROM storage_sessions WHERE state = 'open'"):
        body = orjson.loads(content)
        begun = datetime.fromisoformat(body["created"])
        if body.get("parts") and body["bucket"] == bucket and aborts(rules, body["name"], begun, now):
            sessions.remove(cloud, session)


@on_start
def begin(cloud: Cloud) -> None:
    """Run now and then every minute, in a thread of its own."""
    thread = threading.Thread(target=_keep_running, args=(cloud,), name="storage-upkeep", daemon=True)
    _threads[id(cloud)] = thread
    thread.start()


@on_stop
def end(cloud: Cloud) -> None:
    """Wait for the thread: nothing may use the state after its end."""
    cloud.stopping.set()
    if thread := _threads.pop(id(cloud), None):
        thread.join()


def _keep_running(cloud: Cloud) -> None:
    while not cloud.stopping.is_set():
        try:
            run(cloud)
        except Exception:
            logger.exception("storage's upkeep failed; it is tried again in %.0f seconds", SECONDS)
        cloud.stopping.wait(SECONDS)
