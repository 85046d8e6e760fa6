"""What a new batch prediction job is checked against: the service's rules, and what the local cloud can run of it."""

import re

from infra.emulator.batch_files import WILDCARD
from infra.emulator.batch_instance_rules import check_lines, config_findings
from infra.emulator.calls import Call
from infra.emulator.errors import ApiError, invalid, unimplemented
from infra.emulator.model_versions import SUPPORTED
from infra.emulator.objects import bucket_exists, parse_gs_uri
from infra.emulator.resources import Json
from infra.emulator.storage_listing import glob_expression
from infra.emulator.vertex_places import check_bucket_place, check_model_place, location_of
from infra.emulator.vertex_rules import REQUIRED, Finding, display_name_findings, label_findings, refuse

JOB = "batch_prediction_job"
MODEL = re.compile(r"projects/[^/]+/locations/[^/]+/models/[^/]+|(?:projects/[^/]+/locations/[^/]+/)?publishers/.+")
BIGQUERY = "bigquery"
SOURCES = ("gcsSource", "bigquerySource", "vertexMultimodalDatasetSource")
DESTINATIONS = ("gcsDestination", "bigqueryDestination", "vertexMultimodalDatasetDestination")
INPUT_FORMATS = SUPPORTED["supportedInputStorageFormats"]
OUTPUT_FORMATS = SUPPORTED["supportedOutputStorageFormats"]
CARRIED = "It reads jsonl, csv, tf-record, tf-record-gzip and file-list from gcsSource, and writes jsonl."
KEY_WITH_BIGQUERY = '"bigquery" output format does not support key_field.'


def check_request(call: Call) -> None:
    """Refuse a job that the service would refuse (400), and then one that it would run and we cannot (501)."""
    body = call.body
    instance = body.get("instanceConfig") or {}
    output_format = (body.get("outputConfig") or {}).get("predictionsFormat")
    if instance.get("keyField") and output_format == "bigquery":
        raise invalid(KEY_WITH_BIGQUERY)
    refuse(
        display_name_findings(body, JOB)
        + label_findings(body, JOB)
        + _model_findings(body)
        + _input_findings(body)
        + _output_findings(body)
        + config_findings(instance, (body.get("inputConfig") or {}).get("instancesFormat", ""))
        + _resource_findings(body)
        + _explanation_findings(body)
    )
    _check_carried(body)
    _check_places(call)
    if body["inputConfig"]["instancesFormat"] == "jsonl":
        check_lines(call.cloud, body["inputConfig"]["gcsSource"]["uris"], instance)


def _check_places(call: Call) -> None:
    """Refuse a model or a bucket that is not in the job's location."""
    body, location = call.body, location_of(call.path["parent"])
    check_model_place(body.get("model") or "", location)
    prefix = body["outputConfig"]["gcsDestination"]["outputUriPrefix"]
    bucket, _ = parse_gs_uri(prefix)
    if not bucket_exists(call.cloud, bucket):
        raise invalid(f"The Cloud Storage bucket of outputUriPrefix does not exist: gs://{bucket}")
    artifact = (body.get("unmanagedContainerModel") or {}).get("artifactUri")
    for uri in (prefix, *body["inputConfig"]["gcsSource"]["uris"], *([artifact] if artifact else [])):
        check_bucket_place(call.cloud, uri, location)


def _model_findings(body: Json) -> list[Finding]:
    unmanaged = body.get("unmanagedContainerModel")
    if bool(body.get("model")) == bool(unmanaged):
        return [(f"{JOB}.model", "Exactly one of model and unmanaged_container_model must be set.")]
    if body.get("model") and not MODEL.fullmatch(body["model"]):
        return [(f"{JOB}.model", f"Invalid Model resource name: {body['model']!r}.")]
    if unmanaged and not unmanaged.get("artifactUri"):
        return [(f"{JOB}.unmanaged_container_model.artifact_uri", REQUIRED)]
    return []


def _input_findings(body: Json) -> list[Finding]:
    path, config = f"{JOB}.input_config", body.get("inputConfig") or {}
    findings = _format_findings(config.get("instancesFormat"), INPUT_FORMATS, f"{path}.instances_format")
    if sum(source in config for source in SOURCES) != 1:
        return [*findings, (path, "Exactly one source must be set, for example gcs_source.")]
    if (config.get("instancesFormat") == BIGQUERY) != ("bigquerySource" in config):
        findings.append((path, "The format bigquery needs a bigquery_source, every other one a gcs_source."))
    uris = (config.get("gcsSource") or {}).get("uris") or []
    if "gcsSource" in config and not uris:
        findings.append((f"{path}.gcs_source.uris", REQUIRED))
    for uri in uris:
        findings += _uri_findings(uri, f"{path}.gcs_source.uris")
        findings += _wildcard_findings(uri, f"{path}.gcs_source.uris")
    return findings


def _wildcard_findings(uri: str, path: str) -> list[Finding]:
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    if WILDCARD.search(bucket):
        return [(path, f"{uri!r}: the name of a bucket has no wildcards.")]
    try:
        glob_expression(name)
    except ApiError:
        return [(path, f"{uri!r}: its wildcards can not be read.")]
    return []


def _output_findings(body: Json) -> list[Finding]:
    path, config = f"{JOB}.output_config", body.get("outputConfig") or {}
    findings = _format_findings(config.get("predictionsFormat"), OUTPUT_FORMATS, f"{path}.predictions_format")
    if sum(destination in config for destination in DESTINATIONS) != 1:
        return [*findings, (path, "Exactly one destination must be set, for example gcs_destination.")]
    if (config.get("predictionsFormat") == BIGQUERY) != ("bigqueryDestination" in config):
        findings.append((path, "The format bigquery needs a bigquery_destination, every other one a gcs_destination."))
    if "gcsDestination" in config:
        uri = (config["gcsDestination"] or {}).get("outputUriPrefix", "")
        findings += _uri_findings(uri, f"{path}.gcs_destination.output_uri_prefix")
    return findings


def _format_findings(name: str | None, supported: object, path: str) -> list[Finding]:
    if not name:
        return [(path, REQUIRED)]
    if not isinstance(supported, list) or name not in supported:
        return [(path, f"The format {name!r} is not supported by the Model, which supports: {supported}.")]
    return []


def _uri_findings(uri: str, path: str) -> list[Finding]:
    try:
        parse_gs_uri(uri)
    except ApiError as error:
        return [(path, error.message)]
    return []


def _resource_findings(body: Json) -> list[Finding]:
    """Check the resources: a custom model runs on dedicated ones only, without autoscaling."""
    path, resources = f"{JOB}.dedicated_resources", body.get("dedicatedResources")
    if not resources:
        return [(path, "Required for the Model: it supports DEDICATED_RESOURCES only.")]
    findings = []
    if not (resources.get("machineSpec") or {}).get("machineType"):
        findings.append((f"{path}.machine_spec.machine_type", REQUIRED))
    if resources.get("startingReplicaCount", 1) < 1:
        findings.append((f"{path}.starting_replica_count", "It must be at least 1."))
    if (body.get("manualBatchTuningParameters") or {}).get("batchSize", 1) < 1:
        findings.append((f"{JOB}.manual_batch_tuning_parameters.batch_size", "It must be at least 1."))
    return findings


def _explanation_findings(body: Json) -> list[Finding]:
    if body.get("explanationSpec") and not body.get("generateExplanation"):
        return [(f"{JOB}.explanation_spec", "It can be specified only if generate_explanation is set to true.")]
    return []


def _check_carried(body: Json) -> None:
    """Refuse what the service does and the local cloud does not, before anything is done half."""
    source, destination = body["inputConfig"], body["outputConfig"]
    reasons = {
        "a publisher's model": "publishers/" in (body.get("model") or ""),
        "a BigQuery or data set source": "gcsSource" not in source or source["instancesFormat"] == "bigquery",
        "a BigQuery or data set destination": (
            "gcsDestination" not in destination or destination["predictionsFormat"] == "bigquery"
        ),
        "generateExplanation": bool(body.get("generateExplanation")),
        "modelParameters": bool(body.get("modelParameters")),
    }
    for what, wanted in reasons.items():
        if wanted:
            raise unimplemented(f"The local cloud does not run batch predictions with {what}. {CARRIED}")
