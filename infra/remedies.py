"""What to do about a refusal of Google's: from an error's status, words and details to the command that helps."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

LOGIN = "Run: gcloud auth application-default login"
ROLES = {  # what whoever was refused asks for, by API
    "aiplatform": "aiplatform.user",
    "artifactregistry": "artifactregistry.reader",
    "cloudbuild": "cloudbuild.builds.editor",
    "storage": "storage.admin",
}
QUOTAS = "https://console.cloud.google.com/iam-admin/quotas?project={}"
# What Vertex AI says where the SavedModel that a model names is gone, or is none
BAD_ARTIFACT = ("Model directory gs://", "model server never became ready")
PERMISSION = re.compile(
    r"[Pp]ermission[: ]*'?([a-z]+\.[a-zA-Z]+\.[a-zA-Z]+)'?|([a-z]+\.[a-zA-Z]+\.[a-zA-Z]+) (?:access|permission)"
)
CONSTRAINT = re.compile(r"constraints/[\w.-]+")
EXCEEDED = re.compile(
    r"(?:quotas are exceeded:|[Qq]uota metric|[Qq]uota exceeded for quota metric) *'?([\w./ -]+?)(?:['.,]|$)"
)


def remedy(api: str, project: str, status: int, body: Mapping[str, Any]) -> str:
    """Return what helps against an error: the envelope's `error`, or an operation's, of an API."""
    message = str(body.get("message", ""))
    constraint = CONSTRAINT.search(message)
    if constraint:
        name = constraint[0].removeprefix("constraints/")
        shows = f"gcloud resource-manager org-policies describe {name} --project {project}"
        return f"Ask the organization to allow it: {shows}"
    if status == 400 and any(words in message for words in BAD_ARTIFACT):
        return "Run: invoke upload, then: invoke up"
    if status == 400 and "cannot run builds in this region" in message:
        return "Run with: --location global"
    if status == 403:
        return _forbidden(api, project, message, body)
    if status == 429 or "RESOURCE_EXHAUSTED" in message:
        return _exhausted(project, message, body)
    return {
        400: "Correct what it names, then run it again",
        401: LOGIN,
        404: "Run: invoke up",
        409: "Run: invoke refresh, then: invoke up",
    }.get(status, "Try again later")


def is_off(body: Mapping[str, Any]) -> bool:
    """Say whether an error is that the project has not enabled the API."""
    return _info(body).get("reason") == "SERVICE_DISABLED" or "has not been used in project" in str(body.get("message"))


def _forbidden(api: str, project: str, message: str, body: Mapping[str, Any]) -> str:
    info = _info(body)
    metadata = info.get("metadata") or {}
    reason = info.get("reason", "")
    if is_off(body):
        return f"Run: gcloud services enable {metadata.get('service') or f'{api}.googleapis.com'} --project {project}"
    if reason == "BILLING_DISABLED" or "billing" in message.lower():
        return f"Run: gcloud billing projects link {project} --billing-account ACCOUNT"
    if reason in {"RATE_LIMIT_EXCEEDED", "rateLimitExceeded", "quotaExceeded"}:
        return _exhausted(project, message, body)
    found = PERMISSION.search(message)
    permission = metadata.get("permission") or (found and (found[1] or found[2])) or ""
    lacking = f" ({permission})" if permission else ""
    role = f"roles/{ROLES.get(api, 'viewer')}"
    grant = f"gcloud projects add-iam-policy-binding {project} --member user:YOU --role {role}"
    return f"Ask an owner of {project!r} for {role}{lacking}, who runs: {grant}"


def _exhausted(project: str, message: str, body: Mapping[str, Any]) -> str:
    """Name the quota, its limit and place, as far as the details or the words do."""
    metadata = _info(body).get("metadata") or {}
    found = EXCEEDED.search(message)
    violated = [f"{each.get('subject', '')} {each.get('description', '')}".strip() for each in _violations(body)]
    name = (
        metadata.get("quota_limit")
        or metadata.get("quota_metric")
        or (found[1] if found else "")
        or "".join(violated[:1])
    )
    place = f" in {metadata['quota_location']}" if metadata.get("quota_location") else ""
    limit = f" (limit {metadata['quota_limit_value']}{place})" if metadata.get("quota_limit_value") else place
    what = f"Ask for more of quota {name}{limit}" if name else "Ask for quota"
    return f"{what}: {QUOTAS.format(project)}, or try again later"


def _info(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return google.rpc.ErrorInfo, or the reason that the first generation's APIs give."""
    for detail in _details(body):
        if "reason" in detail:
            return detail
    errors = body.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else {}
    return {"reason": first["reason"]} if isinstance(first, Mapping) and "reason" in first else {}


def _violations(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return google.rpc.QuotaFailure's violations."""
    return [each for detail in _details(body) for each in detail.get("violations", ()) if isinstance(each, Mapping)]


def _details(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    details = body.get("details")
    return (each for each in (details if isinstance(details, list) else ()) if isinstance(each, Mapping))
