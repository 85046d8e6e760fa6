"""aiplatform model versions: list them, delete one, move aliases between them."""

from typing import Any

from infra.emulator import operations
from infra.emulator.calls import Call, handles
from infra.emulator.errors import failed_precondition
from infra.emulator.model_versions import (
    DEFAULT,
    VERSIONS,
    Version,
    check_aliases,
    check_undeployed,
    find_version,
    get_model,
    give_aliases,
    named,
    split_reference,
    touch_model,
    versions_of,
    view,
)
from infra.emulator.models import discard
from infra.emulator.resources import Json
from infra.emulator.vertex_lists import Listing, list_page
from infra.emulator.vertex_rules import REQUIRED, found_errors

LISTING = Listing(
    "models",
    orders={"createTime": "versionCreateTime", "updateTime": "versionUpdateTime"},
    created="versionCreateTime",
)


@handles("aiplatform.projects.locations.models.listVersions")
def list_versions(call: Call) -> Json:
    """List a model's versions; their names carry the version (`…/models/M@2`)."""
    model, _ = split_reference(call.path["name"])
    get_model(call.resources, model)
    views = [view(call.resources, version) | {"name": version.name} for version in versions_of(call.resources, model)]
    return list_page(call, LISTING, views)


@handles("aiplatform.projects.locations.models.listCheckpoints")
def list_checkpoints(call: Call) -> Json:
    """List a version's checkpoints: only what Google's own models are tuned to has any."""
    find_version(call.resources, call.path["name"])
    return {}


@handles("aiplatform.projects.locations.models.deleteVersion")
def delete_version(call: Call) -> Any:
    """Delete a version: not the only one, not the default one, not while it is deployed."""
    with call.resources.transaction():
        version = _named_version(call)
        if len(versions_of(call.resources, version.model)) == 1:
            msg = f"The Model version {version.name} is the only version of its model. Delete the model instead."
            raise failed_precondition(msg)
        if DEFAULT in version.aliases:
            msg = f"The Model version {version.name} is the default version. Give another version the alias 'default'."
            raise failed_precondition(msg)
        check_undeployed(call.resources, version.model, version.id)
        call.resources.delete(VERSIONS, version.name)
        touch_model(call, version.model, call.cloud.now())
    discard(call.cloud, version)
    return operations.finished(call, "DeleteOperationMetadata", parent=version.model)


def _named_version(call: Call) -> Version:
    name = call.path["name"]
    if not split_reference(name)[1].isdecimal():
        raise found_errors([("name", f"{name!r} does not name a version: …/models/MODEL@VERSION_ID is wanted.")])
    return find_version(call.resources, name)


@handles("aiplatform.projects.locations.models.mergeVersionAliases")
def merge_aliases(call: Call) -> Json:
    """Add aliases to a version, taking them from others; `-alias` removes one. The default one can only move."""
    sent = call.body.get("versionAliases") or []
    if not sent:
        raise found_errors([("version_aliases", REQUIRED)])
    check_aliases([alias.removeprefix("-") for alias in sent], "version_aliases")
    removed = {alias[1:] for alias in sent if alias.startswith("-")}
    added = {alias for alias in sent if not alias.startswith("-")}
    with call.resources.transaction():
        version = find_version(call.resources, call.path["name"])
        if DEFAULT in removed - added and DEFAULT in version.aliases:
            msg = f"A Model has exactly one default version. Give 'default' to another version than {version.name}."
            raise failed_precondition(msg)
        now = call.cloud.now()
        give_aliases(call.resources, version, added - removed, removed - added, now)
        touch_model(call, version.model, now)
        return named(view(call.resources, find_version(call.resources, version.name)), call.path["name"])
