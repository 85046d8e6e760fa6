"""Where the serving image is kept, in Artifact Registry, and the account that Cloud Build builds it as."""

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_gcp as gcp

from infra.encryption import Key
from infra.names import Names
from infra.serving_image import has_registry
from infra.settings import Settings


def create_registry(
    settings: Settings,
    names: Names,
    bucket: gcp.storage.Bucket,
    labels: dict[str, str],
    key: Key,
    depends_on: Sequence[pulumi.Resource],
) -> dict[str, Any]:
    """Create both, where the stack keeps its own image, and return what tasks know of them.

    The account reads the bucket, where sources are, writes the repository and its logs, no more.
    """
    if not has_registry(settings):
        return {}
    options = pulumi.ResourceOptions(depends_on=depends_on)
    repository = gcp.artifactregistry.Repository(
        "serving-repository",
        repository_id=names.repository,
        location=settings.region,
        format="DOCKER",
        description=f"Serving image of stack {names.stack}",
        labels=labels,
        kms_key_name=key.name,
        # Another key would be another repository, without its images; they hold no data
        opts=pulumi.ResourceOptions(
            depends_on=[*depends_on, *key.grants], protect=settings.production, ignore_changes=["kmsKeyName"]
        ),
    )
    account = gcp.serviceaccount.Account(
        "build-account", account_id=names.build_account, display_name=f"Builds of stack {names.stack}", opts=options
    )
    gcp.storage.BucketIAMMember(
        "build-reads-bucket", bucket=bucket.name, role="roles/storage.objectViewer", member=account.member
    )
    gcp.artifactregistry.RepositoryIamMember(
        "build-writes-repository",
        project=settings.project,
        location=settings.region,
        repository=repository.repository_id,
        role="roles/artifactregistry.writer",
        member=account.member,
    )
    gcp.projects.IAMMember(
        "build-writes-logs", project=settings.project, role="roles/logging.logWriter", member=account.member
    )
    return {"repository": repository.repository_id, "buildAccount": account.email}
