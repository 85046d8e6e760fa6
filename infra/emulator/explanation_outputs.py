"""The outputs that are explained: which numbers of a prediction, and what they are called."""

from typing import Any

from infra.emulator.errors import invalid
from infra.emulator.resources import Json

Place = tuple[int, ...]


def output_of(prediction: Any, field: str) -> Any:
    """Return the output of a prediction that is explained. Raises ApiError 400 where it has none of that name."""
    if not isinstance(prediction, dict):
        return prediction
    if field not in prediction:
        raise invalid(f"The prediction has no output {field!r}: {', '.join(prediction)}. Name one in metadata.outputs.")
    return prediction[field]


def places_of(value: Any, parameters: Json) -> list[Place]:
    """Return the places of the outputs to explain: those named, in their order, or the largest ones."""
    every = scalars(value)
    wanted = parameters.get("outputIndices")
    if wanted:
        named = [tuple(one) if isinstance(one, list) else (one,) for one in wanted]
        return [place for place in named if place in dict(every)]
    top = parameters.get("topK") or 1
    ranked = sorted(every, key=lambda one: -one[1])
    return [place for place, _ in (ranked if top == -1 else ranked[:top])]


def scalars(value: Any, place: Place = ()) -> list[tuple[Place, float]]:
    """Return the numbers of an output with their places. Raises ApiError 400 where it holds anything else."""
    if isinstance(value, list):
        return [found for number, one in enumerate(value) for found in scalars(one, (*place, number))]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid(f"The output that is to be explained is no number: {value!r}.")
    return [(place, value)]


def display_name(output: Json, prediction: Any, place: Place) -> Json:
    """Return what the output at a place is called: by the metadata's mapping, or by another field of the prediction."""
    names = output.get("indexDisplayNameMapping")
    key = output.get("displayNameMappingKey")
    if key and isinstance(prediction, dict):
        names = prediction.get(key)
    for number in place:
        names = names[number] if isinstance(names, list) and number < len(names) else None
    return {"outputDisplayName": names} if isinstance(names, str) else {}
