"""gcp.vertex.AiEndpoint: an endpoint of Vertex AI; the models deployed to it are not its own."""

import json

from infra.engine.gcp import settling, validation
from infra.engine.gcp.collection import Collection
from infra.engine.gcp.schema import (
    COMPUTED,
    DELETION,
    LABELS,
    LOCAL,
    NEW,
    OUTPUT,
    PROJECT,
    REQUIRED,
    AutoName,
    Fields,
    Json,
    ResourceType,
    block,
    blocks,
    boolean,
    integer,
    real,
    string,
    strings,
)

MACHINE: Fields = {
    "acceleratorCount": integer(OUTPUT),
    "acceleratorType": string(OUTPUT),
    "machineType": string(OUTPUT),
}

DEDICATED: Fields = {
    "autoscalingMetricSpecs": blocks({"metricName": string(OUTPUT), "target": integer(OUTPUT)}, OUTPUT),
    "machineSpecs": blocks(MACHINE, OUTPUT, tf="machine_spec"),
    "maxReplicaCount": integer(OUTPUT),
    "minReplicaCount": integer(OUTPUT),
}

PRIVATE: Fields = {
    name: string(OUTPUT) for name in ("explainHttpUri", "healthHttpUri", "predictHttpUri", "serviceAttachment")
}

DEPLOYED: Fields = {
    "automaticResources": blocks({"maxReplicaCount": integer(OUTPUT), "minReplicaCount": integer(OUTPUT)}, OUTPUT),
    "createTime": string(OUTPUT),
    "dedicatedResources": blocks(DEDICATED, OUTPUT),
    "displayName": string(OUTPUT),
    "enableAccessLogging": boolean(OUTPUT),
    "enableContainerLogging": boolean(OUTPUT),
    "id": string(OUTPUT),
    "model": string(OUTPUT),
    "modelVersionId": string(OUTPUT),
    "privateEndpoints": blocks(PRIVATE, OUTPUT),
    "serviceAccount": string(OUTPUT),
    "sharedResources": string(OUTPUT),
}

AUTOMATION: Fields = {
    "network": string(REQUIRED),
    "projectId": string(REQUIRED),
    **{name: string(OUTPUT) for name in ("errorMessage", "forwardingRule", "ipAddress", "state")},
}

PRIVATE_CONNECT: Fields = {
    "enablePrivateServiceConnect": boolean(REQUIRED, NEW),
    "enableSecurePrivateServiceConnect": boolean(),
    "projectAllowlists": strings(tf="project_allowlist"),
    "pscAutomationConfigs": blocks(AUTOMATION),
}

LOGGING: Fields = {
    "enabled": boolean(),
    "samplingRate": real(),
    "bigqueryDestination": block({"outputUri": string()}),
}

ENDPOINT_FIELDS: Fields = {
    "name": string(NEW, LOCAL),
    "location": string(REQUIRED, NEW, LOCAL),
    "region": string(NEW, LOCAL),
    "project": PROJECT,
    **LABELS,
    "displayName": string(REQUIRED),
    "description": string(),
    "dedicatedEndpointEnabled": boolean(),
    "deletionPolicy": DELETION,
    "encryptionSpec": block({"kmsKeyName": string(REQUIRED, NEW)}, NEW),
    "network": string(NEW),
    "predictRequestResponseLoggingConfig": block(LOGGING),
    "privateServiceConnectConfig": block(PRIVATE_CONNECT),
    "trafficSplit": string(COMPUTED, settle=settling.json_text, wrong=validation.json_text),
    "createTime": string(OUTPUT),
    "dedicatedEndpointDns": string(OUTPUT),
    "deployedModels": blocks(DEPLOYED, OUTPUT),
    "etag": string(OUTPUT, LOCAL),
    "modelDeploymentMonitoringJob": string(OUTPUT),
    "updateTime": string(OUTPUT),
}


def encode(body: Json) -> Json:
    """Write the traffic split, which is text here, as an object."""
    return body | ({"trafficSplit": json.loads(body["trafficSplit"])} if body.get("trafficSplit") else {})


def decode(body: Json) -> Json:
    """Read the traffic split as text; the etag is not kept."""
    split = body.get("trafficSplit")
    text = json.dumps(split, separators=(",", ":"), sort_keys=True) if split else ""
    own = ("name", "etag", "labels")
    return {key: value for key, value in body.items() if key not in own} | {
        "trafficSplit": text,
        "etag": None,
        "labels": body.get("labels"),
    }


COLLECTION = Collection("vertexAi", "endpoints", "name", "endpointId", ENDPOINT_FIELDS, encode, decode)

ENDPOINT = ResourceType(
    title="Endpoint",
    properties=ENDPOINT_FIELDS,
    create=COLLECTION.create,
    read=COLLECTION.read,
    update=COLLECTION.update,
    delete=COLLECTION.delete,
    identify=COLLECTION.identify,
    name=lambda state: str(state.get("name")),
    minutes={"create": 20, "delete": 20, "update": 20},
    autoname=AutoName("name", numeric=True),
    standing=COLLECTION.identity,
    apart=(
        ("network", "privateServiceConnectConfig"),
        ("dedicatedEndpointEnabled", "privateServiceConnectConfig"),
    ),
    remedy="Choose another name (a number of at most ten digits).",
)
