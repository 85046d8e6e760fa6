"""A model's artifactUri -> the local cloud's own copy of the SavedModel, taken at upload as the service does."""

import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath

from infra.emulator.calls import Cloud, on_start
from infra.emulator.errors import ApiError, failed_precondition
from infra.emulator.objects import bucket_exists, parse_gs_uri, stored_objects
from infra.emulator.storage_catalog import StoredObject
from infra.emulator.storage_customer_keys import check_open

MAX_FILES = 1000
HOLDERS = ("aiplatform.versions", "ml.versions")  # the kinds whose records name copies
MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")


def artifacts_folder(cloud: Cloud) -> Path:
    """Return where copies of models lie."""
    return cloud.state / "models"


def copy_artifact(cloud: Cloud, uri: str) -> Path:
    """Copy the folder at `uri` and return the copy's place; later changes to the bucket do not reach it.

    Raises a 400 FAILED_PRECONDITION where the folder holds no SavedModel or more than 1,000 files.
    """
    files = _artifact_files(cloud, uri)
    artifacts_folder(cloud).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="artifact-", dir=artifacts_folder(cloud)))
    try:
        for relative, stored in files.items():
            link(stored.path, folder / relative)
    except FileNotFoundError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise failed_precondition(f"Model directory {uri} changed while it was read. Try again.") from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _artifact_files(cloud: Cloud, uri: str) -> dict[str, StoredObject]:
    bucket, name = _parse(uri)
    prefix = f"{name.rstrip('/')}/" if name.strip("/") else ""
    if not bucket_exists(cloud, bucket):
        raise failed_precondition(f"The Cloud Storage bucket of artifactUri {uri!r} does not exist.")
    found = {stored.name.removeprefix(prefix): stored for stored in stored_objects(cloud, bucket, prefix)}
    files = {relative: stored for relative, stored in found.items() if relative and not relative.endswith("/")}
    if len(files) > MAX_FILES:
        raise failed_precondition(f"Model directory {uri} has {len(files)} files, at most {MAX_FILES} are allowed.")
    if len([name for name in MODEL_FILES if name in files]) != 1:
        expected = ", ".join(MODEL_FILES)
        raise failed_precondition(f"Model directory {uri} is expected to contain exactly one of: [{expected}].")
    check_open(files.values())
    for relative in files:
        _check_inside(uri, relative)
    return files


def _parse(uri: str) -> tuple[str, str]:
    try:
        return parse_gs_uri(uri)
    except (ApiError, ValueError) as error:
        raise failed_precondition(f"artifactUri {uri!r} is not of the form gs://BUCKET/FOLDER.") from error


def _check_inside(uri: str, relative: str) -> None:
    if not is_plain_path(relative):
        raise failed_precondition(f"Model directory {uri} has a file whose name is no path: {relative!r}.")


def is_plain_path(name: str) -> bool:
    """Tell whether an object's name can stand as a relative path on disk without leaving its folder."""
    parts = name.split("/")
    return PurePosixPath(name).parts == tuple(parts) and not {"..", "."} & set(parts) and "\0" not in name


def link(source: Path, target: Path) -> None:
    """Put a file's content at `target` without copying it where the file system allows."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        if target.exists() or not target.parent.is_dir():
            raise
        shutil.copyfile(source, target)


def link_tree(source: Path, target: Path) -> None:
    """Put the files of a folder at `target`, as `link` does."""
    for path in source.rglob("*"):
        if path.is_file():
            link(path, target / path.relative_to(source))


def copy_folder(cloud: Cloud, source: Path) -> Path:
    """Copy a copy, for another version; return its place."""
    folder = Path(tempfile.mkdtemp(prefix="artifact-", dir=artifacts_folder(cloud)))
    link_tree(source, folder)
    return folder


def remove_artifact(folder: Path) -> None:
    """Delete a copy; running jobs have their own."""
    shutil.rmtree(folder, ignore_errors=True)


@on_start
def sweep(cloud: Cloud) -> None:
    """Remove copies that no version names: what a creation left that was killed half way."""
    known = {record["artifact"] for kind in HOLDERS for _, record in cloud.resources.list(kind)}
    for folder in artifacts_folder(cloud).glob("artifact-*"):
        if folder.name not in known:
            shutil.rmtree(folder, ignore_errors=True)
