"""An instance -> its attributions by integrated gradients, which a process of its own takes from the SavedModel.

Models are served by TensorFlow's C library; gradients need its Python package. The process is started when a deployed
model is first asked for gradients, and ends with it.
"""

from typing import Any

import orjson

from infra.emulator import model_servers
from infra.emulator.calls import Cloud
from infra.emulator.deployed_servers import gradients_key, version_environment
from infra.emulator.errors import invalid, unimplemented
from infra.emulator.explanation_questions import Explained
from infra.emulator.model_versions import find_version
from infra.emulator.resources import Json

HEALTH, ROUTE = "/health", "/gradients"
OTHER_CONFIGS = ("smoothGradConfig", "blurBaselineConfig")


def by_gradients(question: Explained, parameters: Json) -> list[Json]:
    """Return an attribution for each place, as the mean over the baselines. Raises ApiError 400, 501."""
    for name in OTHER_CONFIGS:
        if parameters.get(name):
            raise unimplemented(f"The local cloud integrates gradients without {name}.")
    ends = [{**question.instance, **baselines} for baselines in question.rounds]
    body = {
        "paths": [{"baseline": end, "instance": question.instance, "places": question.places} for end in ends],
        "features": list(question.features),
        "output": question.field,
        "steps": parameters["stepCount"],
    }
    paths = _asked(question, body)
    return [_attribution(question, number, paths) for number in range(len(question.places))]


def _asked(question: Explained, body: Json) -> list[Json]:
    key = _served(question.cloud, question.endpoint["name"], question.deployed)
    status, answer = model_servers.predict(key, orjson.dumps(body), model_servers.READY_SECONDS)
    if status != 200:
        raise invalid(answer.decode(errors="replace"))
    return list(orjson.loads(answer)["paths"])


def _served(cloud: Cloud, endpoint: str, deployed: Json) -> str:
    """Start the process that takes a deployed model's gradients, unless it runs; return its name."""
    version = find_version(cloud.resources, f"{deployed['model']}@{deployed['modelVersionId']}")
    environment = {**version_environment(cloud, version), "AIP_DIALECT": "gradients"}
    folder = cloud.state / "servers" / f"{endpoint.rpartition('/')[2]}-{deployed['id']}-gradients"
    key = gradients_key(endpoint, deployed["id"])
    model_servers.start(key, model_servers.Launch(folder, environment, HEALTH, ROUTE), shared=True)
    return key


def _attribution(question: Explained, number: int, paths: list[Json]) -> Json:
    baseline = sum(path["baseline"][number] for path in paths) / len(paths)
    instance = paths[0]["instance"][number]
    found = [path["attributions"][number] for path in paths]
    means = {field: _mean([one[field] for one in found]) for field in question.features}
    wanted, summed = instance - baseline, sum(map(_sum, means.values()))
    return {
        "baselineOutputValue": baseline,
        "instanceOutputValue": instance,
        "featureAttributions": {name: means[field] for field, (name, _) in question.features.items()},
        # How far the attributions are from what they add up to when nothing is approximated
        "approximationError": abs(summed - wanted) / abs(wanted) if wanted else abs(summed),
    }


def _mean(values: list[Any]) -> Any:
    if isinstance(values[0], list):
        return [_mean(list(parts)) for parts in zip(*values, strict=True)]
    return sum(values) / len(values)


def _sum(value: Any) -> float:
    return sum(map(_sum, value)) if isinstance(value, list) else float(value)
