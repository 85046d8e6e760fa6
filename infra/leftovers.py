"""Resources on the cloud that carry this project's labels, or its names, and that no stack of this clone knows."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from infra.engines import made_by, resources_in, state_file
from infra.google_apis import connection_to, every
from infra.google_client import Connection, Json, PredictionApiError, client
from infra.names import Names
from infra.setting_table import NAMESPACE
from infra.stacks import Stack, StackError, known_stacks, read_stack

ACCOUNTS = {
    "build-": "Builds of stack ",
    "deployer-": "Deploys stack ",
    "notebook-": "Notebook of stack ",
    "prediction-": "Predictions of stack ",
    "previewer-": "Previews stack ",
}
NETWORK = "batch-prediction-"
POOL = re.compile(r"Workflows of .+, for stack (.+)")  # the description that the program gives one


@dataclass(frozen=True)
class Resource:
    """Something on the cloud, and the label of the stack that it says it is of."""

    type: str
    name: str
    stack: str


def find(stack: Stack) -> list[Resource]:
    """List what is left over in the project and region of a stack."""
    known = _known(stack)
    return [each for each in _labelled(stack) if not _is_known(each, known)]


def _known(stack: Stack) -> Mapping[str, set[str] | None]:
    """Return, by its label, what each stack of this clone on the same cloud has: last parts of names, None: anything.

    Only the embedded engine's state can be read without asking a backend; of other stacks everything is believed.
    """
    found: dict[str, set[str] | None] = {}
    for name in known_stacks():
        with suppress(StackError):  # a broken file has no resources to tell of
            other = read_stack(name)
            here = (other.config.get("gcp:project"), other.local_url)
            if here == (stack.config.get("gcp:project"), stack.local_url):
                made = _made(other)
                found |= dict.fromkeys(_endings(Names(str(here[0]), name)), made)
    return found


def _endings(names: Names) -> set[str]:
    """Return how labels and names tell a stack: whole, or as much of it as the name of an account or network takes."""
    accounts = (
        names.build_account,
        names.deployer_account,
        names.notebook_account,
        names.prediction_account,
        names.previewer_account,
    )
    return {names.label, names.network.removeprefix(NETWORK), *(one.partition("-")[2] for one in accounts)}


def _made(stack: Stack) -> set[str] | None:
    if not stack.local_url or made_by(stack) == "pulumi":
        return None
    return {_short(str(row.get("id", ""))) for row in resources_in(state_file(stack))}


def _is_known(resource: Resource, known: Mapping[str, set[str] | None]) -> bool:
    made = known.get(resource.stack, set())
    return made is None or _short(resource.name) in made


def _labelled(stack: Stack) -> Iterator[Resource]:
    vertex, project = connection_to(stack, "aiplatform"), str(stack.config["gcp:project"])
    locations = client(vertex).projects().locations()
    yield from _ours("bucket", _buckets(connection_to(stack, "storage")))
    yield from _ours("model", every(vertex, locations.models(), "models", parent=vertex.parent))
    yield from _ours("endpoint", every(vertex, locations.endpoints(), "endpoints", parent=vertex.parent))
    notebooks = connection_to(stack, "notebooks")
    instances = client(notebooks).projects().locations().instances()
    anywhere = f"projects/{project}/locations/-"
    yield from _ours("notebook", every(notebooks, instances, "instances", parent=anywhere))
    images = connection_to(stack, "artifactregistry")
    repositories = client(images).projects().locations().repositories()
    yield from _ours("repository", every(images, repositories, "repositories", parent=images.parent))
    yield from _ours("key", _keys(connection_to(stack, "cloudkms")))
    iam = connection_to(stack, "iam")
    accounts = client(iam).projects().serviceAccounts()
    for account in _if_on(every(iam, accounts, "accounts", name=f"projects/{project}")):
        yield from _account(account)
    yield from _pools(iam)
    yield from _networks(connection_to(stack, "compute"))


def _buckets(storage: Connection) -> Iterator[Json]:
    return every(storage, client(storage).buckets(), "items", project=storage.project)


def _keys(kms: Connection) -> Iterator[Json]:
    """Return the keys that still encrypt: Google keeps the records of the others for ever."""
    rings = client(kms).projects().locations().keyRings()
    for ring in every(kms, rings, "keyRings", parent=kms.parent):
        found = every(kms, rings.cryptoKeys(), "cryptoKeys", parent=ring["name"])
        yield from (key for key in found if (key.get("primary") or {}).get("state") == "ENABLED")


def _if_on(found: Iterator[Json]) -> Iterator[Json]:
    """Pass on what an API lists; a project that has not enabled it has nothing of it."""
    try:
        yield from found
    except PredictionApiError as error:
        if not error.api_off:
            raise


def _ours(type_: str, found: Iterator[Json]) -> Iterator[Resource]:
    for each in _if_on(found):
        labels = each.get("labels") or {}
        if labels.get("app") == NAMESPACE:
            yield Resource(type_, each["name"], labels.get("stack", ""))


def _account(account: Json) -> Iterator[Resource]:
    """Accounts take no labels: the program's are known by their names and what they are called."""
    for prefix, title in ACCOUNTS.items():
        if account["email"].startswith(prefix) and str(account.get("displayName", "")).startswith(title):
            label = account["email"].partition("@")[0].removeprefix(prefix)
            yield Resource("service account", account["email"], label)


def _pools(iam: Connection) -> Iterator[Resource]:
    """Pools take no labels: the program's are known by what they are called and by their description."""
    pools = client(iam).projects().locations().workloadIdentityPools()
    parent = f"projects/{iam.project}/locations/global"
    for pool in _if_on(every(iam, pools, "workloadIdentityPools", parent=parent)):
        told = POOL.fullmatch(str(pool.get("description", "")))
        if told and _short(pool["name"]).startswith("github-"):
            yield Resource("identity pool", pool["name"], Names(iam.project, told[1]).label)


def _networks(compute: Connection) -> Iterator[Resource]:
    """Networks and routers take no labels: the program's are known by their names."""
    found = {
        "network": every(compute, client(compute).networks(), "items", project=compute.project),
        "router": every(compute, client(compute).routers(), "items", project=compute.project, region=compute.region),
    }
    for type_, resources in found.items():
        for each in _if_on(resources):
            if each["name"].startswith(NETWORK):
                yield Resource(type_, each["name"], each["name"].removeprefix(NETWORK))


def _short(name: str) -> str:
    return name.rpartition("/")[2]
