"""The server's modules -> an archive in the bucket -> Cloud Build -> the image, pinned by its digest in the stack."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.google_apis import connection_to
from infra.google_client import Json
from infra.image_builds import ImageBuild, digest_of, follow_build, start_build
from infra.image_source import ImageSource, pack_source
from infra.operations import Progress
from infra.setting_table import NAMESPACE
from infra.stacks import ROOT, Stack, StackError, write_setting
from infra.storage import upload_file
from infra.storage_client import in_one_line, storage_client

Say = Callable[[str], None]


@dataclass(frozen=True)
class BuiltImage:
    """What building came to; without a digest, on a local cloud, nothing was executed."""

    image: str  # with its tag
    digest: str
    build: str  # the build's id, "" where the image was there
    detail: str
    changed: bool  # whether the stack's setting is another now

    @property
    def pinned(self) -> str:
        """The image by its digest, as the setting has it; "" where there is none."""
        return f"{self.image.rpartition(':')[0]}@{self.digest}" if self.digest else ""


def build_image(
    stack: Stack, outputs: Mapping[str, Any], location: str, say: Say, progress: Progress | None = None
) -> BuiltImage:
    """Build and push the serving image, unless this source's image is there; write it into the stack's file.

    Raises:
        StackError: the stack has no repository, or the build failed.
    """
    registry = outputs.get("registry") or {}
    if not registry:
        key = f"{NAMESPACE}:servingImage"
        remedy = f"pulumi config rm {key} --stack {stack.name}, then: invoke up --stack {stack.name}"
        raise StackError(
            f"Stack {stack.name!r} has no repository for an image of its own ({key} is set). Run: {remedy}"
        )
    source = pack_source(ROOT)
    where = f"{outputs['region']}-docker.pkg.dev/{outputs['project']}/{registry['repository']}"
    image = f"{where}/{NAMESPACE}:{source.tag}"
    digest = digest_of(connection_to(stack, "artifactregistry"), image)
    if digest:
        return _pinned(stack, BuiltImage(image, digest, "", "there already: the source is the same", False))
    asked = _uploaded(outputs, source, image, registry["buildAccount"])
    say(f"{len(source.files)} files, {len(source.archive):,} bytes: gs://{asked.bucket}/{asked.archive}")
    connection = connection_to(stack, "cloudbuild")
    started = start_build(connection, location, asked)
    say(f"build {started['id']} in {location}: {started.get('logUrl', 'no log')}")
    done = follow_build(connection, location, started, progress)
    return _pinned(stack, _result(stack, image, done))


def _uploaded(outputs: Mapping[str, Any], source: ImageSource, image: str, account: str) -> ImageBuild:
    bucket, name = outputs["bucket"], f"builds/{source.tag}.tar.gz"
    with tempfile.NamedTemporaryFile(suffix=".tar.gz") as file:
        file.write(source.archive)
        file.flush()
        upload_file(outputs, Path(file.name), f"gs://{bucket}/{name}")
    with in_one_line(outputs, f"gs://{bucket}/{name}"):
        blob = storage_client(outputs).bucket(bucket).blob(name)
        blob.reload()
    return ImageBuild(bucket, name, str(blob.generation), image, account)


def _result(stack: Stack, image: str, build: Json) -> BuiltImage:
    """Read a build that has ended.

    Raises:
        StackError: it failed; a local cloud's, which executes nothing, is no failure.
    """
    detail = " ".join(str(build.get("statusDetail", "")).split())
    if build["status"] == "SUCCESS":
        return BuiltImage(image, build["results"]["images"][0]["digest"], build["id"], detail, False)
    if stack.local_url and build["status"] == "EXPIRED":
        return BuiltImage(image, "", build["id"], detail, False)
    failure = build.get("failureInfo") or {}
    reason = (str(failure.get("detail") or "") or detail or "no reason given").rstrip(".")
    what = f"Build {build['id']} ended as {build['status'].lower()}"
    raise StackError(f"{what}: {reason}. Read its log, then run it again: {build.get('logUrl', 'invoke image')}")


def _pinned(stack: Stack, built: BuiltImage) -> BuiltImage:
    changed = bool(built.digest) and write_setting(stack, "servingImage", built.pinned)
    return BuiltImage(built.image, built.digest, built.build, built.detail, changed)
