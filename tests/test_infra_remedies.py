"""What Google refuses ends in one line with what helps: the quota, the permission, the API, the constraint by name."""

from typing import Any

import pytest
from google.api_core.exceptions import from_http_status
from hypothesis import given
from hypothesis import strategies as st

from infra.remedies import remedy
from infra.storage_client import StorageError, in_one_line

INFO = "type.googleapis.com/google.rpc.ErrorInfo"
QUOTA = {
    "quota_metric": "aiplatform.googleapis.com/custom_model_serving_cpus",
    "quota_limit": "CustomModelServingCPUsPerProjectPerRegion",
    "quota_limit_value": "0",
    "quota_location": "europe-west4",
}


def info(reason: str, **metadata: str) -> dict[str, Any]:
    """Return the details of an error."""
    return {"details": [{"@type": INFO, "reason": reason, "metadata": metadata}]}


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            403,
            {"message": "Cloud Build API has not been used in project 1 before or it is disabled."},
            "Run: gcloud services enable cloudbuild.googleapis.com --project my-project",
        ),
        (403, info("SERVICE_DISABLED", service="ml.googleapis.com"), "gcloud services enable ml.googleapis.com"),
        (403, info("BILLING_DISABLED"), "gcloud billing projects link my-project --billing-account ACCOUNT"),
        (403, {"message": "The billing account for the owning project is disabled"}, "gcloud billing projects link"),
        (
            403,
            {**info("IAM_PERMISSION_DENIED", permission="cloudbuild.builds.create"), "message": "Permission denied"},
            "roles/cloudbuild.builds.editor (cloudbuild.builds.create), who runs: gcloud projects add-iam",
        ),
        (
            403,
            {"message": "Permission 'cloudbuild.builds.create' denied on resource (or it may not exist)."},
            "(cloudbuild.builds.create)",
        ),
        (403, {"message": "a@b.c does not have storage.objects.get access to the object."}, "(storage.objects.get)"),
        (
            429,
            {"message": "Resource exhausted", **info("RATE_LIMIT_EXCEEDED", **QUOTA)},
            "quota CustomModelServingCPUsPerProjectPerRegion (limit 0 in europe-west4): https://console",
        ),
        (
            429,
            {"message": "The following quotas are exceeded: CustomModelServingCPUsPerProjectPerRegion"},
            "Ask for more of quota CustomModelServingCPUsPerProjectPerRegion: https://console.cloud.google.com",
        ),
        (
            429,
            {"message": "Quota exceeded for quota metric 'Build Create requests' and limit 'x' of service 'y'"},
            "Ask for more of quota Build Create requests: https://console",
        ),
        (
            429,
            {"message": "Too many"},
            "Ask for quota: https://console.cloud.google.com/iam-admin/quotas?project=my-project",
        ),
        (
            429,
            {
                "details": [
                    {"@type": "QuotaFailure", "violations": [{"subject": "project:1", "description": "no GPUs"}]}
                ]
            },
            "Ask for more of quota project:1 no GPUs",
        ),
        (
            412,
            {"message": "'us-central1' violates constraint 'constraints/gcp.resourceLocations'"},
            "gcloud resource-manager org-policies describe gcp.resourceLocations --project my-project",
        ),
        (
            400,
            {"message": "cannot run builds in this region: due to quota restrictions"},
            "Run with: --location global",
        ),
        (401, {}, "gcloud auth application-default login"),
        (503, {}, "Try again later"),
    ],
)
def test_a_refusal_has_its_remedy(status: int, body: dict[str, Any], said: str) -> None:
    """By details where there are some, else by the words that Google's services use."""
    assert said in remedy("cloudbuild", "my-project", status, body)


def test_storage_refusals_have_the_same_remedies() -> None:
    """The storage client's exceptions are read like any other answer."""
    outputs = {"project": "my-project", "storageEndpoint": "https://storage.googleapis.com"}
    message = "x@y.z does not have storage.objects.create access to the Google Cloud Storage object"
    with (
        pytest.raises(StorageError, match=r"roles/storage\.admin \(storage\.objects\.create\)") as caught,
        in_one_line(outputs, "gs://b-b/o"),
    ):
        raise from_http_status(403, message)  # type: ignore[no-untyped-call]  # google-api-core annotates it halfway
    assert "\n" not in str(caught.value)


@given(
    st.integers(300, 599),
    st.dictionaries(
        st.sampled_from(["message", "details", "errors", "status"]),
        st.none() | st.text() | st.lists(st.none() | st.text() | st.dictionaries(st.text(), st.text(), max_size=2)),
    ),
)
def test_any_error_has_some_remedy(status: int, body: dict[str, Any]) -> None:
    """However odd an answer is, the line ends with something to do."""
    assert remedy("aiplatform", "my-project", status, body)
