"""What is asked of an explanation: one instance, its explained fields with their baselines, the outputs to explain."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.emulator.calls import Cloud
from infra.emulator.errors import invalid, unimplemented
from infra.emulator.explanation_outputs import Place
from infra.emulator.predictions import whole
from infra.emulator.resources import Json
from infra.emulator.shapley import zeros

PLAIN = ("IDENTITY", "ENCODING_UNSPECIFIED", 0, 1)  # of an input's encodings, by name and by number
Predict = Callable[[list[Any]], list[Any]]
Features = Mapping[str, tuple[str, list[Any]]]  # field of the instance -> the feature's name and its baselines


@dataclass(frozen=True)
class Explained:
    """One instance to explain: where it is predicted and how, its baselines by field, and the places of the output."""

    cloud: Cloud
    endpoint: Json
    deployed: Json
    predicted: Predict
    instance: Json
    rounds: list[Json]
    features: Features
    field: str
    places: list[Place]


def features_of(inputs: Mapping[str, Json], instance: Any) -> Features:
    """Return the explained fields of an instance: those of the metadata, or all. Raises ApiError 400, 501."""
    if not isinstance(instance, dict):
        raise unimplemented("The local cloud explains instances that are objects.")
    named: dict[str, tuple[str, list[Any]]] = {}
    for name, one in inputs.items():
        if one.get("groupName") or one.get("encodedTensorName") or one.get("encoding", PLAIN[0]) not in PLAIN:
            raise unimplemented("The local cloud explains inputs without groups and encodings.")
        named[one.get("inputTensorName") or name] = (name, whole(one.get("inputBaselines") or []))
    if missing := [field for field in named if field not in instance]:
        raise invalid(f"An instance lacks {missing[0]!r}, an input of the explanation's metadata.")
    return named or {name: (name, []) for name in instance}


def with_baselines(features: Features, instance: Json) -> list[Json]:
    """Return, for each round, a baseline for every explained field; attributions are the mean over the rounds."""
    count = max([len(baselines) for _, baselines in features.values()] or [1])
    return [_baselines(features, instance, number) for number in range(max(count, 1))]


def _baselines(features: Features, instance: Json, number: int) -> Json:
    """Return the baselines of one round; one number stands for an array of it."""
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
