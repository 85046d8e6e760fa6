"""Explanations: the attributions of a model that is known are what they must be, whatever the paths."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.emulator.shapley import mixtures, shaped, zeros
from tests.cloud import LocalCloud
from tests.vertex import (
    clear,
    client,
    deploy,
    make_bucket,
    make_endpoint,
    model_body,
    put_model,
    refused,
    until,
    upload_model,
)

NUMBERS = st.floats(-9, 9)
SPEC: dict[str, Any] = {
    "parameters": {"sampledShapleyAttribution": {"pathCount": 3}},
    "metadata": {
        "inputs": {"rooms": {"inputTensorName": "features", "inputBaselines": [[0, 0, 1], 1]}},
        "outputs": {"price": {"outputTensorName": "prediction", "indexDisplayNameMapping": ["in thousands"]}},
    },
}
GRADIENTS = {**SPEC, "parameters": {"integratedGradientsAttribution": {"stepCount": 5}}}


@given(st.lists(NUMBERS, min_size=3, max_size=3), NUMBERS, st.integers(1, 50))
def test_what_parts_add_is_all_that_changes(values: list[float], other: float, paths: int) -> None:
    """For a sum each part's share is its own; for any function the shares together are the change of the output."""
    instance = {"x": [values[:2], [values[2]]], "y": other, "untouched": "text"}
    plan = mixtures(instance, {"x": zeros(instance["x"]), "y": 1.0}, paths, "seed")
    rows = list(plan.rows())
    assert len(rows) == plan.size == 1 + 4 * paths
    assert all(row["untouched"] == "text" for row in rows)
    assert rows[-1] == instance
    sums = [sum(row["x"][0]) + row["x"][1][0] + 3 * row["y"] for row in rows]
    found = plan.attributions(sums)
    assert shaped("x", instance["x"], found) == [pytest.approx(values[:2]), pytest.approx(values[2:])]
    assert shaped("y", other, found) == pytest.approx(3 * (other - 1))
    products = [row["x"][0][0] * row["y"] + row["x"][1][0] ** 2 for row in rows]
    assert sum(plan.attributions(products).values()) == pytest.approx(products[-1] - products[0], abs=1e-9)


@pytest.fixture(scope="module")
def endpoint(local_cloud: LocalCloud) -> Iterator[tuple[Any, str]]:
    """A deployed model that predicts twice the sum of three features, with a spec; and Google's client of v1."""
    with client(local_cloud) as locations:
        uri = put_model(local_cloud, make_bucket(local_cloud, "explained"), "sum")
        name = make_endpoint(locations)
        deploy(locations, name, upload_model(locations, model_body(uri, explanationSpec=SPEC))["model"])
        yield locations.endpoints(), name
        clear(locations, name)


def test_a_deployed_model_is_explained(endpoint: tuple[Any, str]) -> None:
    """Twice each feature's distance from the mean of the baselines, under the names of the metadata."""
    endpoints, name = endpoint
    body = {"instances": [{"features": [1.0, 2.0, 3.0], "key": 7}, {"features": [0.5, 0.0, 0.0], "key": 8.0}]}
    answer = endpoints.explain(endpoint=name, body=body).execute()
    assert answer["predictions"] == [{"prediction": [12.0], "key": 7}, {"prediction": [1.0], "key": 8}]
    (first,), (second,) = (one["attributions"] for one in answer["explanations"])
    assert first["featureAttributions"] == {"rooms": pytest.approx([1.0, 3.0, 4.0])}
    assert second["featureAttributions"] == {"rooms": pytest.approx([0.0, -1.0, -2.0])}
    assert (first["baselineOutputValue"], first["instanceOutputValue"]) == (4.0, 12.0)
    assert (first["outputIndex"], first["outputName"], first["outputDisplayName"]) == ([0], "price", "in thousands")
    more = {"explanationSpecOverride": {"parameters": {"sampledShapleyAttribution": {"pathCount": 1}, "topK": -1}}}
    assert endpoints.explain(endpoint=name, body={**body, **more}).execute() == answer
    zero = {"explanationSpecOverride": {"metadata": {"inputs": {"rooms": {"inputBaselines": [0]}}}}}
    other = endpoints.explain(endpoint=name, body={**body, **zero}).execute()["explanations"][0]["attributions"][0]
    assert other["featureAttributions"] == {"rooms": pytest.approx([2.0, 4.0, 6.0])}


def test_overrides_are_explained_beside_the_default(endpoint: tuple[Any, str], local_cloud: LocalCloud) -> None:
    """v1beta1 answers each of several overrides under its own key."""
    _, name = endpoint
    inputs = {"rooms": {"inputBaselines": [0]}}
    body = {
        "instances": [{"features": [1.0, 2.0, 3.0], "key": 7}],
        "concurrentExplanationSpecOverride": {
            "zero": {"metadata": {"inputs": inputs}},
            "same": {"parameters": {"topK": 1}},
        },
    }
    with client(local_cloud, "v1beta1") as locations:
        answer = locations.endpoints().explain(endpoint=name, body=body).execute()
    found = {key: one["explanations"][0]["attributions"][0] for key, one in answer["concurrentExplanations"].items()}
    assert found["zero"]["featureAttributions"] == {"rooms": pytest.approx([2.0, 4.0, 6.0])}
    assert found["same"] == answer["explanations"][0]["attributions"][0]


@pytest.mark.long
def test_gradients_are_integrated(local_cloud: LocalCloud) -> None:
    """By a process of TensorFlow's own gradients, which ends with the deployed model; keys have none."""
    with client(local_cloud) as locations:
        uri = put_model(local_cloud, make_bucket(local_cloud, "gradients"), "sum")
        name = make_endpoint(locations)
        spec = {**GRADIENTS, "metadata": {**SPEC["metadata"]}}
        deploy(locations, name, upload_model(locations, model_body(uri))["model"], explanationSpec=spec)
        endpoints = locations.endpoints()
        body = {"instances": [{"features": [1.0, 2.0, 3.0], "key": 7}]}
        found = endpoints.explain(endpoint=name, body=body).execute()["explanations"][0]["attributions"][0]
        assert found["featureAttributions"] == {"rooms": pytest.approx([1.0, 3.0, 4.0])}
        assert (found["baselineOutputValue"], found["instanceOutputValue"]) == (4.0, 12.0)
        assert found["approximationError"] == pytest.approx(0, abs=1e-6)
        for change, status, text in (
            ({"stepCount": 101}, 400, "from 1 to 100"),
            ({"stepCount": 5, "smoothGradConfig": {"noiseSigma": 0.1}}, 501, "smoothGradConfig"),
        ):
            override = {"explanationSpecOverride": {"parameters": {"integratedGradientsAttribution": change}}}
            code, message = refused(endpoints.explain(endpoint=name, body={**body, **override}))
            assert (code, text in message) == (status, True), message
        clear(locations, name)
    until(lambda: not list((local_cloud.state / "servers").glob("*-gradients")))


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({"deployedModelId": "1"}, 404, "'1' does not exist"),
        ({"instances": []}, 400, "instances"),
        ({"instances": [{"features": [1, 2], "key": 1}]}, 400, "feature"),
        ({"explanationSpecOverride": {"parameters": {"sampledShapleyAttribution": {"pathCount": 51}}}}, 400, "1 to 50"),
        ({"explanationSpecOverride": {"metadata": {"inputs": {"size": {}}}}}, 400, "'size' is none"),
        (
            {"explanationSpecOverride": {"parameters": {"xraiAttribution": {"stepCount": 1}}}},
            400,
            "can not be changed",
        ),
        ({"explanationSpecOverride": {"examplesOverride": {"neighborCount": 1}}}, 501, "examplesOverride"),
    ],
)
def test_what_cannot_be_explained_is_refused(
    endpoint: tuple[Any, str], change: dict[str, Any], status: int, text: str
) -> None:
    """By status and reason."""
    endpoints, name = endpoint
    body = {"instances": [{"features": [1.0, 2.0, 3.0], "key": 7}], **change}
    code, message = refused(endpoints.explain(endpoint=name, body=body))
    assert (code, text in message) == (status, True), message
