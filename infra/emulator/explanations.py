"""aiplatform endpoints' explain: attributions by sampled Shapley values, or by integrated gradients."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from infra.emulator.calls import Call, handles
from infra.emulator.errors import failed_precondition, invalid, not_found, unimplemented
from infra.emulator.explanation_outputs import display_name, output_of, places_of
from infra.emulator.explanation_questions import Explained, Predict, features_of, with_baselines
from infra.emulator.integrated_gradients import by_gradients
from infra.emulator.model_versions import find_version
from infra.emulator.predictions import asked, chosen, parsed, whole
from infra.emulator.resources import Json
from infra.emulator.sampled_shapley import by_samples
from infra.emulator.spelling import snake_case
from infra.emulator.vertex_rules import REQUIRED, found_errors

# By its field: what one instance's explanation is made by, the field that says how thoroughly, and its limits.
METHODS: Mapping[str, tuple[Callable[[Explained, Json], list[Json]], str, int]] = {
    "sampledShapleyAttribution": (by_samples, "pathCount", 50),
    "integratedGradientsAttribution": (by_gradients, "stepCount", 100),
}
OTHER_METHODS = ("xraiAttribution", "examples")


@handles("aiplatform.projects.locations.endpoints.explain")
def explain(call: Call) -> Json:
    """Answer the predictions of the instances and, for each, what its features add to them."""
    endpoint, deployed = _named(call, *chosen(call))
    spec = _spec(call, deployed, call.body.get("explanationSpecOverride") or {})
    overrides = call.body.get("concurrentExplanationSpecOverride") or {}  # v1beta1's
    others = {key: _spec(call, deployed, override) for key, override in overrides.items()}
    instances = whole(call.body.get("instances"))
    if not instances:
        raise found_errors([("instances", REQUIRED)])

    def predicted(rows: list[Any]) -> list[Any]:
        body = {"instances": rows, **({"parameters": call.body["parameters"]} if call.body.get("parameters") else {})}
        return list(parsed(asked(endpoint, deployed, orjson.dumps(body)))["predictions"])

    predictions = predicted(instances)

    def explained(spec: Json) -> Json:
        pairs = zip(instances, predictions, strict=True)
        return {"explanations": [_explained(call, (endpoint, deployed), spec, predicted, pair) for pair in pairs]}

    concurrent = {"concurrentExplanations": {key: explained(other) for key, other in others.items()}} if others else {}
    return {**explained(spec), **concurrent, "deployedModelId": deployed["id"], "predictions": predictions}


def _named(call: Call, endpoint: Json, deployed: Json) -> tuple[Json, Json]:
    """Return the deployed model that the request names, else the one that the traffic chose."""
    wanted = call.body.get("deployedModelId")
    for entry in endpoint["deployedModels"]:
        if wanted == entry["id"]:
            return endpoint, entry
    if wanted:
        raise not_found(f"The DeployedModel {wanted!r} does not exist on {endpoint['name']}.")
    return endpoint, deployed


def _spec(call: Call, deployed: Json, override: Json) -> Json:
    """Return how a deployed model is to be explained: by its own spec, its model's, and what the call overrides."""
    what = f"The DeployedModel {deployed['id']!r} does not support explanation"
    if "sharedResources" in deployed:
        raise failed_precondition(f"{what}: models that share a DeploymentResourcePool are not explained.")
    version = find_version(call.resources, f"{deployed['model']}@{deployed['modelVersionId']}")
    spec = {**(version.body.get("explanationSpec") or {}), **(deployed.get("explanationSpec") or {})}
    if not spec or deployed.get("disableExplanations"):
        raise failed_precondition(f"{what}: {'it has no spec' if not spec else 'it is disabled'}.")
    own, sent = spec.get("parameters") or {}, override.get("parameters") or {}
    if override.get("examplesOverride") or not set(own) & set(METHODS):
        names = ", ".join(set(own) & set(OTHER_METHODS) or ["examplesOverride" if override else "nothing"])
        raise unimplemented(f"{call.method}: the local cloud explains by {' or '.join(METHODS)}; {names} is asked for.")
    method = next(name for name in METHODS if name in own)
    changed = [name for name in (*METHODS, *OTHER_METHODS) if name in sent and name != method]
    if changed:
        raise invalid(f"The attribution method can not be changed: it is {method}, {changed[0]} is asked for.")
    parameters = {**own, **sent}
    _check_count(method, parameters)
    return {"method": method, "parameters": parameters, "metadata": _metadata(spec.get("metadata") or {}, override)}


def _check_count(method: str, parameters: Json) -> None:
    _, field, most = METHODS[method]
    count = parameters[method].get(field, 0)
    if not 1 <= count <= most:
        raise invalid(f"{snake_case(field)} is {count}; it must be from 1 to {most}.")


def _metadata(metadata: Json, override: Json) -> Json:
    """Return a spec's metadata with the baselines that a call says instead."""
    inputs = dict(metadata.get("inputs") or {})
    for name, one in ((override.get("metadata") or {}).get("inputs") or {}).items():
        if name not in inputs:
            raise invalid(f"The feature {name!r} is none of the explanation's metadata: {', '.join(inputs)}.")
        inputs[name] = {**inputs[name], **one}
    return {**metadata, "inputs": inputs}


def _explained(call: Call, where: tuple[Json, Json], spec: Json, predicted: Predict, pair: tuple[Any, Any]) -> Json:
    """Return one instance's explanation: an attribution for each output that is asked for."""
    instance, prediction = pair
    outputs: Mapping[str, Json] = spec["metadata"].get("outputs") or {"": {}}
    name, output = next(iter(outputs.items()))
    field = output.get("outputTensorName") or name
    places = places_of(output_of(prediction, field), spec["parameters"])
    features = features_of(spec["metadata"]["inputs"], instance)
    rounds = with_baselines(features, instance)
    question = Explained(call.cloud, *where, predicted, instance, rounds, features, field, places)
    found = METHODS[spec["method"]][0](question, spec["parameters"][spec["method"]])
    named = {"outputName": name} if name else {}
    attributions = [
        {**one, **({"outputIndex": list(place)} if place else {}), **display_name(output, prediction, place), **named}
        for place, one in zip(places, found, strict=True)
    ]
    return {"attributions": attributions}
