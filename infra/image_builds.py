"""Cloud Build as verbs: a build from an archive in the bucket to an image in Artifact Registry, followed to its end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.google_client import Connection, Json, PredictionApiError, client, execute
from infra.image_source import DOCKERFILE
from infra.operations import Progress, follow

BUILD_LIMIT = 1800  # seconds; TensorFlow's wheel is fetched, unpacked and pushed in about five minutes
GRACE = 600.0  # seconds that a build may wait for a machine before its own time begins
GOING = ("QUEUED", "PENDING", "WORKING")
BUILDER = "gcr.io/cloud-builders/docker"


@dataclass(frozen=True)
class ImageBuild:
    """What a build is asked for: an archive in a bucket, the image's address with its tag, the account it runs as."""

    bucket: str
    archive: str
    generation: str
    image: str
    account: str

    @property
    def tag(self) -> str:
        """The image's tag, by which the build is found again."""
        return self.image.rpartition(":")[2]

    def body(self, project: str) -> Json:
        """Return the request's body; Cloud Build wants logs in Cloud Logging where the account is the user's own."""
        context = ["--file", DOCKERFILE, "--tag", self.image, "."]
        return {
            "source": {"storageSource": {"bucket": self.bucket, "object": self.archive, "generation": self.generation}},
            "steps": [{"id": "image", "name": BUILDER, "args": ["build", *context]}],
            "images": [self.image],
            "serviceAccount": f"projects/{project}/serviceAccounts/{self.account}",
            "options": {"logging": "CLOUD_LOGGING_ONLY"},
            "timeout": f"{BUILD_LIMIT}s",
            "tags": [self.tag],
        }


def start_build(connection: Connection, location: str, build: ImageBuild) -> Json:
    """Start a build, or return the one of the same source that is under way: a second would be paid for."""
    going = [each for each in list_builds(connection, location, build.tag) if each.get("status") in GOING]
    if going:
        return going[0]
    body = build.body(connection.project)
    request = _builds(connection).create(parent=_parent(connection, location), body=body)
    operation = execute(connection, request, f"the build of {build.image}")
    found: Json = operation["metadata"]["build"]
    return found


def list_builds(connection: Connection, location: str, tag: str) -> list[Json]:
    """Return the builds with a tag, newest first."""
    builds = _builds(connection)
    request = builds.list(parent=_parent(connection, location), filter=f'tags="{tag}"')
    found: list[Json] = []
    while request is not None:
        answer = execute(connection, request, "builds")
        found += answer.get("builds", [])
        request = builds.list_next(request, answer)
    return found


def get_build(connection: Connection, location: str, id_: str) -> Json:
    """Return a build as it stands."""
    name = f"{_parent(connection, location)}/builds/{id_}"
    return execute(connection, _builds(connection).get(name=name), name)


def follow_build(
    connection: Connection, location: str, build: Json, progress: Progress | None = None, limit: float = 0
) -> Json:
    """Follow a build to its end, whatever that is (see its `status`); `progress` gets it at each look.

    Raises:
        PredictionApiError: it has not ended within `limit` seconds (it goes on at Google then).
    """
    limit = limit or BUILD_LIMIT + GRACE
    done = follow(lambda: get_build(connection, location, build["id"]), ended, build, limit, progress)
    if done is None:
        msg = f"Build {build['id']} has not ended after {limit:.0f} s; it goes on. Run: invoke image, which follows it"
        raise PredictionApiError(msg)
    return done


def ended(build: Mapping[str, Any]) -> bool:
    """Say whether a build has ended, well or not."""
    return build.get("status") not in GOING


def digest_of(connection: Connection, image: str) -> str:
    """Return the digest of an image that is in Artifact Registry under a tag, or ""."""
    host, project, repository, rest = image.split("/")
    package, _, tag = rest.partition(":")
    place = f"projects/{project}/locations/{host.removesuffix('-docker.pkg.dev')}/repositories/{repository}"
    tags = client(connection).projects().locations().repositories().packages().tags()
    name = f"{place}/packages/{package}/tags/{tag}"
    try:
        found = execute(connection, tags.get(name=name), name)
    except PredictionApiError as error:
        if error.status == 404:
            return ""
        raise
    return str(found["version"]).rpartition("/")[2]


def _builds(connection: Connection) -> Any:
    return client(connection).projects().locations().builds()


def _parent(connection: Connection, location: str) -> str:
    return f"projects/{connection.project}/locations/{location}"
