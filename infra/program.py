"""What a stack contains, in the order it comes to be; `pulumi up` and the embedded engine run this program."""

from typing import Any

import pulumi

from infra.access import create_notebook_account, create_prediction_account
from infra.classic_serving import create_classic_model
from infra.environment import create_bucket, enable_apis
from infra.names import Names
from infra.notebook import create_notebook
from infra.serving import create_endpoint, create_model, deploy_version
from infra.setting_table import CLASSIC
from infra.settings import NAMESPACE, read_settings


def deploy() -> None:
    """Declare the stack's resources and outputs; the outputs are all that the tasks know of the infrastructure."""
    settings = read_settings()
    names = Names(settings.project, pulumi.get_stack())
    labels = {**settings.labels, "app": NAMESPACE, "stack": names.label}

    apis = enable_apis(settings)
    bucket = create_bucket(settings, labels, depends_on=apis)
    prediction_account = create_prediction_account(names, bucket, depends_on=apis)

    notebook: dict[str, Any] = {}
    if settings.notebook:
        notebook_account = create_notebook_account(settings, names, bucket, prediction_account, depends_on=apis)
        instance = create_notebook(settings, names, notebook_account, labels, depends_on=apis)
        notebook = {"name": instance.name, "proxyUri": instance.proxy_uri}

    on_classic = settings.platform == CLASSIC
    create = create_classic_model if on_classic else create_model
    served = {
        wrapper: create(wrapper, settings, names, labels, depends_on=[*apis, bucket]) for wrapper in settings.models
    }
    endpoints: dict[str, Any] = {}
    for wrapper in settings.endpoints:
        if on_classic:  # its versions answer themselves
            if wrapper in served:
                endpoints[wrapper] = {"name": served[wrapper].version.name}
            continue
        endpoint = create_endpoint(wrapper, settings, names, labels, depends_on=apis)
        endpoints[wrapper] = {"name": endpoint.id}
        if wrapper in served:
            deployment = deploy_version(wrapper, settings, endpoint, served[wrapper], prediction_account)
            endpoints[wrapper]["deployedModelId"] = deployment.deployed_model_id

    pulumi.export("platform", settings.platform)
    pulumi.export("project", settings.project)
    pulumi.export("region", settings.region)
    pulumi.export("bucket", bucket.name)
    pulumi.export("bucketUrl", bucket.url)
    pulumi.export("predictionAccount", prediction_account.email)
    pulumi.export("notebook", notebook)
    pulumi.export("models", {wrapper: model.outputs for wrapper, model in served.items()})
    pulumi.export("endpoints", endpoints)
    pulumi.export("machineType", settings.machine_type)
    pulumi.export("apiEndpoint", settings.api_endpoint)
    pulumi.export("storageEndpoint", settings.storage_endpoint)
