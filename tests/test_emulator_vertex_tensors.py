"""Tensors of Vertex AI's direct predictions: they say what JSON says, and a deployed model answers them."""

import base64
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.emulator.errors import ApiError
from infra.emulator.vertex_tensors import tensor_of, value_of
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
    upload_model,
)

SCALARS = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS | st.none() | st.builds(lambda content: {"b64": base64.b64encode(content).decode()}, st.binary(max_size=5)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(st.lists(st.lists(st.integers(-9, 9), min_size=3, max_size=3), min_size=1, max_size=4))
def test_arrays_keep_their_shape(value: list[list[int]]) -> None:
    """A rectangle of numbers is one tensor, and comes back as it was."""
    tensor = tensor_of(value)
    assert (tensor["dtype"], tensor["shape"]) == ("INT64", [str(len(value)), "3"])
    assert value_of(tensor) == value


@given(VALUES)
def test_every_json_value_is_a_tensor(value: Any) -> None:
    """And all but null, which tensors have not, comes back, numbers beside decimals as decimals."""
    tensor = tensor_of(value)
    if "null" not in repr(value).replace("None", "null"):
        assert value_of(tensor) == value


@pytest.mark.parametrize(
    ("tensor", "value"),
    [
        ({"dtype": "FLOAT", "floatVal": [1.5]}, 1.5),
        ({"dtype": 8, "shape": ["2"], "int64Val": ["1", "-2"]}, [1, -2]),
        ({"dtype": 4, "shape": [1, 2], "tensorVal": base64.b64encode(struct.pack("<2d", 1, 2)).decode()}, [[1.0, 2.0]]),
        ({"dtype": "INT8", "shape": [], "tensorVal": base64.b64encode(b"\xff").decode()}, -1),
        ({"structVal": {"a": {"listVal": [{"stringVal": ["x"]}]}}}, {"a": ["x"]}),
        ({"dtype": "STRING", "bytesVal": ["AAE="]}, {"b64": "AAE="}),
        ({"dtype": "FLOAT", "shape": ["0"]}, []),
    ],
)
def test_tensors_say_what_they_hold(tensor: dict[str, Any], value: Any) -> None:
    """Values in their fields or packed, under a shape or without."""
    assert value_of(tensor) == value


@pytest.mark.parametrize(
    "tensor",
    [
        {"shape": ["2"], "floatVal": [1]},
        {"shape": ["-1"]},
        {"floatVal": [1], "stringVal": ["x"]},
        {"dtype": "DOUBLE", "tensorVal": "AAAA"},
        {"dtype": "STRING", "tensorVal": "AAAA"},
        {"dtype": 99, "tensorVal": "AAAA"},
        {"shape": ["1"] * 17, "floatVal": [1]},
    ],
)
def test_what_contradicts_itself_is_refused(tensor: dict[str, Any]) -> None:
    """A 400, never a guess."""
    with pytest.raises(ApiError) as error:
        value_of(tensor)
    assert error.value.code == 400


@pytest.fixture(scope="module")
def endpoint(local_cloud: LocalCloud) -> Iterator[tuple[Any, str]]:
    """A deployed model that predicts twice the sum of three features, and Google's client of v1beta1."""
    with client(local_cloud, "v1beta1") as locations:
        uri = put_model(local_cloud, make_bucket(local_cloud, "tensors"), "sum")
        model = upload_model(locations, model_body(uri))["model"]
        name = make_endpoint(locations)
        deploy(locations, name, model)
        yield locations.endpoints(), name
        clear(locations, name)


def test_a_deployed_model_answers_tensors(endpoint: tuple[Any, str]) -> None:
    """DirectPredict answers a tensor for each, serverStreamingPredict an array; a wrong one is refused by the model."""
    endpoints, name = endpoint
    inputs = {"features": {"dtype": "FLOAT", "shape": [3], "floatVal": [1, 2, 3]}, "key": {"int64Val": ["7"]}}
    body = {"inputs": [{"structVal": inputs}]}
    answer = endpoints.directPredict(endpoint=name, body=body).execute()
    assert [value_of(output) for output in answer["outputs"]] == [{"key": 7, "prediction": [12.0]}]
    assert endpoints.serverStreamingPredict(endpoint=name, body=body).execute() == [answer]
    assert refused(endpoints.directPredict(endpoint=name, body={}))[0] == 400
    assert refused(endpoints.directPredict(endpoint=name, body={"inputs": [{"floatVal": [1]}]}))[0] == 400
    raw = {"methodName": "/tensorflow.serving.PredictionService/Predict", "input": ""}
    code, text = refused(endpoints.directRawPredict(endpoint=name, body=raw))
    assert (code, "speak HTTP" in text) == (501, True)
    assert refused(endpoints.directRawPredict(endpoint=name, body={"methodName": "Predict"}))[0] == 400


def test_an_endpoint_has_a_policy(endpoint: tuple[Any, str]) -> None:
    """Set, read with its etag, and refused where it was changed meanwhile."""
    endpoints, name = endpoint
    bindings = [{"role": "roles/aiplatform.user", "members": ["user:ann@example.com"]}]
    first = endpoints.getIamPolicy(resource=name).execute()
    made = endpoints.setIamPolicy(resource=name, body={"policy": {"bindings": bindings}}).execute()
    assert endpoints.getIamPolicy(resource=name).execute()["bindings"] == bindings
    assert made["etag"] != first["etag"]
    assert refused(endpoints.setIamPolicy(resource=name, body={"policy": first}))[0] == 409
    asked = ["aiplatform.endpoints.predict"]
    assert endpoints.testIamPermissions(resource=name, permissions=asked).execute() == {"permissions": asked}
