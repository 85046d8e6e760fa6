"""What AI Platform itself would refuse of a job, found before it is carried over: wrong types, names, addresses."""

import re
from collections.abc import Mapping
from typing import Any

from infra.errors import InfraError

Json = dict[str, Any]

MODELS = ("modelName", "versionName", "uri")
TEXTS = ("dataFormat", "outputDataFormat", "outputPath", "region", "runtimeVersion", "signatureName", *MODELS)
FORMS = {
    "modelName": ("projects/P/models/M", re.compile(r"projects/[^/]+/models/[^/@]+")),
    "versionName": ("projects/P/models/M/versions/V", re.compile(r"projects/[^/]+/models/[^/@]+/versions/[^/@]+")),
    "outputPath": ("gs://BUCKET/FOLDER", re.compile(r"gs://[^/]+(?:/.*)?")),
    "uri": ("gs://BUCKET/FOLDER", re.compile(r"gs://[^/]+(?:/.*)?")),
}
INPUT = re.compile(r"gs://[^/*]+/[^*]*\*?")
VERTEX_MODEL = re.compile(r"projects/[^/]+/locations/([^/]+)/models/[^/@]+(?:@[^/@]+)?")
LARGEST = 2**31 - 1


def check_job(job: Mapping[str, Any], given: Json) -> None:
    """Refuse a job that AI Platform would not have taken.

    Raises:
        InfraError: the field that is wrong, and what it must be.
    """
    labels = job.get("labels") or {}
    if not isinstance(job.get("jobId", ""), str):
        raise _wrong("jobId", job["jobId"], "a text")
    if not isinstance(labels, dict) or not all(isinstance(text, str) for text in labels.values()):
        raise _wrong("labels", labels, "an object of texts")
    for name in TEXTS:
        if not isinstance(given.get(name) or "", str):
            raise _wrong(f"predictionInput.{name}", given[name], "a text")
    for name, (form, pattern) in FORMS.items():
        if given.get(name) and not pattern.fullmatch(given[name]):
            raise _wrong(f"predictionInput.{name}", given[name], f"of the form {form}")
    named = [name for name in MODELS if given.get(name)]
    if len(named) > 1:
        raise InfraError(f"predictionInput has {' and '.join(named)}: exactly one says the model. Remove the other")
    _check_inputs(given.get("inputPaths") or [])


def _check_inputs(paths: Any) -> None:
    if not isinstance(paths, list):
        raise _wrong("predictionInput.inputPaths", paths, "a list of gs://BUCKET/NAME")
    for path in paths:
        if not isinstance(path, str) or not INPUT.fullmatch(path):
            raise _wrong("predictionInput.inputPaths", path, "gs://BUCKET/NAME, with a * at its end only")


def count(given: Json, name: str, default: int) -> int:
    """Return a number of the job; 64-bit numbers travel as text. Raises InfraError where it is none from 1 on."""
    value = given.get(name, default)
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not re.fullmatch(r"[0-9]{1,10}", text) or not 1 <= int(text) <= LARGEST:
        raise _wrong(f"predictionInput.{name}", value, f"a number from 1 to {LARGEST}")
    return int(text)


def check_model(model: str, region: str) -> None:
    """Refuse a name of Vertex AI's that is none, or a model that is elsewhere: a job runs where its model is."""
    found = VERTEX_MODEL.fullmatch(model)
    if not found:
        raise _wrong("--model", model, "of the form projects/P/locations/R/models/M[@VERSION]")
    if found[1] != region:
        raise InfraError(
            f"--model is in {found[1]}, the job's region is {region}: a job runs where its model is. Name one there"
        )


def _wrong(name: str, value: object, wanted: str) -> InfraError:
    return InfraError(f"{name} is {value!r}: it must be {wanted}. Correct it")
