"""AI Platform's batch prediction job -> the Vertex AI job that does the same, and what cannot be carried over."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.errors import InfraError
from infra.migration_checks import check_job, check_model, count
from infra.setting_table import NAMESPACE

Json = dict[str, Any]

FORMATS = {"JSON": "jsonl", "TEXT": "jsonl", "TF_RECORD": "tf-record", "TF_RECORD_GZIP": "tf-record-gzip"}
MODEL_NAME = re.compile(r"projects/([^/]+)/models/([^/]+)(?:/versions/([^/]+))?")
JOB_FIELDS = {"jobId", "predictionInput", "labels"}
OUTPUT_ONLY = {
    *("createTime", "startTime", "endTime", "state", "errorMessage"),
    *("predictionOutput", "etag", "jobPosition", "trainingOutput"),
}
INPUT_FIELDS = {
    *("modelName", "versionName", "uri", "dataFormat", "outputDataFormat", "inputPaths", "outputPath"),
    *("maxWorkerCount", "region", "runtimeVersion", "batchSize", "signatureName"),
}
DEFAULT_SIGNATURE = "serving_default"
LONGEST_ID = 63  # of a model at Vertex AI
MACHINE_TYPE = "n1-standard-2"  # the smallest that serves; the old job ran on machines without a name


@dataclass(frozen=True)
class Migration:
    """A Vertex AI job's body, where it is created, what of the old job it lacks, and what comes out differently."""

    parent: str
    body: Json
    lost: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)


def read_job(path: Path) -> Json:
    """Return the job of a file: a Job as `jobs.create` takes it, or its PredictionInput alone.

    Raises:
        InfraError: there is no such file, it holds something else, or a training job.
    """
    try:
        job = json.loads(path.read_text())
    except OSError as error:
        raise InfraError(f"Cannot read {str(path)!r}: {error.strerror}. Run: invoke migrate JOB.json") from None
    except ValueError as error:
        raise InfraError(f"{str(path)!r} is not JSON: {error}. Save the body of jobs.create there") from None
    if isinstance(job, dict) and "inputPaths" in job:
        job = {"predictionInput": job}
    if not isinstance(job, dict) or not isinstance(job.get("predictionInput"), dict):
        what = "a training job" if isinstance(job, dict) and "trainingInput" in job else "no batch prediction"
        raise InfraError(f"{str(path)!r} is {what}: 'predictionInput' is missing. Save the body of jobs.create there")
    return job


def migrate(job: Mapping[str, Any], project: str = "", model: str = "") -> Migration:
    """Return the job of Vertex AI for one of AI Platform; `model` says its model's name there where it is known.

    Raises:
        InfraError: the old job lacks what both need, is none that AI Platform would take, or its project is not known.
    """
    given: Json = dict(job["predictionInput"])
    check_job(job, given)
    if model:
        check_model(model, _wanted(given, "region"))
    parent = f"projects/{_project(given, project, model)}/locations/{_wanted(given, 'region')}"
    machines = count(given, "maxWorkerCount", 1)
    body: Json = {
        "displayName": job.get("jobId") or "migrated",
        **_model(given, parent, model),
        "inputConfig": {
            "instancesFormat": _format(given),
            "gcsSource": {"uris": list(dict.fromkeys(_wanted(given, "inputPaths")))},
        },
        "outputConfig": {
            "predictionsFormat": "jsonl",
            "gcsDestination": {"outputUriPrefix": _wanted(given, "outputPath")},
        },
        "dedicatedResources": {
            "machineSpec": {"machineType": MACHINE_TYPE},
            "startingReplicaCount": machines,
            "maxReplicaCount": machines,
        },
        "manualBatchTuningParameters": {"batchSize": count(given, "batchSize", 64)},
        **({"labels": job["labels"]} if job.get("labels") else {}),
    }
    return Migration(parent, body, _lost(job, given), _differs(given, body, model))


def _wanted(given: Json, name: str) -> Any:
    if not given.get(name):
        raise InfraError(f"predictionInput.{name} is missing: AI Platform refuses such a job too. Add it")
    return given[name]


def _format(given: Json) -> str:
    name = _wanted(given, "dataFormat")
    if name not in FORMATS:
        raise InfraError(f"predictionInput.dataFormat {name!r} is none of {', '.join(FORMATS)}. Correct it")
    return FORMATS[name]


def _project(given: Json, project: str, model: str) -> str:
    named = MODEL_NAME.fullmatch(given.get("versionName") or given.get("modelName") or "")
    found = project or (model.split("/")[1] if model.startswith("projects/") else "") or (named[1] if named else "")
    if not found:
        raise InfraError("The job names no project. Run: invoke migrate JOB.json --project PROJECT")
    return found


def _model(given: Json, parent: str, model: str) -> Json:
    """Return the model in Vertex AI's terms: model ids are lower case there, version names become aliases."""
    if model:
        return {"model": model}
    if given.get("uri"):
        _, project, _, region = parent.split("/")
        container = {"imageUri": f"{region}-docker.pkg.dev/{project}/serving/{NAMESPACE}:latest"}
        return {"unmanagedContainerModel": {"artifactUri": given["uri"], "containerSpec": container}}
    parts = MODEL_NAME.fullmatch(given.get("versionName") or _wanted(given, "modelName"))
    if not parts:  # the checks have seen its form
        raise InfraError("predictionInput names no model. Correct it")
    alias = f"@{_alias(parts[3])}" if parts[3] else ""
    return {"model": f"{parent}/models/{parts[2].lower()[:LONGEST_ID]}{alias}"}


def _alias(version: str) -> str:
    """Return a version's name as an alias, which has two characters at least and no underscore."""
    name = version.lower().replace("_", "-").rstrip("-")
    return name if len(name) > 1 else f"version-{name}"


def _lost(job: Mapping[str, Any], given: Json) -> list[str]:
    """Return what has no place in a Vertex AI job, each with what to do instead."""
    lost = []
    if given.get("outputDataFormat", "JSON") not in {"JSON", "TEXT", "DATA_FORMAT_UNSPECIFIED"}:
        instead = "custom models write jsonl only; `invoke results` makes a CSV of it"
        lost.append(f"outputDataFormat {given['outputDataFormat']}: {instead}")
    if given.get("signatureName", DEFAULT_SIGNATURE) != DEFAULT_SIGNATURE:
        instead = (
            f"a job cannot choose a signature; export it as {DEFAULT_SIGNATURE}, or set AIP_SIGNATURE for the model"
        )
        lost.append(f"signatureName {given['signatureName']}: {instead}")
    if given.get("runtimeVersion"):
        lost.append(f"runtimeVersion {given['runtimeVersion']}: the model's container image decides")
    unknown = [name for name in job if name not in JOB_FIELDS | OUTPUT_ONLY]
    unknown += [f"predictionInput.{name}" for name in given if name not in INPUT_FIELDS]
    return lost + [f"{name}: unknown to AI Platform's batch prediction too" for name in unknown]


def _differs(given: Json, body: Json, model: str) -> list[str]:
    """Return what the new job does otherwise than the old one did."""
    workers = given.get("maxWorkerCount")
    count = body["dedicatedResources"]["startingReplicaCount"]
    scaling = f"at most {workers} workers, scaled" if workers else "up to 10 workers, scaled"
    differs = [
        f"machines: {scaling}, became {count} that start at once: batch jobs of Vertex AI do not scale",
        "output: a folder prediction-MODEL-TIME below the output path; read it from outputInfo.gcsOutputDirectory",
        "failed rows: errors_stats still names no row; see infra/emulator/PREDICTION.md for trying that out",
        'result lines: {"instance": …, "prediction": …} instead of the prediction alone; `invoke results` reads both',
    ]
    source = body["inputConfig"]["instancesFormat"]
    if source == "jsonl":
        differs.append("input lines: all are JSON; AI Platform took plain texts for a model of one string input")
    elif workers and int(workers) > 1:
        differs.append(f"input files: {source} is not split: give at least {count} files, or machines will idle")
    if not model and "model" in body:
        differs.append(
            f"model: {body['model']} must be uploaded under that id (and alias), or name another with --model"
        )
    if not model and "unmanagedContainerModel" in body:
        differs.append("uri: became an unmanaged container model, whose image must be able to serve it")
    return differs
