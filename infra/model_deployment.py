"""A model version deployed to an endpoint, as a Pulumi resource over prediction.py: what makes `destroy` clean.

The names of module and classes are in the stacks' state: never rename them.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ReadResult, Resource

from infra import prediction
from infra.google_client import Connection, Json
from infra.model_fields import Props, matches
from infra.operations import OPERATION_LIMIT, claim, told
from infra.vertex_provider import VertexProvider, changed, checked, in_one_line, own, text

Options = pulumi.ResourceOptions | None

PLACE = ("endpoint", "model", "machine_type", "service_account")
REPLICAS = 1  # machines, always on: what the stack's setting asks for is one endpoint to try, not a fleet


class DeploymentProvider(VertexProvider):
    """A deployed model: any change deploys anew, with all traffic, before the old deployment goes."""

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Refuse what Vertex AI would refuse, before anything is sent."""
        version = matches(r"projects/[^/]+/locations/[^/]+/models/[^/@]+@\d+", news.get("model"))
        endpoint = matches(r"projects/[^/]+/locations/[^/]+/endpoints/[^/]+", news.get("endpoint"))
        return checked(
            news,
            [
                ("model", version, "a version's full name, ending in @ and its number"),
                ("endpoint", endpoint, "an endpoint's full name"),
                ("machine_type", text(news.get("machine_type")), "a machine type such as n1-standard-2"),
            ],
        )

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Compare; the new deployment takes the traffic before the old one goes."""
        replaces = changed(olds, news, PLACE)
        return DiffResult(changes=bool(replaces), replaces=replaces)

    @in_one_line
    def create(self, props: Props) -> CreateResult:
        """Deploy, or take over the same deployment where an interrupted run made it.

        The deployment's id follows from what it is: asked for twice, it is one deployment, not two.
        """
        props = own(props)
        connection, endpoint = self.connection(props["endpoint"]), props["endpoint"]
        deployed_id, what = _deployed_id(props), f"Deployment of {props['model']}"
        claim(
            lambda: prediction.deploy(connection, endpoint, _deployed_model(props, deployed_id), told(what)),
            lambda: _deployed(connection, endpoint).get(deployed_id),
            what,
            OPERATION_LIMIT,
        )
        return CreateResult(f"{endpoint}/deployedModels/{deployed_id}", {**props, "deployed_model_id": deployed_id})

    @in_one_line
    def read(self, id_: str, props: Props) -> ReadResult:
        """Read which version is deployed, on which machine."""
        endpoint, _, deployed_id = id_.partition("/deployedModels/")
        live = _deployed(self.connection(id_), endpoint).get(deployed_id)
        if live is None:
            return ReadResult("", {})
        model = f"{live['model'].partition('@')[0]}@{live['modelVersionId']}"
        was = own(props).get("model", "")
        inputs = {
            "endpoint": endpoint,
            "model": was if _tail(was) == _tail(model) else model,
            "machine_type": _machine_type(live),
            "service_account": live.get("serviceAccount", ""),
        }
        return ReadResult(id_, {**inputs, "deployed_model_id": deployed_id}, inputs)

    @in_one_line
    def delete(self, id_: str, _props: Props) -> None:
        """Undeploy; what is gone is no error."""
        endpoint, _, deployed_id = id_.partition("/deployedModels/")
        if deployed_id in _deployed(self.connection(id_), endpoint):
            prediction.undeploy(self.connection(id_), endpoint, deployed_id)


class Deployment(Resource, module="prediction", name="Deployment"):
    """A model version that an endpoint serves."""

    deployed_model_id: pulumi.Output[str]

    def __init__(self, resource_name: str, props: Mapping[str, Any], opts: Options = None) -> None:
        super().__init__(DeploymentProvider(), resource_name, {**props, "deployed_model_id": None}, opts)


def _deployed(connection: Connection, endpoint: str) -> dict[str, Json]:
    live = prediction.get_endpoint(connection, endpoint) or {}
    return {entry["id"]: entry for entry in live.get("deployedModels", [])}


def _deployed_model(props: Props, deployed_id: str) -> Json:
    return {
        "id": deployed_id,
        "model": props["model"],
        "dedicatedResources": {
            "machineSpec": {"machineType": props["machine_type"]},
            "minReplicaCount": REPLICAS,
            "maxReplicaCount": REPLICAS,
        },
        "serviceAccount": props["service_account"],
    }


def _deployed_id(props: Props) -> str:
    """Return an id in the form that Vertex AI takes: up to 10 digits."""
    digest = hashlib.sha256("\n".join(str(props[key]) for key in PLACE).encode()).hexdigest()
    return str(10**9 + int(digest, 16) % (9 * 10**9))


def _machine_type(entry: Json) -> str:
    return str(entry.get("dedicatedResources", {}).get("machineSpec", {}).get("machineType", ""))


def _tail(model: str) -> str:
    """Return MODEL@VERSION alone: Google answers with the project's number where its id was sent."""
    return model.rpartition("/")[2]
