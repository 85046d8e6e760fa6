"""Planning of anything that a schema allows is steady, and check survives anything that it does not."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.engine.gcp import GcpProvider, firewalls, validation
from infra.engine.gcp.catalog import TYPES
from infra.engine.gcp.differences import differences
from infra.engine.gcp.plans import plan
from infra.engine.gcp.schema import LISTS, OUTPUT, REQUIRED, Fields, Property
from infra.engine.gcp.states import object_delta, sealed
from infra.engine.providers import UNKNOWN, Properties
from tests.real_stack import CONFIG

PROVIDER = GcpProvider(CONFIG)
TEXT = st.text("abcdefghij-", min_size=1, max_size=8)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "integer": st.integers(0, 10**6),
    "long": st.integers(0, 10**6),
    "real": st.integers(0, 10).map(lambda tenths: tenths / 10),
    "map": st.dictionaries(TEXT, TEXT, max_size=3),
    "strings": st.lists(TEXT, max_size=3),
    "string_set": st.lists(TEXT, max_size=3, unique=True),
    "asset": st.just(None),
}
VALID: dict[Any, tuple[Any, ...]] = {
    validation.account_id: ("runner", "runner-2"),
    validation.bucket_name: ("data", "data.of.us"),
    validation.bucket_labels: ({}, {"env": "dev"}, {"env": "prod", "team": "ml"}),
    validation.member: ("user:me@example.com", "allUsers", "principal://iam.googleapis.com/Me"),
    validation.compute_name: ("one", "two-2"),
    validation.pool_id: ("pool", "pool-2"),
    validation.address_range: ("10.0.0.0/24", "10.0.0.0/20"),
    validation.rotation_period: ("86400s", "7776000s"),
    firewalls.priority: (0, 1000),
    validation.json_text: ('{"1": 100}', '{ "1":100 }', "{}"),
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.just(UNKNOWN),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def values(prop: Property) -> st.SearchStrategy[Any]:
    """Return what a property may hold."""
    if prop.kind in ("block", "set_block"):
        return objects(prop.fields)
    if prop.kind == "blocks":
        return st.lists(objects(prop.fields), max_size=2)
    if prop.kind == "block_set":
        return st.lists(objects(prop.fields), max_size=3, unique_by=lambda item: item.get(prop.key))
    if prop.choices or prop.wrong:
        return st.sampled_from(prop.choices or VALID[prop.wrong])
    return VALUES.get(prop.kind, TEXT)


def objects(fields: Fields) -> st.SearchStrategy[Properties]:
    """Return objects with all that is required, and any of the rest."""
    settable = {name: values(prop) for name, prop in fields.items() if OUTPUT not in prop.traits}
    required = {name for name, prop in fields.items() if REQUIRED in prop.traits}
    return st.fixed_dictionaries(
        {name: settable[name] for name in required},
        optional={name: strategy for name, strategy in settable.items() if name not in required},
    )


@st.composite
def resources(draw: st.DrawFn) -> tuple[str, Properties, Properties]:
    """Return a type and the inputs of two programs."""
    token = draw(st.sampled_from(sorted(TYPES)))
    strategy = objects(TYPES[token].properties)
    return f"urn:pulumi:local::trace::{token}::x", draw(strategy), draw(strategy)


SOLE = {"content": "text", "allows": [{"protocol": "tcp"}], "aws": {"accountId": "1"}}  # one of a type's rivals
DECIDED: dict[str, Any] = {"boolean": False, "integer": 0, "long": 0, "map": {}, "block": None, "set_block": None}


def applied(fields: Fields, planned: Properties) -> Properties:
    """Return a plan as if the service had decided: unknown values become something of their kind."""
    return {name: outcome(prop, planned.get(name)) for name, prop in fields.items()}


def outcome(prop: Property, planned: Any) -> Any:
    """Return one value of a plan as it stands afterwards."""
    if planned == UNKNOWN:
        return [] if prop.kind in LISTS else DECIDED.get(prop.kind, "decided")
    if prop.kind in ("block", "set_block") and planned is not None:
        return applied(prop.fields, planned)
    if prop.kind in ("blocks", "block_set"):
        return [applied(prop.fields, item) for item in planned or []]
    return planned


def checked(urn: str, program: Properties) -> Properties:
    """Return checked inputs; objects name one source of their content, and what excludes each other is let pass."""
    rivals = TYPES[urn.split("::")[2]].exactly_one
    if rivals:
        chosen = next(key for key in rivals if key in SOLE)
        program = {**program, **dict.fromkeys(rivals), chosen: program.get(chosen) or SOLE[chosen]}
    inputs, failures = PROVIDER.check(urn, None, program)
    assert [failure for failure in failures if "conflicts with" not in failure.reason] == []
    return inputs


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(resources())
def test_plan_is_steady(drawn: tuple[str, Properties, Properties]) -> None:
    """What a plan brings about is planned again as it is, whichever program stood before."""
    urn, before, after = drawn
    kind = TYPES[urn.split("::")[2]]
    state: Properties | None = None
    for program in (before, after):
        inputs = checked(urn, program)
        planned = plan(kind, CONFIG, state, inputs)
        state = {**applied(kind.properties, planned), "md5hash": None, "sourceMd5hash": None}
        if "detectMd5hash" in planned:
            state |= {"md5hash": hash_of(inputs), "detectMd5hash": hash_of(inputs)}
            inputs.pop("sourceMd5hash", None)
        again = plan(kind, CONFIG, state, inputs)
        assert differences(kind.properties, state, again) == {}
        json.dumps(sealed(kind, state))
        assert object_delta(kind.properties, state)


def hash_of(inputs: Properties) -> str | None:
    """Return the hash of an object's content."""
    from infra.engine.gcp.uploads import local_hash

    return local_hash(inputs)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(TYPES)), st.data())
def test_check_survives_anything(token: str, data: st.DataObject) -> None:
    """Whatever stands where a value should, check answers with inputs and failures."""
    names = sorted(TYPES[token].properties)
    program = data.draw(st.dictionaries(st.sampled_from(names) | st.text(max_size=4), ANYTHING, max_size=4))
    inputs, failures = PROVIDER.check(f"urn:pulumi:local::trace::{token}::x", None, program)
    assert isinstance(inputs["__defaults"], list)
    assert all(failure.reason for failure in failures)
