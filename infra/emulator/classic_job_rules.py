"""What a new AI Platform batch prediction is checked against: the service's rules, and what can be run here."""

import re

from infra.emulator.calls import Cloud
from infra.emulator.classic_records import (
    NAME,
    NAME_RULE,
    Version,
    check_labels,
    check_region,
    default_version,
    field_error,
)
from infra.emulator.classic_version_rules import LEGACY_MACHINE, RUNTIME, runtime
from infra.emulator.errors import ApiError, unimplemented
from infra.emulator.objects import bucket_exists, parse_gs_uri
from infra.emulator.resources import Json, Resources

MODEL_FIELDS = {"modelName": "model_name", "versionName": "version_name", "uri": "uri"}
MODEL_NAMES = {
    "modelName": re.compile(r"projects/[^/]+/models/[^/]+"),
    "versionName": re.compile(r"projects/[^/]+/models/[^/]+/versions/[^/]+"),
}
FORMATS = {"JSON": "jsonl", "TEXT": "jsonl", "TF_RECORD": "tf-record", "TF_RECORD_GZIP": "tf-record-gzip"}
LATEST_RUNTIME = (2, 1)
INPUT = "prediction_input"


def check_job(cloud: Cloud, body: Json) -> None:
    """Refuse a job that the service would refuse (400), and then one that it would run and we cannot (501)."""
    if not NAME.fullmatch(body.get("jobId", "")):
        raise field_error("job.job_id", NAME_RULE)
    check_labels(body, "job")
    if body.get("trainingInput"):
        raise unimplemented("The local cloud runs no training jobs. Train with: invoke train")
    given = body.get("predictionInput")
    if not given:
        raise field_error("job.input", "One of training_input and prediction_input must be set.")
    _check_model(given)
    _check_data(given)
    _check_numbers(given)
    _check_output(cloud, given)


def _check_model(given: Json) -> None:
    if sum(bool(given.get(field)) for field in MODEL_FIELDS) != 1:
        raise field_error(INPUT, "Exactly one of model_name, version_name and uri must be set.")
    for field, form in MODEL_NAMES.items():
        if given.get(field) and not form.fullmatch(given[field]):
            raise field_error(f"{INPUT}.{MODEL_FIELDS[field]}", f"Invalid resource name: {given[field]!r}.")
    if given.get("uri"):
        _check_uri(given["uri"], "uri")


def _check_uri(uri: str, field: str) -> str:
    try:
        return parse_gs_uri(uri)[0]
    except ApiError as error:
        raise field_error(f"{INPUT}.{field}", error.message) from None


def _check_data(given: Json) -> None:
    form, paths = given.get("dataFormat", "DATA_FORMAT_UNSPECIFIED"), given.get("inputPaths") or []
    if form == "DATA_FORMAT_UNSPECIFIED":
        raise field_error(f"{INPUT}.data_format", "Data format must be specified.")
    if form == "CSV":
        raise field_error(f"{INPUT}.data_format", "CSV is a format of outputs only.")
    if not paths:
        raise field_error(f"{INPUT}.input_paths", "At least one input path must be specified.")
    for path in paths:
        _check_uri(path, "input_paths")
        if "*" in path[:-1]:
            raise field_error(f"{INPUT}.input_paths", f"{path!r}: a wildcard may stand at the end only.")
    if not given.get("region"):
        raise field_error(f"{INPUT}.region", "Region must be specified.")
    check_region(given["region"], f"{INPUT}.region")


def _check_numbers(given: Json) -> None:
    for field, name in (("batchSize", "batch_size"), ("maxWorkerCount", "max_worker_count")):
        if int(given.get(field, 1)) < 1:
            raise field_error(f"{INPUT}.{name}", "It must be at least 1.")
    check_runtime(given.get("runtimeVersion", ""))


def check_runtime(wanted: str) -> None:
    """Refuse runtimes without batch prediction: the last one that had it was 2.1."""
    if wanted and (not RUNTIME.fullmatch(wanted) or runtime(wanted) > LATEST_RUNTIME):
        text = f"Runtime version {wanted!r} does not support batch prediction. The latest that does is 2.1."
        raise field_error(f"{INPUT}.runtime_version", text)


def _check_output(cloud: Cloud, given: Json) -> None:
    if not given.get("outputPath"):
        raise field_error(f"{INPUT}.output_path", "Output path must be specified.")
    bucket = _check_uri(given["outputPath"], "output_path")
    if not bucket_exists(cloud, bucket):
        raise field_error(f"{INPUT}.output_path", f"The Cloud Storage bucket does not exist: gs://{bucket}.")
    if given.get("outputDataFormat", "JSON").startswith("TF_RECORD"):
        raise field_error(f"{INPUT}.output_data_format", f"{given['outputDataFormat']} is a format of inputs only.")


def job_version(resources: Resources, given: Json) -> Version:
    """Return the version that a job runs. Raises 404, or 400 where it is of a kind without batch prediction."""
    field = "modelName" if given.get("modelName") else "versionName"
    path = f"{INPUT}.{MODEL_FIELDS[field]}"
    version = default_version(resources, given[field], path)
    machine, state = version.body["machineType"], version.body["state"]
    if state != "READY":
        raise field_error(path, f"The version is {state}, not READY.", status="FAILED_PRECONDITION")
    if machine != LEGACY_MACHINE:
        text = f"Batch prediction is not supported for machine type {machine}, only for {LEGACY_MACHINE}."
        raise field_error(path, text, status="FAILED_PRECONDITION")
    if not given.get("runtimeVersion"):
        check_runtime(version.body["runtimeVersion"])
    return version
