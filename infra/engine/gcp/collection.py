"""Resources below `projects/P/locations/L/…`: create by id, wait, get, patch by mask, delete."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from infra.engine.gcp import states
from infra.engine.gcp.rest import ApiError, Cloud, finished, with_query
from infra.engine.gcp.schema import LOCAL, OUTPUT, Fields, Json
from infra.engine.providers import Properties, ProviderError


@dataclass(frozen=True)
class Collection:
    """Where resources of a type live, and how their JSON differs from their properties."""

    api: str  # the endpoint's key
    plural: str
    key: str  # the property that is the last part of the name
    id_query: str
    fields: Fields
    encode: Callable[[Json], Json] = dict
    decode: Callable[[Json], Json] = dict
    parent: str = "projects/{project}/locations/{location}"
    masks: Mapping[str, str] = field(default_factory=dict)  # property -> what a patch's mask calls it

    def identity(self, state: Properties) -> str:
        """Return the resource's full name."""
        return f"{self.parent.format(**state)}/{self.plural}/{state[self.key]}"

    def url(self, cloud: Cloud, identity: str) -> str:
        """Return the resource's address."""
        return f"{cloud.base(self.api)}{identity}"

    def body(self, wanted: Properties) -> Json:
        """Write the resource as the API has it."""
        body = self.encode(states.to_api(self.fields, wanted))
        return body | ({"labels": wanted["effectiveLabels"]} if wanted.get("effectiveLabels") else {})

    def create(self, cloud: Cloud, wanted: Properties, query: Mapping[str, str] | None = None) -> tuple[str, Json]:
        """Create the resource and wait for it."""
        identity = self.identity(wanted)
        parent = identity.rsplit("/", 1)[0]
        filled = {key: value for key, value in self.body(wanted).items() if value not in ("", [], None)}
        url = with_query(self.url(cloud, parent), {self.id_query: wanted[self.key], **(query or {})})
        self._wait(cloud, cloud.call("POST", url, filled))
        found = self.read(cloud, identity, wanted)
        if found is None:
            raise ProviderError(f"{identity} was created and is not there.")
        return identity, found

    def read(self, cloud: Cloud, identity: str, known: Properties) -> Json | None:
        """Get the resource; None where it is gone."""
        del known
        try:
            return self.decode(cloud.call("GET", self.url(cloud, identity)))
        except ApiError as refused:
            if refused.code == 404:
                return None
            raise

    def update(
        self, cloud: Cloud, identity: str, prior: Properties, wanted: Properties, changed: frozenset[str]
    ) -> Json:
        """Patch what changed, by its mask."""
        del prior
        named = sorted({"labels" if name == "effectiveLabels" else name for name in changed & self.masked()})
        if named:
            mask = ",".join(self.masks.get(name, name) for name in named)
            sent = {path.partition(".")[0] for path in mask.split(",")}
            body = {key: value for key, value in self.body(wanted).items() if key in sent}
            self._wait(cloud, cloud.call("PATCH", self.url(cloud, identity), body, {"updateMask": mask}))
        return self.decode(cloud.call("GET", self.url(cloud, identity)))

    def _wait(self, cloud: Cloud, answer: Json) -> None:
        """Wait for an answer that is an operation; some calls answer the resource itself."""
        if "/operations/" in answer.get("name", ""):
            finished(cloud, cloud.base(self.api), answer)

    def masked(self) -> frozenset[str]:
        """Return the properties that a patch can carry."""
        sent = {name for name, prop in self.fields.items() if not prop.traits & (LOCAL | OUTPUT)}
        return frozenset(sent | {"effectiveLabels"})

    def delete(self, cloud: Cloud, identity: str, state: Properties) -> None:
        """Delete the resource and wait until it is gone."""
        del state
        finished(cloud, cloud.base(self.api), cloud.call("DELETE", self.url(cloud, identity)))

    def identify(self, identity: str, project: str) -> Properties:
        """Read the resource's full name."""
        del project
        inside = ".+" if self.parent.startswith("{") else "[^/]+"
        parent = re.sub(r"\{(\w+)\}", rf"(?P<\1>{inside})", self.parent)
        found = re.fullmatch(rf"{parent}/{self.plural}/(?P<{self.key}>[^/]+)", identity)
        if not found:
            form = re.sub(r"\{(\w+)\}", lambda name: name[1].upper(), f"{self.parent}/{self.plural}/NAME")
            raise ProviderError(f"No id of {self.plural}: {identity!r}. Write it as {form}")
        return dict(found.groupdict())
