"""aiplatform endpoints' explain: attributions by sampled Shapley values, computed by asking the deployed model."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

import orjson

from infra.emulator.calls import Call, handles
from infra.emulator.errors import failed_precondition, invalid, not_found, unimplemented
from infra.emulator.model_versions import find_version
from infra.emulator.predictions import asked, chosen, parsed, whole
from infra.emulator.resources import Json
from infra.emulator.shapley import Mixtures, mixtures, shaped, zeros
from infra.emulator.vertex_rules import REQUIRED, found_errors

METHOD = "sampledShapleyAttribution"
PLAIN = ("IDENTITY", "ENCODING_UNSPECIFIED", 0, 1)  # of an input's encodings, by name and by number
MOST_PATHS, MOST_ROWS, AT_ONCE = 50, 200_000, 512
Place = tuple[int, ...]


@handles("aiplatform.projects.locations.endpoints.explain")
def explain(call: Call) -> Json:
    """Answer the predictions of the instances and, for each, what its features add to them."""
    endpoint, deployed = _named(call, *chosen(call))
    spec = _spec(call, deployed)
    instances = whole(call.body.get("instances"))
    if not instances:
        raise found_errors([("instances", REQUIRED)])

    def predicted(rows: list[Any]) -> list[Any]:
        body = {"instances": rows, **({"parameters": call.body["parameters"]} if call.body.get("parameters") else {})}
        return list(parsed(asked(endpoint, deployed, orjson.dumps(body)))["predictions"])

    predictions = predicted(instances)
    explanations = [_explained(call, spec, predicted, *pair) for pair in zip(instances, predictions, strict=True)]
    return {"explanations": explanations, "deployedModelId": deployed["id"], "predictions": predictions}


def _named(call: Call, endpoint: Json, deployed: Json) -> tuple[Json, Json]:
    """Return the deployed model that the request names, else the one that the traffic chose."""
    wanted = call.body.get("deployedModelId")
    for entry in endpoint["deployedModels"]:
        if wanted == entry["id"]:
            return endpoint, entry
    if wanted:
        raise not_found(f"The DeployedModel {wanted!r} does not exist on {endpoint['name']}.")
    return endpoint, deployed


def _spec(call: Call, deployed: Json) -> Json:
    """Return how a deployed model is to be explained: by its own spec, its model's, and what the call overrides."""
    if "sharedResources" in deployed:
        what = f"The DeployedModel {deployed['id']!r} does not support explanation"
        raise failed_precondition(f"{what}: models that share a DeploymentResourcePool are not explained.")
    version = find_version(call.resources, f"{deployed['model']}@{deployed['modelVersionId']}")
    spec = {**(version.body.get("explanationSpec") or {}), **(deployed.get("explanationSpec") or {})}
    if not spec:
        raise failed_precondition(f"The DeployedModel {deployed['id']!r} does not support explanation: it has no spec.")
    override = call.body.get("explanationSpecOverride") or {}
    parameters = {**(spec.get("parameters") or {}), **(override.get("parameters") or {})}
    if METHOD not in parameters or override.get("metadata") or override.get("examplesOverride"):
        asked_for = ", ".join(parameters) or "nothing"
        what = f"explains by {METHOD} alone, without overridden metadata; {asked_for} is asked for"
        raise unimplemented(f"{call.method}: the local cloud {what}.")
    paths = parameters[METHOD].get("pathCount", 0)
    if not 1 <= paths <= MOST_PATHS:
        raise invalid(f"path_count is {paths}; it must be from 1 to {MOST_PATHS}.")
    return {"metadata": {}, **spec, "parameters": parameters}


def _explained(call: Call, spec: Json, predicted: Any, instance: Any, prediction: Any) -> Json:
    """Return one instance's explanation: an attribution for each output that is asked for."""
    metadata, parameters = spec["metadata"], spec["parameters"]
    outputs: Mapping[str, Json] = metadata.get("outputs") or {"": {}}
    name, output = next(iter(outputs.items()))
    field = output.get("outputTensorName") or name
    features = _features(metadata.get("inputs") or {}, instance)
    rounds = max([len(baselines) for _, baselines in features.values()] or [1])
    plans = [
        mixtures(instance, _baselines(features, instance, number), parameters[METHOD]["pathCount"], call.cloud.seed)
        for number in range(rounds)
    ]
    answers = [_answers(plan, predicted) for plan in plans]
    places = _places(_output(prediction, field), parameters)
    attributions = [_attribution(place, field, features, plans, answers) for place in places]
    return {"attributions": [{**one, **({"outputName": name} if name else {})} for one in attributions]}


def _features(inputs: Mapping[str, Json], instance: Any) -> dict[str, tuple[str, list[Any]]]:
    """Return the explained fields of an instance: field -> the feature's name and its baselines."""
    if not isinstance(instance, dict):
        raise unimplemented("The local cloud explains instances that are objects.")
    named: dict[str, tuple[str, list[Any]]] = {}
    for name, one in inputs.items():
        if one.get("groupName") or one.get("encoding", PLAIN[0]) not in PLAIN:
            raise unimplemented("The local cloud explains inputs without groups and encodings.")
        named[one.get("inputTensorName") or name] = (name, whole(one.get("inputBaselines") or []))
    if missing := [field for field in named if field not in instance]:
        raise invalid(f"An instance lacks {missing[0]!r}, an input of the explanation's metadata.")
    return named or {name: (name, []) for name in instance}


def _baselines(features: Mapping[str, tuple[str, list[Any]]], instance: Json, number: int) -> Json:
    """Return a baseline for every explained field; one number stands for an array of it."""
    found = {}
    for field, (_, given) in features.items():
        value = given[min(number, len(given) - 1)] if given else zeros(instance[field])
        found[field] = value if isinstance(value, list) else _spread(value, instance[field])
        if _form(found[field]) != _form(instance[field]):
            raise invalid(f"The baseline of {field!r} has another shape than the instance's: {value!r}.")
    return found


def _form(value: Any) -> Any:
    return [_form(one) for one in value] if isinstance(value, list) else None


def _spread(value: Any, form: Any) -> Any:
    return [_spread(value, one) for one in form] if isinstance(form, list) else value


def _answers(plan: Mixtures, predicted: Any) -> list[Any]:
    if plan.size > MOST_ROWS:
        raise invalid(f"The explanation of one instance takes {plan.size} predictions, at most {MOST_ROWS} are made.")
    rows, answers = plan.rows(), []
    while chunk := list(islice(rows, AT_ONCE)):
        answers += predicted(chunk)
    return answers


def _output(prediction: Any, field: str) -> Any:
    if not isinstance(prediction, dict):
        return prediction
    if field not in prediction:
        raise invalid(f"The prediction has no output {field!r}: {', '.join(prediction)}. Name one in metadata.outputs.")
    return prediction[field]


def _places(value: Any, parameters: Json) -> list[Place]:
    """Return the places of the outputs to explain: those named, or the largest ones."""
    every = list(_scalars(value))
    wanted = parameters.get("outputIndices")
    if wanted:
        named = [tuple(one) if isinstance(one, list) else (one,) for one in wanted]
        return [place for place, _ in every if place in named]
    top = parameters.get("topK") or 1
    ranked = sorted(every, key=lambda one: -one[1])
    return [place for place, _ in (ranked if top == -1 else ranked[:top])]


def _scalars(value: Any, place: Place = ()) -> list[tuple[Place, float]]:
    if isinstance(value, list):
        return [found for number, one in enumerate(value) for found in _scalars(one, (*place, number))]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid(f"The output that is to be explained is no number: {value!r}.")
    return [(place, value)]


def _attribution(
    place: Place,
    field: str,
    features: Mapping[str, tuple[str, list[Any]]],
    plans: list[Mixtures],
    answers: list[list[Any]],
) -> Json:
    """Return what every feature adds to one output, as the mean over the baselines."""
    outputs = [[dict(_scalars(_output(one, field)))[place] for one in found] for found in answers]
    each = [plan.attributions(found) for plan, found in zip(plans, outputs, strict=True)]
    means = {part: sum(one[part] for one in each) / len(each) for part in each[0]}
    instance = plans[0].instance
    return {
        "baselineOutputValue": sum(found[0] for found in outputs) / len(outputs),
        "instanceOutputValue": outputs[0][-1],
        "featureAttributions": {name: shaped(field, instance[field], means) for field, (name, _) in features.items()},
        **({"outputIndex": list(place)} if place else {}),
    }
