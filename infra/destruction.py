"""What destroying a stack would do: what goes, what it protects, and what stays on the cloud all the same."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from infra.settings import Settings, from_config
from infra.stacks import Stack, StackError

SERVICE = "gcp:projects/service:Service"
KEY = "gcp:kms/cryptoKey:CryptoKey"
GRANT = "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember"
POOL = "gcp:iam/workloadIdentityPool:WorkloadIdentityPool"
AGENT = "gcp:projects/serviceIdentity:ServiceIdentity"
BUCKET = "gcp:storage/bucket:Bucket"

WITH = {  # what goes with a resource, by its kind
    "Bucket": ", with all objects and their old generations",
    "Instance": ", with its disks and all that is on them",
    "Model": ", with all its versions",
    "ClassicModel": ", with all its versions",
    "Repository": ", with all its images",
}

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Fate:
    """A stack's resources by what destroy does with them; `leaves` says what is there afterwards."""

    stack: str
    deletes: Sequence[str]
    protects: Sequence[str]
    leaves: Sequence[str]


def fate_of(stack: Stack, resources: Sequence[Json]) -> Fate:
    """Say what destroying would do with the resources in a stack's state.

    Raises:
        SettingError: a setting is wrong.
    """
    settings = from_config(stack.config, stack.name)
    own = [row for row in resources if row.get("custom", True) and not str(row["type"]).startswith("pulumi:")]
    kept = [row for row in own if row["type"] in {SERVICE, AGENT}]
    others = [row for row in own if row["type"] not in {SERVICE, AGENT}]
    return Fate(
        stack.name,
        sorted(_going(settings, row) for row in others if not (row.get("protect") or row.get("retainOnDelete"))),
        sorted(_named(row) for row in others if row.get("protect")),
        list(_leaves(settings, kept, others)),
    )


def refuse_protected(fate: Fate) -> None:
    """Refuse to begin what the engine would break off half-way.

    Raises:
        StackError: the stack is marked production, or was when it was deployed.
    """
    if fate.protects:
        key, name = "keras-batch-prediction:production", fate.stack
        what = f"Stack {name!r} protects {', '.join(fate.protects)}: nothing was deleted"
        how = f"pulumi config set {key} false --stack {name}, then: invoke up --stack {name}, then destroy"
        msg = f"{what}. If they may go, run: {how}"
        raise StackError(msg)


def lines(fate: Fate) -> list[str]:
    """Return a fate for people."""
    return [
        *(f"goes       {name}" for name in fate.deletes),
        *(f"protected  {name}" for name in fate.protects),
        *(f"stays      {name}" for name in fate.leaves),
        f"Stack {fate.stack!r}: {len(fate.deletes)} go, {len(fate.protects)} are protected",
    ]


def facts(fate: Fate) -> dict[str, Any]:
    """Return a fate for JSON."""
    return asdict(fate)


def _leaves(settings: Settings, kept: Sequence[Json], others: Sequence[Json]) -> list[str]:
    apis, agents = _services(kept, SERVICE), _services(kept, AGENT)
    told = [f"enabled APIs, which others of the project may use: {', '.join(apis)}"] if apis else []
    told += [f"Google's own accounts of these services: {', '.join(agents)}"] if agents else []
    if any(row["type"] == BUCKET for row in others):
        told += _of_bucket(settings)
    models = [row for row in others if str(row["type"]).endswith(":Model")]
    adopted = [row for row in models if row.get("retainOnDelete")]
    told += [f"model {row.get('id')}, adopted by adoptModels, with all its versions" for row in adopted]
    if len(models) > len(adopted):
        told.append("records of batch prediction jobs in Vertex AI; all versions of the models go, kept ones too")
    told += ["logs of image builds, in Cloud Logging"] * any(_named(row) == "build-account (Account)" for row in others)
    told += _of_security(others)
    return [*told, "the stack's file and settings"] if others or apis else ["nothing: the stack has no resources"]


def _services(kept: Sequence[Json], type_: str) -> list[str]:
    """Return the services that resources of a type are of."""
    rows = [row for row in kept if row["type"] == type_]
    return sorted(str((row.get("inputs") or {}).get("service", row.get("id"))) for row in rows)


def _of_security(others: Sequence[Json]) -> list[str]:
    """Say what stays of keys and pools, which Google keeps, and with them what they protect."""
    told = []
    for row in others:
        if row["type"] == KEY:
            key = row.get("id", "")
            end = f"gcloud kms keys versions destroy VERSION --key {key}"
            told.append(f"key {key} and its grants: all that it encrypted needs it. To end it: {end}")
        if row["type"] == POOL:
            told.append(f"workload identity pool {row.get('id')}, deleted: its id is taken for 30 days")
    given = [row for row in others if row["type"] == GRANT]
    if given and not any(row["type"] == KEY for row in others):
        key = (given[0].get("inputs") or {}).get("cryptoKeyId", "")
        told.append(f"the grants on key {key}: all that it encrypted needs them")
    return told


def _of_bucket(settings: Settings) -> list[str]:
    if not settings.force_destroy:
        key = "keras-batch-prediction:forceDestroy"
        return [f"bucket {settings.bucket}, if it holds objects ({key} is false): destroy stops there, and says so"]
    days = settings.soft_delete_days
    return [f"deleted objects for {days} days, restorable and paid for (softDeleteDays)"] if days else []


def _named(row: Json) -> str:
    kind = str(row["type"]).rpartition(":")[2]
    return f"{str(row['urn']).rpartition('::')[2]} ({kind})"


def _going(settings: Settings, row: Json) -> str:
    """Name a resource and what goes with it."""
    kind = str(row["type"]).rpartition(":")[2]
    known = WITH if settings.force_destroy else {**WITH, "Bucket": ""}
    return _named(row) + known.get(kind, "")
