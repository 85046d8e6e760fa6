"""Rewrites: a copy in steps, with a token between them, where it changes place or storage class; else in one step."""

import base64
import binascii

import orjson

from infra.emulator.calls import Call, handles
from infra.emulator.errors import invalid
from infra.emulator.objects import require_bucket, require_object
from infra.emulator.resources import Json
from infra.emulator.storage_catalog import StoredObject
from infra.emulator.storage_conditions import conditions_of, integer
from infra.emulator.storage_copies import copied
from infra.emulator.storage_projections import shown_object

UNIT = 1 << 20  # maxBytesRewrittenPerCall is a multiple of this
STEP = 1 << 30  # what one call rewrites where the caller names no limit


@handles("storage.objects.rewrite")
def rewrite(call: Call) -> Json:
    """Copy an object; a large one across places or classes answers a token until its last step."""
    path = call.path
    generation = integer(call.query, "sourceGeneration")
    source = require_object(call.cloud, path["sourceBucket"], path["sourceObject"], generation)
    conditions_of(call.query, "ifSource").check(source)
    step, done = _step(call), _done(call, source)
    if _spans(call, source) and done + step < source.size:
        return {
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": str(done + step),
            "objectSize": str(source.size),
            "done": False,
            "rewriteToken": _token(call, source, done + step),
        }
    made = copied(call)
    return {
        "kind": "storage#rewriteResponse",
        "totalBytesRewritten": str(made.size),
        "objectSize": str(made.size),
        "done": True,
        "resource": shown_object(call, made, unnamed=bool(call.body.get("acl"))),
    }


def _step(call: Call) -> int:
    step = integer(call.query, "maxBytesRewrittenPerCall") or STEP
    if step < 0 or step % UNIT:
        msg = f"maxBytesRewrittenPerCall is {step}; it must be a multiple of {UNIT} bytes."
        raise invalid(msg, reason="invalid")
    return step


def _spans(call: Call, source: StoredObject) -> bool:
    """Tell whether a rewrite crosses places or storage classes: only then are bytes moved."""
    before = require_bucket(call.cloud, source.bucket)
    after = require_bucket(call.cloud, call.path["destinationBucket"])
    storage_class = call.body.get("storageClass") or after["storageClass"]
    return (before["location"], source.body["storageClass"]) != (after["location"], storage_class)


def _said(call: Call, source: StoredObject) -> list[str | int]:
    """Return what must not change between the steps of a rewrite."""
    path = call.path
    to = (path["destinationBucket"], path["destinationObject"], call.body.get("storageClass") or "")
    return [source.bucket, source.name, source.generation, *to, _step(call)]


def _token(call: Call, source: StoredObject, done: int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([done, *_said(call, source)])).decode()


def _done(call: Call, source: StoredObject) -> int:
    """Return how far the token says that the rewrite is; raises ApiError 400 where it is not this rewrite's."""
    token = call.parameter("rewriteToken")
    if not token:
        return 0
    try:
        done, *said = orjson.loads(base64.b64decode(token, b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError):
        done, said = 0, []
    if said != _said(call, source) or not isinstance(done, int):
        msg = "The rewriteToken is not of this rewrite: source, destination and limit must stay the same."
        raise invalid(msg, reason="invalid")
    return done
