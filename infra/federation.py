"""Deployment from GitHub without a key: its tokens, of one repository, stand for two accounts of the stack.

Any branch previews, as an account that only reads; one branch deploys, as an account that brings models, versions and
endpoints up to date. Neither can write the bucket's data, change the notebook, grant roles or make accounts, keys or
networks: a person applies such changes.
"""

from __future__ import annotations

from collections.abc import Sequence
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
READS = "roles/browser"  # of the project, what it is called and its number
CHANGES = "roles/aiplatform.user"
OF_BUCKET = ("roles/storage.legacyBucketReader", "roles/storage.objectViewer")  # models come from there


def create_federation(
    settings: Settings,
    names: Names,
    bucket: gcp.storage.Bucket,
    prediction_account: gcp.serviceaccount.Account,
    depends_on: Sequence[pulumi.Resource],
) -> dict[str, Any]:
    """Create pool, provider and accounts, where the stack names a repository; return what the workflow has to know."""
    if not settings.github_repository:
        return {}
    deployer = _account("deployer", names.deployer_account, f"Deploys stack {names.stack}", depends_on)
    previewer = _account("previewer", names.previewer_account, f"Previews stack {names.stack}", depends_on)
    pool, provider = _pool(settings, names, deployer, depends_on)
    branch = f"{settings.github_repository}@refs/heads/{settings.github_branch}"
    _impersonates("deployer", deployer, pool, f"attribute.branch/{branch}")
    _impersonates("previewer", previewer, pool, f"attribute.repository/{settings.github_repository}")
    _project_roles(settings, "deployer", deployer, (READS, CHANGES))
    _project_roles(settings, "previewer", previewer, (READS,))
    for role in OF_BUCKET:
        gcp.storage.BucketIAMMember(f"deployer-{_short(role)}", bucket=bucket.name, role=role, member=deployer.member)
    _state_roles(settings, deployer, previewer)
    gcp.serviceaccount.IAMMember(
        "deployer-acts-as-prediction",
        service_account_id=prediction_account.name,
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
        gcp.projects.IAMMember(f"{name}-{_short(role)}", project=settings.project, role=role, member=account.member)


def _state_roles(
    settings: Settings, deployer: gcp.serviceaccount.Account, previewer: gcp.serviceaccount.Account
) -> None:
    """Let one write and the other read Pulumi's state, where that is in a bucket."""
    if not settings.state_backend.startswith("gs://"):
        return
    state = settings.state_backend.removeprefix("gs://").partition("/")[0]
    granted = {
        "deployer-writes-state": ("roles/storage.objectUser", deployer),
        "previewer-reads-state": ("roles/storage.objectViewer", previewer),
    }
    for name, (role, account) in granted.items():
        gcp.storage.BucketIAMMember(name, bucket=state, role=role, member=account.member)


def _short(role: str) -> str:
    return role.rpartition("/")[2].replace(".", "-").lower()
