"""Online prediction with tensors: directPredict, serverStreamingPredict; and directRawPredict, which needs gRPC."""

import re

import orjson
from starlette.responses import Response

from infra.emulator.calls import Call, handles
from infra.emulator.dispatch import json_response
from infra.emulator.errors import unimplemented
from infra.emulator.predictions import asked, chosen, parsed
from infra.emulator.resources import Json
from infra.emulator.vertex_rules import REQUIRED, found_errors
from infra.emulator.vertex_tensors import tensor_of, value_of

METHOD = re.compile(r"/[\w.]+/\w+/?")
ENDPOINTS = "aiplatform.projects.locations.endpoints"


@handles(f"{ENDPOINTS}.directPredict")
def direct_predict(call: Call) -> Json:
    """Answer a tensor for each that is sent; one that holds named tensors is an instance with these inputs."""
    endpoint, deployed = chosen(call)
    body: Json = {"instances": [value_of(tensor) for tensor in call.body.get("inputs") or []]}
    if not body["instances"]:
        raise found_errors([("inputs", REQUIRED)])
    if call.body.get("parameters"):
        body["parameters"] = value_of(call.body["parameters"])
    answer = parsed(asked(endpoint, deployed, orjson.dumps(body)))
    return {"outputs": [tensor_of(prediction) for prediction in answer["predictions"]]}


@handles(f"{ENDPOINTS}.serverStreamingPredict")
def server_streaming_predict(call: Call) -> Response:
    """Answer the same as a stream, which is an array in JSON: model servers answer once, so it has one element."""
    return json_response([direct_predict(call)])


@handles(f"{ENDPOINTS}.directRawPredict")
def direct_raw_predict(call: Call) -> None:
    """Refuse: a container that serves HTTP has no gRPC methods, here as on the service."""
    _, deployed = chosen(call)
    method = call.body.get("methodName", "")
    if not METHOD.fullmatch(method):
        raise found_errors([("method_name", f"{method!r} is not of the form /namespace.Service/Method.")])
    what = f"The container of DeployedModel {deployed['id']!r} has no gRPC method {method}"
    raise unimplemented(f"{what}: the local cloud's model servers speak HTTP. Use rawPredict, or directPredict.")
