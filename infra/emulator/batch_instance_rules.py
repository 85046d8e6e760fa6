"""What a job's instanceConfig is checked against: its own fields, the input's format, and the input's first line."""

from collections.abc import Iterator

import orjson

from infra.emulator.batch_files import input_files
from infra.emulator.calls import Cloud
from infra.emulator.errors import ApiError
from infra.emulator.resources import Json
from infra.emulator.vertex_rules import Finding, refuse

PATH = "batch_prediction_job.instance_config"
ALTERNATIVES = ("includedFields", "excludedFields")
NAMES = {"keyField": "key_field", "includedFields": "included_fields", "excludedFields": "excluded_fields"}
FIRST_BYTES = 1 << 20  # of an input: more than a first line has
TYPES = ("object", "array")


def config_findings(instance: Json, form: str) -> list[Finding]:
    """Check an instanceConfig by itself and against the format of the input."""
    if all(instance.get(name) for name in ALTERNATIVES):
        return [(PATH, "Only one of included_fields and excluded_fields can be set.")]
    kind = instance.get("instanceType")
    if kind and kind not in TYPES:
        return [(f"{PATH}.instance_type", f"{kind!r} is neither 'object' nor 'array'.")]
    if kind and form not in ("jsonl", "bigquery"):
        return [(f"{PATH}.instance_type", f"It does not apply to {form}: set it for jsonl or bigquery only.")]
    fits = {"jsonl", "bigquery"}
    wrong = [name for name in ALTERNATIVES if instance.get(name) and form not in fits]
    if instance.get("keyField") and form not in fits | {"csv"}:
        wrong.append("keyField")
    return [(f"{PATH}.{NAMES[name]}", f"It does not apply to {form}: its instances have no fields.") for name in wrong]


def check_lines(cloud: Cloud, uris: list[str], instance: Json) -> None:
    """Refuse, by the first line of the input, what no line of it could satisfy; other lines are the run's to judge."""
    line = next(_first_lines(cloud, uris), None)
    of_objects = [name for name in NAMES if instance.get(name)]
    if line is None or not instance:
        return
    if isinstance(line, dict):
        if instance.get("instanceType") == "array" and not instance.get("includedFields"):
            text = "For lines that are objects, instance_type 'array' needs included_fields, which give the order."
            refuse([(f"{PATH}.included_fields", text)])
    elif instance.get("instanceType") == "object":
        refuse([(f"{PATH}.instance_type", "For instance_type 'object' each line of the input must be an object.")])
    elif of_objects:
        refuse([(f"{PATH}.{NAMES[of_objects[0]]}", "The input must be JSONL with an object in each line.")])


def _first_lines(cloud: Cloud, uris: list[str]) -> Iterator[object]:
    """Yield the first line of each input, parsed, as far as it is JSON; an input that is not there fails the run."""
    try:
        paths = list(input_files(cloud, uris).values())
    except ApiError:
        return
    for path in paths:
        try:
            with path.open("rb") as file:
                yield orjson.loads(file.read(FIRST_BYTES).lstrip().partition(b"\n")[0])
        except (orjson.JSONDecodeError, FileNotFoundError):  # the second: overwritten since it was listed
            continue
