"""Labels: the program's own, with the provider's, and all that the resource carries in the cloud."""

import json
from collections.abc import Mapping
from typing import Any

from infra.engine.gcp.schema import Json
from infra.engine.providers import UNKNOWN, Properties

ATTRIBUTION = {"goog-pulumi-provisioned": "true"}


def provided(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the labels that the provider's configuration adds to every resource."""
    own = {} if settings.get("addPulumiAttributionLabel") == "false" else ATTRIBUTION
    return {**own, **json.loads(settings.get("defaultLabels") or "{}")}


def plan(settings: Mapping[str, str], prior: Properties | None, wanted: Any) -> Properties:
    """Plan `pulumiLabels` and `effectiveLabels` from the program's `labels`."""
    if wanted == UNKNOWN or UNKNOWN in (wanted or {}).values():
        return {"pulumiLabels": UNKNOWN, "effectiveLabels": UNKNOWN}
    managed = provided(settings) | (wanted or {})
    before = prior or {}
    removed = set(before.get("pulumiLabels") or {}) - set(managed)
    others = {key: value for key, value in (before.get("effectiveLabels") or {}).items() if key not in removed}
    return {"pulumiLabels": managed, "effectiveLabels": others | managed}


def read(body: Json, known: Properties) -> Properties:
    """Read labels back: of the program's and the provider's own, the present values; and all of them."""
    carried = {str(key): str(value) for key, value in (body.get("labels") or {}).items()}

    def present(name: str) -> Any:
        kept = known.get(name)
        return {key: carried.get(key, "") for key in kept} if isinstance(kept, dict) else None

    return {"labels": present("labels"), "pulumiLabels": present("pulumiLabels") or {}, "effectiveLabels": carried}
