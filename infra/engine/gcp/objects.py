"""gcp.storage.BucketObject: text or a file of the program, uploaded."""

import base64
from typing import Any

from infra.engine.gcp import settling, states
from infra.engine.gcp.rest import ApiError, Cloud, escaped
from infra.engine.gcp.schema import (
    COMPUTED,
    DELETION,
    LOCAL,
    NEW,
    OUTPUT,
    REQUIRED,
    UNREAD,
    AutoName,
    Fields,
    Json,
    ResourceType,
    asset,
    block,
    block_set,
    boolean,
    long,
    mapping,
    string,
)
from infra.engine.gcp.uploads import key_headers, local_hash, upload
from infra.engine.providers import UNKNOWN, Properties, ProviderError

DIFFERENT = "different hash"


def create(cloud: Cloud, wanted: Properties) -> tuple[str, Json]:
    """Upload the object and read it back."""
    sent = states.to_api(OBJECT_FIELDS, wanted)
    own = ("detectMd5hash", "sourceMd5hash")
    resource = {"bucket": wanted["bucket"], **{key: sent[key] for key in sent if sent[key] and key not in own}}
    upload(cloud, wanted, resource)
    identity = f"{wanted['bucket']}-{wanted['name']}"
    found = read(cloud, identity, wanted)
    if found is None:
        raise ProviderError(f"Object {wanted['name']!r} was uploaded and is not there.")
    return identity, found


def read(cloud: Cloud, identity: str, known: Properties) -> Json | None:
    """Get the object's metadata; None where it is gone."""
    del identity
    try:
        answer = cloud.send("GET", _url(cloud, known), None, key_headers(known))
    except ApiError as refused:
        if refused.code == 404:
            return None
        raise
    return decoded(answer)


def decoded(answer: Json) -> Json:
    """Add the other forms of the hash."""
    md5 = answer.get("md5Hash", "")
    carried = {key: value for key, value in answer.items() if key != "customerEncryption"}
    return {
        **carried,
        "md5hash": md5,
        "md5hexhash": base64.b64decode(md5).hex(),
        "detectMd5hash": md5,
        "outputName": answer["name"],
    }


def update(cloud: Cloud, identity: str, prior: Properties, wanted: Properties, changed: frozenset[str]) -> Json:
    """Upload new content, or patch holds and retention."""
    del prior
    if changed & {"content", "source", "sourceMd5hash", "detectMd5hash"}:
        return create(cloud, {**wanted, "kmsKeyName": None})[1]
    held: Json = {name: wanted.get(name) or False for name in ("eventBasedHold", "temporaryHold") if name in changed}
    patch: Json = {**held, **{name: states.to_api(OBJECT_FIELDS, wanted).get(name) for name in changed & {"retention"}}}
    if patch:
        override = {"overrideUnlockedRetention": "true"} if "retention" in patch else {}
        cloud.call("PATCH", _url(cloud, wanted), patch, override)
    found = read(cloud, identity, wanted)
    if found is None:
        raise ProviderError(f"Object {wanted['name']!r} is gone. Run: invoke refresh")
    return found


def delete(cloud: Cloud, identity: str, state: Properties) -> None:
    """Delete the object."""
    del identity
    cloud.call("DELETE", _url(cloud, state))


def _url(cloud: Cloud, state: Properties) -> str:
    return f"{cloud.base('storage')}b/{escaped(state['bucket'])}/o/{escaped(state['name'])}"


def adjust(prior: Properties | None, planned: Properties) -> None:
    """Plan a new hash and generation where the content is not what the bucket has."""
    if prior is None:
        return
    given = planned.get("sourceMd5hash")
    local = local_hash(planned)
    same = bool(given) or (local is not None and prior.get("detectMd5hash") == local)
    planned["detectMd5hash"] = prior.get("detectMd5hash") if same else planned["detectMd5hash"]
    touched = (given or "") != (prior.get("sourceMd5hash") or "")
    if touched or (local is not None and prior.get("md5hash") != local):
        planned |= dict.fromkeys(("md5hash", "crc32c", "generation"), UNKNOWN)


def same_source(prior: Any, planned: Any) -> Any:
    """The same path, or the same text, is the same source: the hash tells whether its content changed."""

    def place(value: Any) -> Any:
        return value.get("path") or value.get("text") if isinstance(value, dict) else value

    return planned if place(prior) != place(planned) else prior


def identify(identity: str, project: str) -> Properties:
    """Refuse: Terraform's provider has no import for objects."""
    del project
    raise ProviderError(f"An object cannot be imported ({identity!r}). Remove it and let the program upload it.")


CONTEXT: Fields = {
    "key": string(REQUIRED),
    "value": string(REQUIRED),
    "createTime": string(OUTPUT),
    "updateTime": string(OUTPUT),
}

OBJECT_FIELDS: Fields = {
    "bucket": string(REQUIRED, NEW, LOCAL),
    "name": string(NEW, LOCAL),
    "cacheControl": string(NEW),
    "content": string(COMPUTED, LOCAL),
    "contentDisposition": string(NEW),
    "contentEncoding": string(NEW),
    "contentLanguage": string(NEW),
    "contentType": string(COMPUTED, NEW),
    "contexts": block({"customs": block_set(CONTEXT, REQUIRED, tf="custom", key="key")}),
    "customerEncryption": block(
        {"encryptionKey": string(REQUIRED, NEW), "encryptionAlgorithm": string(NEW, default="AES256")}, LOCAL
    ),
    "deletionPolicy": DELETION,
    "detectMd5hash": string(default=DIFFERENT),
    "eventBasedHold": boolean(),
    "forceEmptyContentType": boolean(NEW, LOCAL),
    "kmsKeyName": string(COMPUTED, NEW, settle=settling.key_version),
    "metadata": mapping(NEW),
    "retention": block({"mode": string(REQUIRED), "retainUntilTime": string(REQUIRED)}),
    "source": asset(NEW, LOCAL, settle=same_source),
    "sourceMd5hash": string(UNREAD),
    "storageClass": string(COMPUTED, NEW),
    "temporaryHold": boolean(),
    "crc32c": string(OUTPUT),
    "generation": long(OUTPUT),
    "md5hash": string(OUTPUT),
    "md5hexhash": string(OUTPUT),
    "mediaLink": string(OUTPUT),
    "outputName": string(OUTPUT),
    "selfLink": string(OUTPUT),
}

OBJECT = ResourceType(
    title="Object",
    properties=OBJECT_FIELDS,
    create=create,
    read=read,
    update=update,
    delete=delete,
    identify=identify,
    name=lambda state: f"{state.get('bucket')}/{state.get('name')}",
    minutes={"create": 4, "update": 4, "delete": 4},
    autoname=AutoName("name", longest=1024),
    adjust=adjust,
    exactly_one=("content", "source"),
)
