"""Deployment from GitHub without a key: its tokens, of one repository, stand for two accounts of the stack.

Any branch previews, as an account that reads; one branch deploys, as an account that brings models, endpoints and the
notebook up to date. Neither can grant roles or make accounts, keys or networks: a person applies such changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gcp as gcp

from infra.names import Names
from infra.settings import Settings

ISSUER = "https://token.actions.githubusercontent.com"
IMPERSONATE = "roles/iam.workloadIdentityUser"
MAPPING = {
    "google.subject": "assertion.sub",
    "attribute.repository": "assertion.repository",
    "attribute.branch": "assertion.repository + '@' + assertion.ref",
}
READS = (  # what a preview and a refresh look at
    "roles/browser",
    "roles/iam.securityReviewer",
    "roles/serviceusage.serviceUsageConsumer",
    "roles/aiplatform.viewer",
)
CHANGES = ("roles/aiplatform.user",)
FOR_NOTEBOOK = ("roles/notebooks.admin",)


@dataclass(frozen=True)
class Shared:
    """What the two accounts work on."""

    bucket: gcp.storage.Bucket
    accounts: dict[str, gcp.serviceaccount.Account]  # those that the deployer lets models and notebook run as


def create_federation(
    settings: Settings, names: Names, shared: Shared, depends_on: Sequence[pulumi.Resource]
) -> dict[str, Any]:
    """Create pool, provider and accounts; return what the workflow's variables are set to."""
    deployer = _account("deployer", names.deployer_account, f"Deploys stack {names.stack}", depends_on)
    previewer = _account("previewer", names.previewer_account, f"Previews stack {names.stack}", depends_on)
    pool, provider = _pool(settings, names, deployer, depends_on)
    branch = f"{settings.github_repository}@refs/heads/{settings.github_branch}"
    _impersonates("deployer", deployer, pool, f"attribute.branch/{branch}")
    _impersonates("previewer", previewer, pool, f"attribute.repository/{settings.github_repository}")
    notebook = FOR_NOTEBOOK if settings.notebook else ()
    _project_roles(settings, "deployer", deployer, (*READS, *CHANGES, *notebook))
    _project_roles(settings, "previewer", previewer, READS)
    _bucket_roles(settings, shared.bucket, deployer, previewer)
    for name, account in shared.accounts.items():
        gcp.serviceaccount.IAMMember(
            f"deployer-acts-as-{name}",
            service_account_id=account.name,
            role="roles/iam.serviceAccountUser",
            member=deployer.member,
        )
    return {"workloadIdentityProvider": provider.name, "deployer": deployer.email, "previewer": previewer.email}


def _account(
    name: str, account_id: str, title: str, depends_on: Sequence[pulumi.Resource]
) -> gcp.serviceaccount.Account:
    return gcp.serviceaccount.Account(
        f"{name}-account",
        account_id=account_id,
        display_name=title,
        opts=pulumi.ResourceOptions(depends_on=depends_on),
    )


def _pool(
    settings: Settings, names: Names, deployer: gcp.serviceaccount.Account, depends_on: Sequence[pulumi.Resource]
) -> tuple[gcp.iam.WorkloadIdentityPool, gcp.iam.WorkloadIdentityPoolProvider]:
    """Create pool and provider; tokens of other repositories are refused before any role is looked at."""
    pool = gcp.iam.WorkloadIdentityPool(
        "pool",
        workload_identity_pool_id=deployer.unique_id.apply(names.pool),
        display_name="GitHub Actions",
        description=f"Workflows of {settings.github_repository}, for stack {names.stack}",
        opts=pulumi.ResourceOptions(depends_on=depends_on),
    )
    provider = gcp.iam.WorkloadIdentityPoolProvider(
        "pool-provider",
        workload_identity_pool_id=pool.workload_identity_pool_id,
        workload_identity_pool_provider_id="github",
        display_name="GitHub Actions",
        attribute_mapping=MAPPING,
        attribute_condition=f"assertion.repository == '{settings.github_repository}'",
        oidc={"issuer_uri": ISSUER},
    )
    return pool, provider


def _impersonates(name: str, account: gcp.serviceaccount.Account, pool: gcp.iam.WorkloadIdentityPool, who: str) -> None:
    gcp.serviceaccount.IAMMember(
        f"github-is-{name}",
        service_account_id=account.name,
        role=IMPERSONATE,
        member=pool.name.apply(lambda pool_name: f"principalSet://iam.googleapis.com/{pool_name}/{who}"),
    )


def _project_roles(settings: Settings, name: str, account: gcp.serviceaccount.Account, roles: Sequence[str]) -> None:
    for role in roles:
        short = role.rpartition("/")[2].replace(".", "-").lower()
        gcp.projects.IAMMember(f"{name}-{short}", project=settings.project, role=role, member=account.member)


def _bucket_roles(
    settings: Settings,
    bucket: gcp.storage.Bucket,
    deployer: gcp.serviceaccount.Account,
    previewer: gcp.serviceaccount.Account,
) -> None:
    """Bind what is needed of storage to the stack's bucket, and to the bucket of Pulumi's state where there is one."""
    granted: dict[str, tuple[pulumi.Input[str], str, gcp.serviceaccount.Account]] = {
        "deployer-keeps-bucket": (bucket.name, "roles/storage.admin", deployer),
        "previewer-reads-bucket": (bucket.name, "roles/storage.legacyBucketReader", previewer),
    }
    if settings.state_backend.startswith("gs://"):
        state = settings.state_backend.removeprefix("gs://").partition("/")[0]
        granted["deployer-writes-state"] = (state, "roles/storage.objectUser", deployer)
        granted["previewer-reads-state"] = (state, "roles/storage.objectViewer", previewer)
    for name, (of, role, account) in granted.items():
        gcp.storage.BucketIAMMember(name, bucket=of, role=role, member=account.member)
