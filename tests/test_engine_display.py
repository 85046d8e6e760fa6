"""What a deployment tells people: a line per step, outputs value by value, whole where nobody's screen is narrow."""

import io
import os

from infra.engine.display import Display
from infra.engine.state import ResourceState
from infra.engine.steps import CREATE, UPDATE, Step, Tally

LONG = "projects/p/locations/us-central1/models/" + "m" * 80


def urn(type_: str, name: str) -> str:
    """Name a resource of a stack."""
    return f"urn:pulumi:local::project::{type_}::{name}"


def told(display: Display, stream: io.StringIO) -> list[str]:
    """Return the lines written so far, the summary's included."""
    display.summary(Tally(), 1.25, "Update")
    return stream.getvalue().splitlines()


def test_steps_stand_in_columns_and_tell_no_time_that_nobody_waited_for() -> None:
    """Names, types and what was done line up, failures too; a step of milliseconds has no duration."""
    stream = io.StringIO()
    display = Display(stream)
    bucket, version = urn("gcp:storage/bucket:Bucket", "bucket"), urn("pulumi-python:dynamic/x:Version", "a-version")
    display.done(Step(CREATE, bucket, None, ResourceState(bucket, "")), 0.01)
    display.done(Step(CREATE, version, None, ResourceState(version, "")), 2.0)
    display.failed(version, "no\n  such thing")
    quick, slow, failed, _ = told(display, stream)
    assert quick.endswith("created")
    assert slow.endswith("created  2.0 s")
    assert failed.endswith("failed: no such thing")
    assert quick.index("created") == slow.index("created") == failed.index("failed")


def test_outputs_are_told_value_by_value() -> None:
    """Of a nested output only what changed is told, by its path; an empty map is no news."""
    stream = io.StringIO()
    display = Display(stream)
    before = {"bucket": "b", "models": {"decorator": {"version": "1", "name": LONG}}, "endpoints": {}}
    after = {"bucket": "b", "models": {"decorator": {"version": "2", "name": LONG}}, "endpoints": {"decorator": LONG}}
    display.stack_outputs(before, after)
    assert told(display, stream)[:3] == [
        "Outputs:",
        f'    endpoints.decorator: "{LONG}"',
        '    models.decorator.version: "1" => "2"',
    ]


def test_values_are_whole_in_logs() -> None:
    """What is no terminal gets a long value uncut, for it is searched and copied there."""
    stream = io.StringIO()
    display = Display(stream)
    name = urn("gcp:storage/bucket:Bucket", "bucket")
    old = ResourceState(name, "", inputs={"description": "x"})
    display.done(Step(UPDATE, name, old, ResourceState(name, "", inputs={"description": LONG})), 0.0)
    assert f'description: "x" => "{LONG}"' in stream.getvalue()


def test_a_reader_that_leaves_ends_no_deployment() -> None:
    """`up | head` closes the pipe: what is told afterwards goes nowhere, and nothing is raised."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        display = Display(stream)
        os.close(reading)
        for _ in range(2):
            display.log("info", "something")
        display.summary(Tally(), 1.25, "Update")
