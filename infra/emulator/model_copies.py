"""aiplatform models: copied as a new model or version, and exported to a bucket."""

import re
from typing import Any

from infra.emulator import operations
from infra.emulator.calls import Call, handles
from infra.emulator.errors import failed_precondition, invalid
from infra.emulator.model_artifacts import artifacts_folder, copy_folder, remove_artifact
from infra.emulator.model_versions import Version, find_version, get_model, put_version
from infra.emulator.models import MODEL_FIELDS, id_findings, place, store
from infra.emulator.objects import add_file, bucket_exists, parse_gs_uri
from infra.emulator.projects import full_name
from infra.emulator.resources import Json
from infra.emulator.vertex_rules import REQUIRED, found_errors, refuse

FORMAT = "custom-trained"
OWN = ("versionId", "versionAliases", "versionCreateTime", "versionUpdateTime", "etag")  # of a version, not of its copy


@handles("aiplatform.projects.locations.models.copy")
def copy(call: Call) -> Any:
    """Copy a model's version as a new model (`modelId`) or as a version of another one (`parentModel`)."""
    if not call.body.get("sourceModel"):
        raise found_errors([("source_model", REQUIRED)])
    refuse(id_findings(call.body))
    source = find_version(call.resources, full_name(call.cloud, call.body["sourceModel"]))
    model = place(call)
    folder = copy_folder(call.cloud, artifacts_folder(call.cloud) / source.artifact) if source.artifact else None
    own = {name: value for name, value in get_model(call.resources, source.model).items() if name in MODEL_FIELDS}
    sent = {**own, **{name: value for name, value in source.body.items() if name not in OWN}}
    try:
        version = store(call, model, sent, folder.name if folder else "")
    except BaseException:
        if folder:
            remove_artifact(folder)
        raise
    body = {**version.body, "modelSourceInfo": {"sourceType": "CUSTOM", "copy": True}}
    put_version(call.resources, Version(model, {**body, "originalModelInfo": {"model": source.name}}, version.artifact))
    response = {"model": model, "modelVersionId": version.id}
    return operations.finished(call, "CopyModelOperationMetadata", "CopyModelResponse", response, parent=model)


@handles("aiplatform.projects.locations.models.export")
def export(call: Call) -> Any:
    """Put a version's files into a bucket, below `model-export-MODEL-TIME`."""
    config = call.body.get("outputConfig") or {}
    version = find_version(call.resources, call.path["name"])
    _check(call, config, version)
    title = re.sub(r"[^A-Za-z0-9_.-]", "_", get_model(call.resources, version.model)["displayName"])
    prefix = config["artifactDestination"]["outputUriPrefix"].rstrip("/")
    directory = f"{prefix}/model-export-{title}-{re.sub(r'[-:.]', '_', call.cloud.now())}"
    bucket, start = parse_gs_uri(directory)
    folder = artifacts_folder(call.cloud) / version.artifact
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        add_file(call.cloud, bucket, f"{start}/{path.relative_to(folder).as_posix()}", path)
    fields: Json = {"outputInfo": {"artifactOutputUri": directory}}
    metadata, response = "ExportModelOperationMetadata", "ExportModelResponse"
    return operations.finished(call, metadata, response, parent=version.model, fields=fields)


def _check(call: Call, config: Json, version: Version) -> None:
    if config.get("exportFormatId") != FORMAT:
        text = (
            f"The format {config.get('exportFormatId')!r} is not supported by the Model, which supports: [{FORMAT!r}]."
        )
        raise found_errors([("output_config.export_format_id", text)])
    uri = (config.get("artifactDestination") or {}).get("outputUriPrefix")
    if not uri:
        raise found_errors([("output_config.artifact_destination.output_uri_prefix", REQUIRED)])
    bucket, _ = parse_gs_uri(uri)
    if not bucket_exists(call.cloud, bucket):
        raise invalid(f"The Cloud Storage bucket of outputUriPrefix does not exist: gs://{bucket}")
    if not version.artifact:
        raise failed_precondition(f"Model {version.name} has no artifactUri: there is nothing to export.")
