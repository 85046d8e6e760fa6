"""The checks against the discovery documents: nothing that a client can write is answered with a server's fault."""

import functools
import json
import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.emulator import apis
from infra.emulator.calls import HANDLERS, START_HOOKS, STOP_HOOKS, Cloud
from infra.emulator.discovery import VERSIONS, Document, Method, document
from infra.emulator.dispatch import Incoming, answer
from infra.emulator.errors import ApiError
from infra.emulator.resources import Resources
from infra.emulator.validation import checked_body
from tests.discovery_tree import methods

NETWORK = "global/networks/one"
pytestmark = pytest.mark.evidence("shape only")
NEVER = {429, 500, 502, 503}  # clients repeat these for minutes
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
# Handlers that start processes; what they take is tried where they are tested.
STARTERS = ("deployModel", "predict", "rawPredict", "batchPredictionJobs.create", "ml.projects.jobs.create")


@functools.cache
def handled() -> dict[str, tuple[Document, Method]]:
    """Return every handled method by HTTP verb and address."""
    assert apis.__all__
    return {
        f"{verb} /{api}/{version}/{path}{':' if custom else ''}{custom}": (document(api, version), method)
        for api, versions in VERSIONS.items()
        for version in versions
        for verb, path, custom, method in methods(document(api, version).root)
        if method.id in HANDLERS and not method.id.endswith(STARTERS)
    }


Calls = Callable[[], dict[str, tuple[Document, Method]]]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """A cloud without a server: its requests are answered in this process."""
    with tempfile.TemporaryDirectory() as folder:
        resources = Resources(Path(folder) / "cloud.sqlite")
        made = Cloud(resources, Path(folder), "http://127.0.0.1:1")
        for hook in START_HOOKS:
            hook(made)
        furnish(made)
        yield made
        for hook in STOP_HOOKS:
            hook(made)
        resources.close()


def furnish(cloud: Cloud) -> None:
    """Give the cloud something of each kind, so that drawn names find it."""
    location = "projects/p/locations/us-central1"
    account = {"accountId": "robot-one"}
    for path, query, body in (
        ("/storage/v1/b", "project=p", {"name": "one"}),
        ("/iam/v1/projects/p/serviceAccounts", "", account),
        (f"/notebooks/v2/{location}/instances", "instanceId=one", {}),
        (f"/artifactregistry/v1/{location}/repositories", "repositoryId=one", {"format": "DOCKER"}),
        (f"/cloudkms/v1/{location}/keyRings", "keyRingId=one", {}),
        (f"/cloudkms/v1/{location}/keyRings/one/cryptoKeys", "cryptoKeyId=one", {"purpose": "ENCRYPT_DECRYPT"}),
        ("/compute/compute/v1/projects/p/global/networks", "", {"name": "one", "autoCreateSubnetworks": False}),
        ("/compute/compute/v1/projects/p/regions/us-central1/routers", "", {"name": "one", "network": NETWORK}),
        ("/iam/v1/projects/p/locations/global/workloadIdentityPools", "workloadIdentityPoolId=pool-one", {}),
        (f"/aiplatform/v1/{location}/endpoints", "endpointId=1", {"displayName": "one"}),
    ):
        made = answer(cloud, Incoming("POST", path, query, {}, orjson.dumps(body)))
        assert made.status_code == 200, bytes(made.body)


def shaped(schemas: dict[str, Any], schema: dict[str, Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """Make values that mostly fit a schema."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"]]
    if depth > 3 or schema.get("type") == "any":
        return JSON
    if "properties" in schema:
        fields = {name: later(schemas, one, depth) for name, one in schema["properties"].items()}
        return st.lists(st.sampled_from(sorted(fields) or ["none"]), max_size=4, unique=True).flatmap(
            lambda names: st.fixed_dictionaries({name: fields[name] for name in names if name in fields})
        )
    if "additionalProperties" in schema:
        return st.dictionaries(
            st.text(max_size=6), shaped(schemas, schema["additionalProperties"], depth + 1), max_size=3
        )
    if schema.get("type") == "array":
        return st.lists(shaped(schemas, schema["items"], depth + 1), max_size=3)
    return st.integers(0, 19).flatmap(lambda luck: fitting(schema) if luck < 19 else JSON)


def later(schemas: dict[str, Any], schema: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    """Make a field's values when they are drawn: schemas refer to each other in circles."""
    return st.deferred(lambda: shaped(schemas, schema, depth + 1))


def fitting(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Make scalars of a schema's type."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"]) | st.integers(-1, 20)
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "boolean": st.booleans(),
        "integer": st.integers(-5, 2**31),
        "number": st.floats(allow_nan=False, allow_infinity=False),
    }
    texts = st.sampled_from(
        [
            "",
            "one",
            "two",
            "7",
            "projects/p/locations/us-central1/endpoints/one",
            "roles/viewer",
            "user:a@b.example",
            "2024-01-01T00:00:00Z",
            "3.5s",
            "name",
            "gs://bucket/o",
            "projects/p/x/y",
            "Zm9v",
        ]
    )
    return kinds.get(str(schema.get("type")), texts | st.text(max_size=10))


@st.composite
def requests_of(draw: st.DrawFn, calls: Calls = handled) -> Incoming:
    """Draw a request to one of some methods, its path filled, its body shaped by the schema or not at all."""
    call = draw(st.sampled_from(sorted(calls())))
    verb, _, address = call.partition(" ")
    content, method = calls()[call]
    names = st.sampled_from(
        [
            "p",
            "p",
            "us-central1",
            "one",
            "one",
            "two",
            "-",
            "1",
            "a%2Fb",
            "robot-one@p.iam.gserviceaccount.com",
            "%00",
            "%FF",
            "123456789012",
        ]
    )
    path = "/".join(draw(names) if part in ("{}", "**") else part for part in address.split("/"))
    path = path.replace("{}", draw(names))
    if verb == "GET" or not method.request:
        body = b""
    else:
        strange = draw(st.integers(0, 19)) == 19
        value = draw(JSON if strange else shaped(content.schemas, {"$ref": method.request}))
        body = draw(st.binary(max_size=20)) if draw(st.integers(0, 19)) == 19 else json.dumps(value).encode()
    return Incoming(verb, path, draw(queries(method)), {}, body)


@st.composite
def queries(draw: st.DrawFn, method: Method) -> str:
    """Draw a query string of known and unknown names."""
    known = {name: schema for name, schema in method.parameters.items() if schema.get("location") == "query"}
    names = draw(st.lists(st.sampled_from(sorted(known) or ["alt"]), max_size=3))
    odd = st.sampled_from(["", "-1", "*", "%22", "labels.a:*", "name", "%00", "999999999999999"])
    pairs = [f"{name}={_in_a_query(draw(fitting(known.get(name, {})) | odd))}" for name in names]
    return "&".join([*pairs, *(["wrong=1"] if draw(st.integers(0, 19)) == 19 else [])])


def _in_a_query(value: Any) -> str:
    return value if isinstance(value, str) and value.startswith("%") else quote(str(value), errors="replace")


def check_no_fault(cloud: Cloud, incoming: Incoming, caplog: pytest.LogCaptureFixture) -> None:
    """Answer a request and assert that it was foreseen."""
    caplog.clear()
    with caplog.at_level(logging.ERROR):
        response = answer(cloud, incoming)
    assert response.status_code not in NEVER
    assert not caplog.records, caplog.text
    if response.status_code >= 400:
        assert orjson.loads(response.body)["error"]["code"] == response.status_code


FUZZ = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=150, **FUZZ)  # type: ignore[arg-type]
@given(incoming=requests_of())
def test_no_request_is_a_fault_of_the_server(
    cloud: Cloud, caplog: pytest.LogCaptureFixture, incoming: Incoming
) -> None:
    """Whatever is sent to a handled method, the answer was meant: no exception, no 5xx but an intended 501."""
    check_no_fault(cloud, incoming, caplog)


@settings(max_examples=150, **FUZZ)  # type: ignore[arg-type]
@given(data=st.data())
def test_a_checked_body_passes_again_unchanged(data: st.DataObject) -> None:
    """The canonical form is one: checking it a second time changes nothing."""
    bodies = [call for call, (_, method) in handled().items() if method.request and not call.startswith("GET")]
    content, method = handled()[data.draw(st.sampled_from(sorted(bodies)))]
    value = data.draw(shaped(content.schemas, {"$ref": method.request}))
    try:
        once = checked_body(content, method, value)
    except (ApiError, AttributeError):
        return
    assert checked_body(content, method, once) == once
