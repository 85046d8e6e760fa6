"""What Cloud Build refuses of a build before it is queued, and the source that it finds."""

import re
import tarfile
import zipfile
from typing import Any

from infra.emulator.calls import Call
from infra.emulator.errors import ApiError, invalid
from infra.emulator.objects import require_object
from infra.emulator.service_accounts import KIND as ACCOUNTS
from infra.emulator.storage_catalog import StoredObject

Json = dict[str, Any]

LONGEST_HOURS = 24
IMAGE = re.compile(r"[a-z0-9][a-z0-9._-]*(:\d+)?(/[a-z0-9][a-z0-9._-]*)+(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?")
TAG = re.compile(r"[\w][\w.-]{0,127}")
ACCOUNT = re.compile(r"projects/([^/]+)/serviceAccounts/([^/]+)")
LOGGING = ("CLOUD_LOGGING_ONLY", "NONE")
LOGS_RULE = (
    "if 'build.service_account' is specified, the build must either (a) specify 'build.logs_bucket', (b) use the"
    " REGIONAL_USER_OWNED_BUCKET build.options.default_logs_bucket_behavior option, or (c) use either"
    " CLOUD_LOGGING_ONLY / NONE logging options"
)


def check_build(call: Call, project: str) -> None:
    """Refuse a build that Cloud Build would not queue."""
    build = call.body
    steps = build.get("steps") or []
    if not steps:
        raise invalid("invalid build: no build steps are specified", field_path="build.steps")
    for place, step in enumerate(steps):
        if not step.get("name"):
            raise invalid(f'invalid build: invalid build step name "" (step {place})', field_path="build.steps")
    for image in build.get("images", []):
        if not IMAGE.fullmatch(re.sub(r"\$\{?\w+\}?", "x", image)):
            raise invalid(f"invalid build: invalid image name {image!r}", field_path="build.images")
    for tag in build.get("tags", []):
        if not TAG.fullmatch(tag):
            raise invalid(f"invalid build: build tag {tag!r} must match {TAG.pattern}", field_path="build.tags")
    _check_durations(build)
    _check_account(call, project, build)


def resolved_source(call: Call) -> Json:
    """Return the build's source, with the object's generation that it means; refuse what is no archive there."""
    source = (call.body.get("source") or {}).get("storageSource")
    if not source:
        return {}
    found = _object(call, source)
    resolved = {"bucket": source["bucket"], "object": source["object"], "generation": str(found.generation)}
    return {
        "source": {"storageSource": {**source, **resolved}},
        "sourceProvenance": {"resolvedStorageSource": resolved},
    }


def _object(call: Call, source: Json) -> StoredObject:
    bucket, name = source.get("bucket", ""), source.get("object", "")
    generation = int(source["generation"]) if source.get("generation") else None
    try:
        found = require_object(call.cloud, bucket, name, generation)
    except ApiError as error:
        raise invalid(f"could not resolve source: googleapi: Error {error.code}: {error.message}") from None
    path = found.path
    if not (zipfile.is_zipfile(path) if name.endswith(".zip") else tarfile.is_tarfile(path)):
        raise invalid(f"could not resolve source: gs://{bucket}/{name} is neither a gzipped tar nor a zip archive")
    return found


def _check_durations(build: Json) -> None:
    for field in ("timeout", "queueTtl"):
        if float(build.get(field, "0s").rstrip("s")) > LONGEST_HOURS * 3600:
            raise invalid(f"invalid build: {field} must be at most {LONGEST_HOURS} hours", field_path=f"build.{field}")


def _check_account(call: Call, project: str, build: Json) -> None:
    name = build.get("serviceAccount")
    if not name:
        return
    options = build.get("options") or {}
    regional = options.get("defaultLogsBucketBehavior") == "REGIONAL_USER_OWNED_BUCKET"
    if not build.get("logsBucket") and not regional and options.get("logging") not in LOGGING:
        raise invalid(LOGS_RULE)
    parts = ACCOUNT.fullmatch(name)
    email = parts[2] if parts else name.rpartition("/")[2]
    if call.resources.get(ACCOUNTS, f"projects/{project}/serviceAccounts/{email}") is None:
        raise ApiError(404, f"NOT_FOUND: unknown service account {email}")
