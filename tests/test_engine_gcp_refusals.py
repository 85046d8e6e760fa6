"""What the provider does when the cloud says no: taken names, leftovers of a killed create, lost races, policies."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.engine.gcp import GcpProvider
from infra.engine.gcp.rest import ApiError
from infra.engine.providers import Created, Properties, ProviderError, Standing
from tests.cloud import LocalCloud
from tests.real_stack import settings

BUCKET = "urn:pulumi:local::trace::gcp:storage/bucket:Bucket::data"
ACCOUNT = "urn:pulumi:local::trace::gcp:serviceaccount/account:Account::runner"
MEMBER = "urn:pulumi:local::trace::gcp:projects/iAMMember:IAMMember::user"
ENDPOINT = "urn:pulumi:local::trace::gcp:vertex/aiEndpoint:AiEndpoint::ep"
REPOSITORY = "urn:pulumi:local::trace::gcp:artifactregistry/repository:Repository::repo"
NOTEBOOK = "urn:pulumi:local::trace::gcp:workbench/instance:Instance::nb"
SERVICE = "urn:pulumi:local::trace::gcp:projects/service:Service::api"
OBJECT = "urn:pulumi:local::trace::gcp:storage/bucketObject:BucketObject::file"


@pytest.fixture(scope="module")
def provider(local_cloud: LocalCloud) -> Iterator[GcpProvider]:
    """A provider on the local cloud."""
    made = GcpProvider(settings(local_cloud.url))
    yield made
    made.close()


def create(provider: GcpProvider, urn: str, program: Properties) -> Created:
    """Check and create a resource."""
    inputs, failures = provider.check(urn, None, program)
    assert failures == []
    return provider.create(urn, inputs, 0, preview=False)


@pytest.mark.parametrize(
    ("urn", "program"),
    [
        (
            BUCKET,
            {"name": "left-over", "location": "us-central1", "labels": {"a": "b"}, "versioning": {"enabled": True}},
        ),
        (ACCOUNT, {"accountId": "left-over", "displayName": "One"}),
        (
            NOTEBOOK,
            {"name": "left-over", "location": "us-central1-a", "gceSetup": {"tags": ["a"], "metadata": {"b": "c"}}},
        ),
        (REPOSITORY, {"repositoryId": "left-over", "location": "us-central1", "format": "DOCKER"}),
        (MEMBER, {"project": "demo-project", "role": "roles/browser", "member": "user:left@example.com"}),
        (SERVICE, {"service": "dataflow.googleapis.com", "disableOnDestroy": True}),
        (ENDPOINT, {"name": "777", "displayName": "e", "location": "us-central1"}),
    ],
)
def test_leftover_of_a_killed_create_is_taken_over(provider: GcpProvider, urn: str, program: Properties) -> None:
    """A second create of the same finds what the first one made, and makes no second copy."""
    first = create(provider, urn, program)
    again = create(provider, urn, program)
    assert (again.id, again.outputs) == (first.id, first.outputs)
    provider.delete(Standing(urn, first.id, {}, first.outputs), 0)


def test_other_bucket_of_the_same_name_is_not_taken_over(provider: GcpProvider) -> None:
    """A bucket that differs in what the program says stays as it is; the error names both."""
    made = create(provider, BUCKET, {"name": "taken", "location": "us-central1", "labels": {"a": "b"}})
    with pytest.raises(
        ProviderError, match=r"Bucket 'taken' exists already and it differs in .*labels.*location.*another name.*stack"
    ):
        create(provider, BUCKET, {"name": "taken", "location": "EU", "labels": {"a": "c"}})
    provider.delete(Standing(BUCKET, made.id, {}, made.outputs), 0)


def test_bucket_without_the_providers_label_is_not_taken_over(provider: GcpProvider) -> None:
    """A bucket that somebody else made lacks the label that the provider puts on its own."""
    base = provider.config["storageCustomEndpoint"]
    provider.cloud.call("POST", f"{base}b", {"name": "foreign", "location": "EU"}, {"project": "demo-project"})
    with pytest.raises(ProviderError, match=r"Bucket 'foreign' exists already and it differs in .*effectiveLabels"):
        create(provider, BUCKET, {"name": "foreign", "location": "EU"})


def test_repository_that_cannot_be_compared_is_not_taken_over(provider: GcpProvider) -> None:
    """A type that is replaced create first takes nothing over whose difference the service would not tell."""
    remote = {"dockerRepository": {"publicRepository": "DOCKER_HUB"}}
    mode = {"format": "DOCKER", "mode": "REMOTE_REPOSITORY", "remoteRepositoryConfig": remote}
    program = {"repositoryId": "mirror", "location": "us-central1", **mode}
    create(provider, REPOSITORY, program)
    create(provider, REPOSITORY, program)
    unchecked = {**program, "remoteRepositoryConfig": {**remote, "disableUpstreamValidation": True}}
    with pytest.raises(ProviderError, match=r"Repository 'mirror' exists already and what the service does not tell"):
        create(provider, REPOSITORY, unchecked)


def test_service_answers_are_one_line(provider: GcpProvider) -> None:
    """Google's message, the resource and the code stand in one line."""
    with pytest.raises(ProviderError, match=r"^Bucket 'lukewarm' was not created: .* \(400\)$"):
        create(provider, BUCKET, {"name": "lukewarm", "location": "EU", "storageClass": "LUKEWARM"})


def test_bucket_with_objects_stays_unless_forced(provider: GcpProvider) -> None:
    """Objects are deleted only where the program said so, then in every generation."""
    bucket = create(provider, BUCKET, {"name": "full", "location": "EU", "versioning": {"enabled": True}})
    for text in ("one", "two"):
        create(provider, OBJECT, {"bucket": "full", "name": "o", "content": text})
    with pytest.raises(ProviderError, match=r"Bucket 'full' was not deleted: it holds objects .*force_destroy"):
        provider.delete(Standing(BUCKET, bucket.id, {}, bucket.outputs), 0)
    provider.delete(Standing(BUCKET, bucket.id, {}, {**bucket.outputs, "forceDestroy": True}), 0)
    assert provider.read(Standing(BUCKET, bucket.id, {}, bucket.outputs)) is None


def test_deletion_policy_is_kept(provider: GcpProvider) -> None:
    """PREVENT refuses, ABANDON leaves the resource where it is."""
    made = create(provider, BUCKET, {"name": "kept", "location": "EU"})
    with pytest.raises(ProviderError, match="deletion_policy is PREVENT"):
        provider.delete(Standing(BUCKET, made.id, {}, {**made.outputs, "deletionPolicy": "PREVENT"}), 0)
    provider.delete(Standing(BUCKET, made.id, {}, {**made.outputs, "deletionPolicy": "ABANDON"}), 0)
    assert provider.read(Standing(BUCKET, made.id, {}, made.outputs)) is not None


def test_members_written_at_once_are_all_there(local_cloud: LocalCloud) -> None:
    """Writers that lose the race for a policy read it again: none is lost, and all can go again."""
    writers = [GcpProvider(settings(local_cloud.url)) for _ in range(4)]
    names = [f"user:racer{number}@example.com" for number in range(12)]

    def member(name: str) -> Properties:
        return {"project": "demo-project", "role": "roles/browser", "member": name}

    with ThreadPoolExecutor(len(writers)) as pool:
        jobs = [pool.submit(create, writers[place % 4], MEMBER, member(name)) for place, name in enumerate(names)]
        made = [job.result() for job in jobs]
    stands = [Standing(MEMBER, one.id, {}, one.outputs) for one in made]
    assert all(writers[0].read(one) for one in stands)
    for one in stands:
        writers[0].delete(one, 0)
    assert not any(writers[0].read(one) for one in stands)
    for writer in writers:
        writer.close()


def test_stale_policy_is_read_again(provider: GcpProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer 409 to setIamPolicy leads to a fresh read, not to a lost binding."""
    send = provider.cloud.send
    refusals = iter([True, True])
    lock = threading.Lock()

    def losing(method: str, url: str, data: bytes | None, headers: dict[str, str]) -> dict[str, object]:
        with lock:
            if url.endswith(":setIamPolicy") and next(refusals, False):
                raise ApiError(409, "There were concurrent policy changes. (409)")
        return send(method, url, data, headers)

    monkeypatch.setattr(provider.cloud, "send", losing)
    made = create(provider, MEMBER, {"project": "demo-project", "role": "roles/editor", "member": "user:a@example.com"})
    assert made.id == "demo-project/roles/editor/user:a@example.com"
    provider.delete(Standing(MEMBER, made.id, {}, made.outputs), 0)


def test_large_file_is_streamed(provider: GcpProvider, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A file beyond what fits a whole upload goes up in a resumable one, and its hash is the file's."""
    path = tmp_path_factory.mktemp("large") / "large.bin"
    path.write_bytes(bytes(range(256)) * (9 << 12))
    bucket = create(provider, BUCKET, {"name": "large", "location": "EU", "forceDestroy": True})
    source = {"4dabf18193072939515e22adb298388d": "c44067f5952c0a294b673a41bacd8c17", "path": str(path)}
    made = create(provider, OBJECT, {"bucket": "large", "name": "o", "source": source})
    stands = Standing(OBJECT, made.id, {"bucket": "large", "name": "o", "source": source}, made.outputs)
    assert made.outputs["source"] == source
    assert not provider.diff(stands, stands.inputs, []).changed
    path.write_bytes(b"other")
    assert "detectMd5hash" in provider.diff(stands, stands.inputs, []).properties
    provider.delete(Standing(BUCKET, bucket.id, {}, bucket.outputs), 0)
