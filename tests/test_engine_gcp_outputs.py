"""Outputs of the gcp types equal the real provider's, property by property, on the real emulator."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from infra.engine.gcp import GcpProvider
from infra.engine.providers import Properties, Standing
from tests.cloud import LocalCloud
from tests.real_stack import STACK, program_inputs, settings

ORDER = ("aiplatform", "storage", "notebooks", "ep", "repo", "bucket", "obj", "runner", "nb", "rw", "actas", "user")
# What differs from run to run: times, generations, addresses and what the service invents.
VOLATILE = frozenset({
    "createTime", "updateTime", "timeCreated", "updated", "effectiveTime", "etag", "generation", "selfLink",
    "mediaLink", "uniqueId", "computeInstanceId", "proxyUri", "creator",
})  # fmt: skip


@pytest.fixture(scope="module")
def provider(local_cloud: LocalCloud) -> Iterator[GcpProvider]:
    """A provider on the local cloud."""
    made = GcpProvider(settings(local_cloud.url))
    yield made
    made.close()


@pytest.fixture(scope="module")
def stack(provider: GcpProvider) -> dict[str, Standing]:
    """The real stack's program, created by the embedded engine's provider."""
    return {name: created(provider, STACK[name]) for name in ORDER}


def created(provider: GcpProvider, real: Standing) -> Standing:
    """Check and create one resource as the engine would."""
    inputs, failures = provider.check(real.urn, None, program_inputs(real.inputs))
    assert failures == []
    made = provider.create(real.urn, inputs, 0, preview=False)
    return Standing(real.urn, made.id, inputs, made.outputs)


def steady(value: Any) -> Any:
    """Return outputs without what differs from run to run."""
    if isinstance(value, dict):
        return {key: "…" if key in VOLATILE and item else steady(item) for key, item in value.items()}
    return [steady(item) for item in value] if isinstance(value, list) else value


def parsed(outputs: Properties) -> Properties:
    """Return outputs with the JSON text among them as JSON."""
    meta = outputs.get("__meta")
    return {**steady(outputs), **({"__meta": json.loads(meta)} if meta else {})}


@pytest.mark.parametrize("name", ORDER)
def test_outputs_equal_the_real_providers(stack: dict[str, Standing], name: str) -> None:
    """Every property of every type, the bridge's own records included, is as the real CLI exported it."""
    assert stack[name].id == STACK[name].id
    assert parsed(stack[name].outputs) == parsed(STACK[name].outputs)


@pytest.mark.parametrize("name", ORDER)
def test_nothing_is_planned_after_create(provider: GcpProvider, stack: dict[str, Standing], name: str) -> None:
    """The same program again changes nothing."""
    diff = provider.diff(stack[name], stack[name].inputs, [])
    assert not diff.changed, dict(diff.properties)


@pytest.mark.parametrize("name", ORDER)
def test_refresh_finds_what_was_created(provider: GcpProvider, stack: dict[str, Standing], name: str) -> None:
    """Reading gives the same inputs, and the same outputs but for etags of shared policies."""
    found = provider.read(stack[name])
    assert found is not None
    assert found.inputs == stack[name].inputs | ({"bucket": "trace-models"} if name == "rw" else {})
    assert steady(found.outputs) == steady(stack[name].outputs)
    assert not provider.diff(Standing(stack[name].urn, found.id, found.inputs, found.outputs), found.inputs, []).changed
