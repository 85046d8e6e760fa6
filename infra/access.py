"""Who may do what: one account for predictions, one for the notebook, each with the roles it needs and no more."""

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp

from infra.names import Names
from infra.settings import Settings


def create_prediction_account(
    settings: Settings, names: Names, bucket: gcp.storage.Bucket, depends_on: Sequence[pulumi.Resource]
) -> gcp.serviceaccount.Account:
    """Create the account that model servers run as: it reads the bucket.

    Vertex AI itself reads instances and writes predictions, as its own service agent. Dataflow's workers, where the
    stack has them, do so as this account.
    """
    account = gcp.serviceaccount.Account(
        "prediction-account",
        account_id=names.prediction_account,
        display_name=f"Predictions of stack {names.stack}",
        opts=pulumi.ResourceOptions(depends_on=depends_on),
    )
    gcp.storage.BucketIAMMember(
        "prediction-reads-bucket", bucket=bucket.name, role="roles/storage.objectViewer", member=account.member
    )
    if settings.dataflow:
        _allow_dataflow(settings, bucket, account)
    return account


def _allow_dataflow(settings: Settings, bucket: gcp.storage.Bucket, account: gcp.serviceaccount.Account) -> None:
    gcp.storage.BucketIAMMember(
        "prediction-uses-bucket", bucket=bucket.name, role="roles/storage.objectUser", member=account.member
    )
    gcp.projects.IAMMember(
        "prediction-runs-dataflow", project=settings.project, role="roles/dataflow.worker", member=account.member
    )


def create_notebook_account(
    settings: Settings,
    names: Names,
    bucket: gcp.storage.Bucket,
    prediction_account: gcp.serviceaccount.Account,
    depends_on: Sequence[pulumi.Resource],
) -> gcp.serviceaccount.Account:
    """Create the notebook's account: it uses the bucket's objects, starts jobs, and lets them run as predictions do."""
    account = gcp.serviceaccount.Account(
        "notebook-account",
        account_id=names.notebook_account,
        display_name=f"Notebook of stack {names.stack}",
        opts=pulumi.ResourceOptions(depends_on=depends_on),
    )
    gcp.storage.BucketIAMMember(
        "notebook-uses-bucket", bucket=bucket.name, role="roles/storage.objectUser", member=account.member
    )
    gcp.projects.IAMMember(
        "notebook-uses-vertex", project=settings.project, role="roles/aiplatform.user", member=account.member
    )
    gcp.serviceaccount.IAMMember(
        "notebook-acts-as-prediction",
        service_account_id=prediction_account.name,
        role="roles/iam.serviceAccountUser",
        member=account.member,
    )
    return account
