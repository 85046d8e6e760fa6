"""What a stack contains, in the order it comes to be; `pulumi up` and the embedded engine run this program."""

from typing import Any

import pulumi

from infra.access import allow_dataflow, create_notebook_account, create_prediction_account
from infra.classic_serving import create_classic_model
from infra.encryption import create_key
from infra.environment import create_bucket, enable_apis
from infra.federation import create_federation
from infra.names import Names
from infra.network import create_network
from infra.notebook import Place, create_notebook
from infra.registry import create_registry
from infra.serving import create_endpoint, create_model, deploy_version
from infra.serving_image import has_registry, image_uri, warn_about
from infra.setting_table import CLASSIC
from infra.settings import NAMESPACE, read_settings


def deploy() -> None:
    """Declare the stack's resources and outputs; the outputs are all that the tasks know of the infrastructure."""
    settings = read_settings()
    names = Names(settings.project, pulumi.get_stack())
    labels = {**settings.labels, "app": NAMESPACE, "stack": names.label}

    apis = enable_apis(settings)
    key = create_key(settings, labels, depends_on=apis)
    bucket = create_bucket(settings, labels, key, depends_on=apis)
    prediction_account = create_prediction_account(names, bucket, depends_on=apis)
    if settings.dataflow:
        allow_dataflow(settings, bucket, prediction_account)
    network = create_network(settings, names, depends_on=apis) if settings.private_network else None

    registry: dict[str, Any] = {}
    if has_registry(settings):
        made = create_registry(settings, names, bucket, labels, key, depends_on=apis)
        registry = {"repository": made.repository.repository_id, "buildAccount": made.account.email}

    notebook: dict[str, Any] = {}
    if settings.notebook:
        notebook_account = create_notebook_account(settings, names, bucket, prediction_account, depends_on=apis)
        place = Place(notebook_account, network)
        instance = create_notebook(settings, names, place, labels, key, depends_on=apis)
        notebook = {"name": instance.name, "proxyUri": instance.proxy_uri}

    github: dict[str, Any] = {}
    if settings.github_repository:
        github = create_federation(settings, names, bucket, prediction_account, depends_on=apis)

    on_classic = settings.platform == CLASSIC
    if settings.models and not on_classic:
        warn_about(image_uri(settings, names))
    served = {
        wrapper: create_classic_model(wrapper, settings, names, labels, depends_on=[*apis, bucket])
        if on_classic
        else create_model(wrapper, settings, names, labels, key, depends_on=[*apis, bucket])
        for wrapper in settings.models
    }
    endpoints: dict[str, Any] = {}
    for wrapper in settings.endpoints:
        if on_classic:  # its versions answer themselves
            if wrapper in served:
                endpoints[wrapper] = {"name": served[wrapper].version.name}
            continue
        endpoint = create_endpoint(wrapper, settings, names, labels, key, depends_on=apis)
        endpoints[wrapper] = {"name": endpoint.id}
        if wrapper in served:
            deployment = deploy_version(wrapper, settings, endpoint, served[wrapper], prediction_account)
            endpoints[wrapper]["deployedModelId"] = deployment.deployed_model_id

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
        "models": {wrapper: model.outputs for wrapper, model in served.items()},
        "endpoints": endpoints,
        "machineType": settings.machine_type,
        "apiEndpoint": settings.api_endpoint,
        "storageEndpoint": settings.storage_endpoint,
    }
    for name, value in outputs.items():
        pulumi.export(name, value)
