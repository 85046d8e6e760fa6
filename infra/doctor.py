"""What a stack needs before it can be deployed: each thing looked at, and what puts it right."""

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version

from infra.credentials import refreshed
from infra.engines import cli_path, usable_engine
from infra.errors import InfraError
from infra.google_apis import connection_to, every
from infra.google_client import Json, PredictionApiError, client, execute
from infra.local_cloud import health, require
from infra.locations import place_of
from infra.places.multi_regions import covers
from infra.serving_image import has_registry
from infra.settings import Settings, from_config
from infra.stacks import Stack, read_stack

WRONG_PROJECT = "Run: pulumi config set gcp:project PROJECT --stack {stack}"
# What the program and the tasks do, as the permissions that Google asks for it.
PERMISSIONS = (
    "aiplatform.batchPredictionJobs.create",
    "aiplatform.models.upload",
    "iam.serviceAccounts.actAs",
    "iam.serviceAccounts.create",
    "serviceusage.services.enable",
    "storage.buckets.create",
    "storage.buckets.setIamPolicy",
    "storage.objects.create",
)
PASSPHRASES = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")
FOR_ENDPOINTS = ("aiplatform.endpoints.create", "aiplatform.endpoints.deploy")
FOR_IMAGE = (
    "artifactregistry.repositories.create",
    "cloudbuild.builds.create",
    "resourcemanager.projects.setIamPolicy",
)
FOR_NOTEBOOK = ("notebooks.instances.create", "resourcemanager.projects.setIamPolicy")
FOR_NETWORK = ("compute.firewalls.create", "compute.networks.create", "compute.subnetworks.create")
FOR_KEY = ("cloudkms.cryptoKeys.create", "cloudkms.cryptoKeys.setIamPolicy", "cloudkms.keyRings.create")
FOR_GITHUB = ("iam.workloadIdentityPools.create", "resourcemanager.projects.setIamPolicy")
FOR_DATAFLOW = ("dataflow.jobs.create", "resourcemanager.projects.setIamPolicy")


@dataclass(frozen=True)
class Finding:
    """One thing looked at; where it is not right, `remedy` is the command that mends it."""

    check: str
    ok: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Patient:
    """A stack whose file is sound."""

    stack: Stack
    settings: Settings


def examine(name: str) -> Iterator[Finding]:
    """Look at everything in turn; what cannot be asked without the thing before it is not asked."""
    try:
        stack = read_stack(name)
        patient = Patient(stack, from_config(stack.config, name))
    except InfraError as error:
        yield _refused("stack file", error)
        return
    yield Finding("stack file", True, f"{stack.path.name}: every setting is one of the program's and in its range")
    for check, look in CHECKS.items():
        finding = _looked(check, look, patient)
        yield finding
        if check == "cloud" and not finding.ok:
            return


def engine(patient: Patient) -> Finding:
    """Look for the engine, and whether its version suits the SDK's."""
    chosen = usable_engine(patient.stack)
    sdk, provider = version("pulumi"), version("pulumi-gcp")
    if chosen == "embedded":
        return Finding("engine", True, f"embedded; Pulumi SDK {sdk}, gcp provider {provider}")
    said = subprocess.run([cli_path(), "version"], capture_output=True, text=True, check=False).stdout.strip()
    found = said.removeprefix("v")
    known = f"Pulumi CLI {found or 'of an unknown version'}; SDK {sdk}, gcp provider {provider}"
    return Finding("engine", _numbers(found) >= _numbers(sdk), known, "Run: invoke pulumi.install")


def state(patient: Patient) -> Finding:
    """Look where the CLI keeps the state, and whether there is a passphrase to seal a self-managed one's secrets."""
    if patient.stack.local_url:
        return Finding("state", True, "under .local")
    backend = os.environ.get("PULUMI_BACKEND_URL") or patient.settings.state_backend
    if not backend or backend.startswith("https://"):
        return Finding("state", True, f"{backend or 'where you are logged in: pulumi whoami --verbose'}")
    sealed = (
        any(os.environ.get(name) is not None for name in PASSPHRASES)
        or "secretsprovider:" in patient.stack.path.read_text()
    )
    told = f"{backend}, {'sealed' if sealed else 'without a passphrase for its secrets'}"
    return Finding("state", sealed, told, f"Run: export {PASSPHRASES[0]}=... (kept by you)")


def cloud(patient: Patient) -> Finding:
    """Look whether the local cloud answers, or whether Google takes the credentials."""
    stack = patient.stack
    if stack.local_url:
        require(stack)
        found = health(stack.local_url)
        return Finding("cloud", True, f"local, at {stack.local_url}" + (f", process {found.pid}" if found else ""))
    return Finding("cloud", True, f"credentials of {refreshed()}")


def project(patient: Patient) -> Finding:
    """Look whether the project exists and is not being deleted."""
    connection = connection_to(patient.stack, "cloudresourcemanager")
    name = f"projects/{patient.settings.project}"
    found = execute(connection, client(connection).projects().get(name=name), name)
    state = str(found.get("state", "ACTIVE"))
    remedy = WRONG_PROJECT.format(stack=patient.stack.name)
    return Finding("project", state == "ACTIVE", f"{patient.settings.project} is {state.lower()}", remedy)


def apis(patient: Patient) -> Finding:
    """Look which of the APIs that the program uses are enabled."""
    from infra.environment import wanted_apis  # noqa: PLC0415  # pulumi_gcp takes a second to import

    wanted = sorted(wanted_apis(patient.settings))
    connection = connection_to(patient.stack, "serviceusage")
    parent = f"projects/{patient.settings.project}"
    names = [f"{parent}/services/{api}.googleapis.com" for api in wanted]
    request = client(connection).services().batchGet(parent=parent, names=names)
    states = {item["name"]: item.get("state") for item in execute(connection, request, "services")["services"]}
    off = [name.rpartition("/")[2] for name, state in states.items() if state != "ENABLED"]
    told = f"{', '.join(off)} not enabled" if off else f"{len(wanted)} enabled"
    return Finding("APIs", not off, told, f"Run: invoke up --stack {patient.stack.name}")


def permissions(patient: Patient) -> Finding:
    """Look which permissions the caller lacks."""
    settings = patient.settings
    wanted = _wanted_permissions(settings)
    connection = connection_to(patient.stack, "cloudresourcemanager")
    name = f"projects/{settings.project}"
    request = client(connection).projects().testIamPermissions(resource=name, body={"permissions": wanted})
    lacking = sorted(set(wanted) - set(execute(connection, request, name).get("permissions", [])))
    told = f"not allowed: {', '.join(lacking)}" if lacking else f"{len(wanted)} asked for, all there"
    remedy = f"Ask an owner of {settings.project!r} for them; what you have: gcloud projects get-iam-policy"
    return Finding("permissions", not lacking, told, f"{remedy} {settings.project}")


def bucket(patient: Patient) -> Finding:
    """Look whether the bucket, where it is there, is this project's to use and in the stack's region."""
    settings = patient.settings
    connection = connection_to(patient.stack, "storage")
    remedy = f"Run: pulumi config set keras-batch-prediction:bucket OTHER-NAME --stack {patient.stack.name}"
    try:
        found = execute(connection, client(connection).buckets().get(bucket=settings.bucket), settings.bucket)
    except PredictionApiError as error:
        if error.status == 404:
            return Finding("bucket", True, f"{settings.bucket} is not there yet: up makes it")
        if error.status != 403:
            raise
        reason = str(error).partition(". ")[0]
        return Finding("bucket", False, f"{settings.bucket} is not yours, or not for you to see: {reason}", remedy)
    told = f"{settings.bucket} is in {place_of(found)}, models and jobs in {settings.region}"
    return Finding("bucket", covers(found, settings.region), told, remedy)


def quota(patient: Patient) -> Finding:
    """Look whether the region has machines for Vertex AI's predictions, as far as Google tells."""
    if patient.stack.local_url:
        return Finding("quota", True, "a local cloud has none")
    connection = connection_to(patient.stack, "serviceusage", "v1beta1")
    metrics = client(connection).services().consumerQuotaMetrics()
    parent = f"projects/{patient.settings.project}/services/aiplatform.googleapis.com"
    try:
        found = list(every(connection, metrics, "metrics", parent=parent))
    except PredictionApiError as error:
        if error.status in {403, 404}:
            return Finding("quota", True, f"not known: {str(error).partition('. ')[0]}")
        raise
    serving = [metric for metric in found if _is_serving(metric["metric"])]
    limits = [limit for metric in serving for limit in _limits(metric, patient.settings.region)]
    remedy = f"Ask for it: https://console.cloud.google.com/iam-admin/quotas?project={patient.settings.project}"
    told = f"{max(limits)} vCPUs for predictions in {patient.settings.region}" if limits else "not told by Google"
    return Finding("quota", not limits or max(limits) != 0, told, remedy)


CHECKS: dict[str, Callable[[Patient], Finding]] = {
    "engine": engine,
    "state": state,
    "cloud": cloud,
    "project": project,
    "APIs": apis,
    "permissions": permissions,
    "bucket": bucket,
    "quota": quota,
}


def _wanted_permissions(settings: Settings) -> list[str]:
    groups = {
        PERMISSIONS: True,
        FOR_IMAGE: has_registry(settings),
        FOR_ENDPOINTS: bool(settings.endpoints),
        FOR_NOTEBOOK: settings.notebook,
        FOR_NETWORK: settings.private_network,
        FOR_KEY: settings.kms_key == "new",
        FOR_GITHUB: bool(settings.github_repository),
        FOR_DATAFLOW: settings.dataflow,
    }
    return sorted({name for group, on in groups.items() if on for name in group})


def _looked(check: str, look: Callable[[Patient], Finding], patient: Patient) -> Finding:
    try:
        found = look(patient)
        return replace(found, remedy="") if found.ok else found
    except InfraError as error:
        return _refused(check, error)


def _refused(check: str, error: InfraError) -> Finding:
    """Turn a refusal into a finding: its line says what is wrong and, behind the last full stop, what to do."""
    detail, _, remedy = str(error).rpartition(". ")
    return Finding(check, False, detail or remedy, remedy if detail else "")


def _is_serving(metric: str) -> bool:
    return "custom_model_serving" in metric and metric.endswith("cpus")


def _limits(metric: Json, region: str) -> list[int]:
    """Return the limits of a region: its own, else those that regions have by default."""
    buckets = [one for limit in metric.get("consumerQuotaLimits", ()) for one in limit.get("quotaBuckets", ())]
    own = [one for one in buckets if (one.get("dimensions") or {}).get("region") == region]
    default = [one for one in buckets if not one.get("dimensions")]
    return [int(one.get("effectiveLimit", 0)) for one in own or default]


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("-", maxsplit=1)[0].split(".") if part.isdecimal())
