"""The ground that everything else stands on: enabled APIs, and the bucket for instances, models and predictions."""

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp

from infra.encryption import Key
from infra.serving_image import has_registry
from infra.setting_table import CLASSIC
from infra.settings import Settings

ALWAYS = ("aiplatform", "cloudresourcemanager", "iam", "storage")
FOR_IMAGE = ("artifactregistry", "cloudbuild")
FOR_NOTEBOOK = ("compute", "notebooks")
FOR_PLATFORM = {CLASSIC: ("ml",)}
FOR_NETWORK = ("compute",)
FOR_KEY = ("cloudkms",)
FOR_DATAFLOW = ("compute", "dataflow")
FOR_GITHUB = ("iamcredentials", "sts")
STALE_DAYS = 7  # how long replaced or deleted objects, and unfinished uploads, are kept


def enable_apis(settings: Settings) -> list[gcp.projects.Service]:
    """Enable the APIs that the stack needs; `destroy` leaves them on, for others of the project may use them."""
    return [
        gcp.projects.Service(f"{name}-api", service=f"{name}.googleapis.com", disable_on_destroy=False)
        for name in wanted_apis(settings)
    ]


def wanted_apis(settings: Settings) -> tuple[str, ...]:
    """Return the names of the APIs that a stack uses, without their domain."""
    platform = FOR_PLATFORM.get(settings.platform, ())
    groups = {
        FOR_IMAGE: has_registry(settings),
        FOR_NOTEBOOK: settings.notebook,
        FOR_NETWORK: settings.private_network,
        FOR_KEY: bool(settings.kms_key),
        FOR_DATAFLOW: settings.dataflow,
        FOR_GITHUB: bool(settings.github_repository),
    }
    wanted = (name for group, on in groups.items() if on for name in group)
    return tuple(dict.fromkeys((*ALWAYS, *wanted, *platform)))


def create_bucket(
    settings: Settings, labels: dict[str, str], key: Key, depends_on: Sequence[pulumi.Resource]
) -> gcp.storage.Bucket:
    """Create the bucket: never public, IAM only, old generations kept a while, predictions deleted after their time."""
    return gcp.storage.Bucket(
        "bucket",
        name=settings.bucket,
        location=settings.region,
        uniform_bucket_level_access=True,
        public_access_prevention="enforced",
        versioning={"enabled": True},
        soft_delete_policy={"retention_duration_seconds": settings.soft_delete_days * 24 * 3600},
        lifecycle_rules=_lifecycle_rules(settings),
        encryption={"default_kms_key_name": key.name} if key.name else None,
        labels=labels,
        force_destroy=settings.force_destroy,
        # The provider would delete a named bucket first; this way a new name that is taken costs nothing
        opts=pulumi.ResourceOptions(
            depends_on=[*depends_on, *key.grants], delete_before_replace=False, protect=settings.production
        ),
    )


def _lifecycle_rules(settings: Settings) -> list[dict[str, object]]:
    delete = {"type": "Delete"}
    return [
        {"action": delete, "condition": {"age": settings.predictions_ttl_days, "matches_prefixes": ["predictions/"]}},
        {"action": delete, "condition": {"days_since_noncurrent_time": STALE_DAYS, "with_state": "ARCHIVED"}},
        {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": STALE_DAYS}},
    ]
