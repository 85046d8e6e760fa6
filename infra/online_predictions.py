"""Many instances -> an endpoint's predictions: requests within the service's limits, answers in the order sent."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.platforms import predict_online

ROWS = 100  # instances a request
REQUEST_SIZE = 1_000_000  # bytes; the services take 1.5 MB


def predict_many(outputs: Mapping[str, Any], endpoint: str, instances: Sequence[Any]) -> list[Any]:
    """Return the predictions of any number of instances, in their order."""
    return [
        prediction
        for request in requests_of(instances)
        for prediction in predict_online(outputs, endpoint, request)["predictions"]
    ]


def requests_of(instances: Sequence[Any]) -> Iterator[list[Any]]:
    """Cut instances into requests that are within the services' limits, each as large as they allow."""
    held: list[Any] = []
    size = 0
    for instance in instances:
        length = len(json.dumps(instance)) + 2
        if held and (len(held) == ROWS or size + length > REQUEST_SIZE):
            yield held
            held, size = [], 0
        held.append(instance)
        size += length
    if held:
        yield held
