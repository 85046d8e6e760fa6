"""SavedModels on this machine <-> the stack's bucket, below their content's digest."""

from pathlib import Path

from infra import deployment
from infra.errors import InfraError
from infra.reporting import fraction_bar, say
from infra.serving_image import PREBUILT
from infra.setting_table import WRAPPERS
from infra.settings import from_config
from infra.stacks import read_stack
from infra.steps.places import BUILD, SAVED_MODELS
from infra.task_options import Facts

# TensorFlow, polars and Google's clients load in seconds: they are imported where they are used.
# ruff: noqa: PLC0415


def check_operations(serving_image: str) -> None:
    """Refuse, before anything is uploaded, models that Google's prebuilt TensorFlow image could not load."""
    from model.graph_operations import unknown_to_prebuilt

    if serving_image != PREBUILT and "/vertex-ai/prediction/tf2-" not in serving_image:
        return
    for wrapper in WRAPPERS:
        unknown = unknown_to_prebuilt(SAVED_MODELS / wrapper)
        if unknown:
            what = f"{SAVED_MODELS / wrapper} has what TensorFlow 2.15 does not know: {', '.join(unknown)}"
            raise InfraError(f"{what}. Run: pulumi config rm keras-batch-prediction:servingImage, then: invoke image")
        say(f"{wrapper}: TensorFlow 2.15 knows every operation; the prebuilt image goes on 2027-01-14")


def upload_model(found: Facts, wrapper: str, sha256: str) -> Facts:
    """Upload one SavedModel below its digest."""
    from infra.storage import upload_folder

    uri = f"{found['bucketUrl']}/models/{wrapper}/{sha256[:12]}/"
    with fraction_bar(f"upload {wrapper}") as bar:
        sent = upload_folder(found, SAVED_MODELS / wrapper, uri, lambda done, total: bar(done / max(total, 1), uri))
    return {"artifactUri": uri, "digest": sha256, "files": sent.files, "sent": sent.sent}


def uploaded_model(stack: str, wrapper: str) -> Path:
    """Download the SavedModel that the stack's setting names, and return its folder."""
    from infra.storage import download_prefix

    target = read_stack(stack)
    named = from_config(target.config, stack).models.get(wrapper)
    if named is None:
        raise InfraError(f"No {wrapper} model is uploaded to stack {stack!r}. Run: invoke upload --stack {stack}")
    folder = BUILD / "uploaded" / named.digest
    download_prefix(deployment.outputs(target), named.artifact_uri, folder)
    return folder
