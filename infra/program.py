"""What a stack contains, in the order it comes to be; `pulumi up` and the embedded engine run this program."""

import pulumi

from infra.access import create_prediction_account
from infra.encryption import create_key
from infra.environment import create_bucket, enable_apis
from infra.federation import create_federation
from infra.names import Names
from infra.network import create_network
from infra.notebook import Surroundings, create_notebook
from infra.registry import create_registry
from infra.serving import create_endpoints, create_models, deploy_versions
from infra.settings import NAMESPACE, Settings, read_settings


def deploy() -> None:
    """Declare the stack's resources and outputs; the outputs are all that the tasks know of the infrastructure."""
    settings = read_settings()
    names = Names(settings.project, pulumi.get_stack())
    labels = {**settings.labels, "app": NAMESPACE, "stack": names.label}

    apis = enable_apis(settings)
    key = create_key(settings, labels, depends_on=apis)
    bucket = create_bucket(settings, labels, key, depends_on=apis)
    prediction_account = create_prediction_account(settings, names, bucket, depends_on=apis)
    network = create_network(settings, names, depends_on=apis)
    registry = create_registry(settings, names, bucket, labels, key, depends_on=apis)
    around = Surroundings(bucket, prediction_account, network)
    notebook = create_notebook(settings, names, around, labels, key, depends_on=apis)
    github = create_federation(settings, names, bucket, prediction_account, depends_on=apis)
    models = create_models(settings, names, labels, key, depends_on=[*apis, bucket])
    endpoints = create_endpoints(settings, names, labels, key, depends_on=apis)
    deployed = deploy_versions(settings, endpoints, models, prediction_account)

    outputs = {
        "platform": settings.platform,
        "project": settings.project,
        "region": settings.region,
        "bucket": bucket.name,
        "bucketUrl": bucket.url,
        "predictionAccount": prediction_account.email,
        "registry": registry,
        "kmsKey": key.name or "",
        "notebook": notebook,
        "github": github,
        "models": {wrapper: model.outputs for wrapper, model in models.items()},
        "endpoints": deployed,
        "machineType": settings.machine_type,
        "apiEndpoint": settings.api_endpoint,
        "storageEndpoint": settings.storage_endpoint,
    }
    for name, value in outputs.items():
        pulumi.export(name, value)
    if pulumi.runtime.is_dry_run():
        _tell_costs(settings)


def _tell_costs(settings: Settings) -> None:
    """Show in every preview, of either engine, what the stack would cost."""
    from infra.costs import cost_line  # noqa: PLC0415  # only previews need the price table

    pulumi.log.info(cost_line(settings))
