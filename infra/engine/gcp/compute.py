"""Resources of Compute Engine: inserted under their own name, read, and deleted, each change by an operation."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from infra.engine.gcp import states
from infra.engine.gcp.rest import OPERATION_LIMIT, ApiError, Cloud
from infra.engine.gcp.schema import Fields, Json
from infra.engine.providers import UNKNOWN, Properties, ProviderError

REFERENCES = {"network": "global/networks", "region": "regions"}
LINK = re.compile(r"/compute/[a-z0-9]+/projects/")


@dataclass(frozen=True)
class ComputeCollection:
    """Where resources of a type live, and how their JSON differs from their properties."""

    plural: str
    fields: Fields
    regional: bool = False
    encode: Callable[[Json], Json] = dict
    decode: Callable[[Json], Json] = dict

    def identity(self, state: Properties) -> str:
        """Return the resource's path below an address of the API."""
        where = f"regions/{tail(state['region'])}" if self.regional else "global"
        return f"projects/{state['project']}/{where}/{self.plural}/{state['name']}"

    def url(self, cloud: Cloud, identity: str) -> str:
        """Return the resource's address."""
        return f"{cloud.base('compute')}{identity}"

    def create(self, cloud: Cloud, wanted: Properties) -> tuple[str, Json]:
        """Insert the resource and wait for it; it is in the provider's region where it names none."""
        if self.regional and wanted.get("region") in (None, UNKNOWN):
            wanted["region"] = cloud.settings.get("region")
        identity = self.identity(wanted)
        filled = {key: value for key, value in self.body(wanted).items() if value not in ("", [], None)}
        wait(cloud, cloud.call("POST", self.url(cloud, identity.rsplit("/", 1)[0]), filled))
        found = self.read(cloud, identity, wanted)
        if found is None:
            raise ProviderError(f"{identity} was created and is not there.")
        return identity, found

    def body(self, wanted: Properties) -> Json:
        """Write the resource as the API has it."""
        body, owner = self.encode(states.to_api(self.fields, wanted) | {"name": wanted["name"]}), wanted["project"]
        for key, collection in REFERENCES.items():
            if body.get(key):
                body[key] = relative(str(body[key]), str(owner), collection)
        return body

    def read(self, cloud: Cloud, identity: str, known: Properties) -> Json | None:
        """Get the resource; None where it is gone."""
        del known
        try:
            return self.decode(readable(cloud.call("GET", self.url(cloud, identity))))
        except ApiError as refused:
            if refused.code == 404:
                return None
            raise

    def update(
        self, cloud: Cloud, identity: str, prior: Properties, wanted: Properties, changed: frozenset[str]
    ) -> Json:
        """Patch with all that the program says: the API merges it into what stands."""
        del prior
        if changed - {"deletionPolicy"}:
            wait(cloud, cloud.call("PATCH", self.url(cloud, identity), self.body(wanted)))
        return self.decode(readable(cloud.call("GET", self.url(cloud, identity))))

    def delete(self, cloud: Cloud, identity: str, state: Properties) -> None:
        """Delete the resource and wait until it is gone."""
        del state
        wait(cloud, cloud.call("DELETE", self.url(cloud, identity)))

    def identify(self, identity: str, project: str) -> Properties:
        """Read the resource's path."""
        del project
        where = r"regions/([^/]+)" if self.regional else "global()"
        found = re.fullmatch(rf"projects/([^/]+)/{where}/{self.plural}/([^/]+)", identity)
        if not found:
            place = "regions/REGION" if self.regional else "global"
            form = f"projects/PROJECT/{place}/{self.plural}/NAME"
            raise ProviderError(f"No id of {self.plural}: {identity!r}. Write it as {form}")
        region = {"region": found[2]} if self.regional else {}
        return {"project": found[1], "name": found[3], **region}


def relative(text: str, project: str, collection: str) -> str:
    """Write a name or a link as the provider sends it: by its path."""
    found = re.search(r"projects/.*$", text)
    return found[0] if found else f"projects/{project}/{collection}/{tail(text)}"


def readable(body: Json) -> Json:
    """Write links as the provider keeps them: of version 1 of the API; the region by its name."""
    links = {key: LINK.sub("/compute/v1/projects/", str(body[key])) for key in ("network", "selfLink") if key in body}
    region = {"region": tail(body["region"])} if "region" in body else {}
    return body | links | region


def wait(cloud: Cloud, operation: Json) -> None:
    """Wait for an operation. Raises ApiError where it failed."""
    deadline, pause = time.monotonic() + OPERATION_LIMIT, 0.1
    while operation.get("status") != "DONE":
        if time.monotonic() > deadline:
            raise ProviderError(f"Operation {operation.get('name')!r} did not finish in {OPERATION_LIMIT:.0f} s.")
        time.sleep(pause)
        pause = min(pause * 1.5, 2.0)
        path = re.sub(r"^.*?(?=projects/)", "", operation["selfLink"])
        operation = cloud.call("GET", f"{cloud.base('compute')}{path}")
    errors = (operation.get("error") or {}).get("errors")
    if errors:
        text = "; ".join(str(error.get("message") or error.get("code")) for error in errors)
        raise ApiError(int(operation.get("httpErrorStatusCode") or 400), text)


def tail(value: object) -> str:
    """Return the last part of a link or name."""
    return str(value).rstrip("/").rsplit("/", 1)[-1]
