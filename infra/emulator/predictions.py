"""Online prediction: a request to an endpoint -> the server of one of its deployed models -> Vertex AI's answer."""

import base64
import random
from typing import Any

import orjson
from starlette.responses import Response

from infra.emulator import model_servers
from infra.emulator.calls import Call, handles
from infra.emulator.deployed_servers import server_of
from infra.emulator.endpoints import get_endpoint
from infra.emulator.errors import ApiError, failed_precondition, invalid
from infra.emulator.model_versions import get_model
from infra.emulator.resources import Json
from infra.emulator.vertex_rules import REQUIRED, found_errors

LIMIT = 1_572_864  # 1.5 MB each way on the shared public endpoint

LARGEST_EXACT = 2**53  # of the integers in a double

_choice = random.Random()  # noqa: S311 - which deployed model answers is no secret


@handles("aiplatform.projects.locations.endpoints.predict")
def predict(call: Call) -> Json:
    """Answer the instances in their order, from one deployed model; where one fails, none is answered."""
    if "instances" not in call.body:
        raise found_errors([("instances", REQUIRED)])
    endpoint, deployed = chosen(call)
    answer = parsed(asked(endpoint, deployed, _as_values(call)))
    return {
        **answer,
        "deployedModelId": deployed["id"],
        "model": deployed["model"],
        "modelDisplayName": get_model(call.resources, deployed["model"])["displayName"],
        "modelVersionId": deployed["modelVersionId"],
    }


@handles(
    "aiplatform.projects.locations.endpoints.rawPredict", "aiplatform.projects.locations.endpoints.streamRawPredict"
)
def raw_predict(call: Call) -> Response:
    """Hand the body to the model's server as it came, and its answer back."""
    endpoint, deployed = chosen(call)
    answer = asked(endpoint, deployed, _unwrapped(call))
    headers = {
        "X-Vertex-AI-Endpoint-Id": endpoint["name"].rpartition("/")[2],
        "X-Vertex-AI-Deployed-Model-Id": deployed["id"],
        "X-Vertex-AI-Model": deployed["model"],  # these two are read by the SDK
        "X-Vertex-AI-Model-Version-Id": deployed["modelVersionId"],
    }
    return Response(answer, headers=headers, media_type="application/json")


def _as_values(call: Call) -> bytes:
    """Return the request as it goes through the API's message, whose numbers are doubles: 1.0 comes out as 1."""
    if b".0" not in call.content:
        return call.content
    return orjson.dumps({name: whole(value) for name, value in call.body.items()})


def _unwrapped(call: Call) -> bytes:
    """Return the body as curl sends it, or what generated clients wrap as `{"httpBody": {"data": base64}}`."""
    wrapped = call.body.get("httpBody")
    if list(call.body) != ["httpBody"] or not isinstance(wrapped, dict):
        return call.content
    try:
        return base64.b64decode(wrapped.get("data", ""))
    except (ValueError, TypeError) as error:
        raise invalid(f"http_body.data is not base64: {error}.") from None


def whole(value: Any) -> Any:
    """Return a value as it comes out of the API's messages, whose numbers are doubles: 1.0 as 1."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= LARGEST_EXACT else value
    if isinstance(value, list):
        return [whole(item) for item in value]
    return {name: whole(item) for name, item in value.items()} if isinstance(value, dict) else value


def chosen(call: Call) -> tuple[Json, Json]:
    """Return the endpoint and the deployed model that this request's share of the traffic goes to."""
    if len(call.content) > LIMIT:
        raise invalid(f"Request payload size exceeds the limit: {LIMIT} bytes.")
    endpoint = get_endpoint(call.resources, call.path["endpoint"])
    split = endpoint.get("trafficSplit", {})
    candidates = [entry for entry in endpoint.get("deployedModels", []) if split.get(entry["id"])]
    if not candidates:
        raise failed_precondition(f"Endpoint {endpoint['name']} doesn't have traffic_split.")
    return endpoint, _choice.choices(candidates, [split[entry["id"]] for entry in candidates])[0]


def asked(endpoint: Json, deployed: Json, body: bytes) -> bytes:
    """Return what the deployed model's server answers; raises ApiError 400 with its words where it refuses."""
    status, answer = model_servers.predict(server_of(endpoint["name"], deployed), body)
    if status != 200:  # the service hands on what the container said, whatever its status
        raise invalid(answer.decode(errors="replace"))
    if len(answer) > LIMIT:
        place = f"endpoint_id: {endpoint['name'].rpartition('/')[2]}, deployed_model_id: {deployed['id']}"
        text = f"`Response size too large. Received at least {len(answer)} bytes; max is {LIMIT}.`"
        raise invalid(f"Failed to handle request. {place} with error: {text}")
    return answer


def parsed(answer: bytes) -> Json:
    """Return what a container may answer: predictions, and metadata where it has some."""
    try:
        body = orjson.loads(answer)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict) or "predictions" not in body:
        raise ApiError(400, f"The model server's answer has no 'predictions': {answer[:200].decode(errors='replace')}")
    return {name: body[name] for name in ("predictions", "metadata") if name in body}
