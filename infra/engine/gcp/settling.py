"""Changes that are none: the provider's diff suppressions, each `(prior, planned) -> planned`."""

import json
import re
from typing import Any

PROVIDED_TAGS = ("deeplearning-vm", "notebook-instance")  # added by Workbench to every instance
FIXED_METADATA = "serial-port-logging-enable"
PROVIDED_METADATA = frozenset(
    [
        "agent-health-check-interval-seconds",
        "agent-health-check-path",
        "container",
        "cos-update-strategy",
        "custom-container-image",
        "custom-container-payload",
        "data-disk-uri",
        "dataproc-allow-custom-clusters",
        "dataproc-cluster-name",
        "dataproc-configs",
        "dataproc-default-subnet",
        "dataproc-locations-list",
        "dataproc-machine-types-list",
        "dataproc-notebooks-url",
        "dataproc-region",
        "dataproc-service-account",
        "disable-check-xsrf",
        "framework",
        "generate-diagnostics-bucket",
        "generate-diagnostics-file",
        "generate-diagnostics-options",
        "google-logging-enabled",
        "image-url",
        "install-monitoring-agent",
        "install-nvidia-driver",
        "installed-extensions",
        "instance-region",
        "last_updated_diagnostics",
        "notebooks-api",
        "notebooks-api-version",
        "notebooks-examples-location",
        "notebooks-location",
        "proxy-backend-id",
        "proxy-byoid-url",
        "proxy-mode",
        "proxy-status",
        "proxy-url",
        "proxy-user-mail",
        "report-container-health",
        "report-event-url",
        "report-notebook-metrics",
        "report-system-health",
        "report-system-status",
        "resource-url",
        "restriction",
        "service-account-mode",
        "shutdown-script",
        "title",
        "use-collaborative",
        "user-data",
        "version",
        "disable-swap-binaries",
        "enable-guest-attributes",
        "enable-oslogin",
        "proxy-registration-url",
    ]
)
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _unless_same(same: bool, prior: Any, planned: Any) -> Any:
    return prior if same else planned


def last_segment(prior: Any, planned: Any) -> Any:
    """A name and a path that ends in it are the same."""
    return _unless_same(_tail(prior) == _tail(planned), prior, planned)


def relative_path(prior: Any, planned: Any) -> Any:
    """A resource's path and its full address are the same."""
    return _unless_same(_path(prior) == _path(planned), prior, planned)


def any_case(prior: Any, planned: Any) -> Any:
    """Upper and lower case are the same."""
    return _unless_same(str(prior).lower() == str(planned).lower(), prior, planned)


def principal(prior: Any, planned: Any) -> Any:
    """E-mail addresses know no case; principals of workload identities do."""
    return planned if case_sensitive(str(planned)) else any_case(prior, planned)


def key_version(prior: Any, planned: Any) -> Any:
    """A key and a version of it are the same."""
    return _unless_same(bool(planned) and str(prior).startswith(str(planned)), prior, planned)


def own_prefix(prior: Any, planned: Any) -> Any:
    """What stands may extend what was given."""
    return _unless_same(str(prior or "").startswith(str(planned or "")), prior, planned)


def json_text(prior: Any, planned: Any) -> Any:
    """Equal JSON is the same, however written."""
    return _unless_same(_parsed(prior) == _parsed(planned), prior, planned)


def duration(prior: Any, planned: Any) -> Any:
    """86400s and 1d are the same."""
    return _unless_same(seconds(prior) == seconds(planned), prior, planned)


def tags(prior: Any, planned: Any) -> Any:
    """The tags that Workbench adds are no change."""
    same = isinstance(planned, list) and sorted(prior or []) == sorted([*planned, *PROVIDED_TAGS])
    return _unless_same(same, prior, planned)


def metadata(prior: Any, planned: Any) -> Any:
    """Metadata that Workbench sets is no change, nor is the absence of what it set itself."""
    if not isinstance(prior, dict) or not isinstance(planned, dict):
        return planned
    kept = {key: value for key, value in prior.items() if key in PROVIDED_METADATA}
    if FIXED_METADATA in prior and FIXED_METADATA not in planned:
        kept[FIXED_METADATA] = prior[FIXED_METADATA]
    return {key: value for key, value in planned.items() if key not in PROVIDED_METADATA} | kept


def metadata_forces(prior: Any, planned: Any) -> bool:
    """Serial port logging is decided when the machine is made."""
    both = isinstance(prior, dict) and isinstance(planned, dict)
    return both and prior.get(FIXED_METADATA) != planned.get(FIXED_METADATA)


def unlocked(prior: Any, planned: Any) -> bool:
    """A locked retention policy cannot be unlocked in place."""
    return prior is True and planned is not True


def off_is_absent(prior: Any, planned: Any) -> Any:
    """A block that only says `enabled: false` is the same as none."""
    old, new = prior or {"enabled": False}, planned or {"enabled": False}
    off = isinstance(new, dict) and not old.get("enabled") and not new.get("enabled")
    return _unless_same(off and (prior is None or planned is None), prior, planned)


def filter_off(prior: Any, planned: Any) -> Any:
    """A disabled filter may be left out."""
    return _unless_same(planned is None and bool(prior) and prior.get("mode") == "Disabled", prior, planned)


def kept_when_empty(prior: Any, planned: Any) -> Any:
    """Leaving the text out is no change."""
    return _unless_same(bool(prior) and not planned, prior, planned)


def maven(prior: Any, planned: Any) -> Any:
    """Missing, empty and default Maven settings are the same."""

    def meaning(value: Any) -> tuple[bool, str]:
        item = value or {}
        return bool(item.get("allowSnapshotOverwrites")), str(item.get("versionPolicy") or "VERSION_POLICY_UNSPECIFIED")

    return _unless_same(meaning(prior) == meaning(planned), prior, planned)


def any_order(prior: Any, planned: Any) -> Any:
    """Objects in another order are the same."""

    def ordered(value: Any) -> list[str]:
        return sorted(json.dumps(item, sort_keys=True) for item in value or [])

    return _unless_same(ordered(prior) == ordered(planned), prior, planned)


def case_sensitive(member: str) -> bool:
    """Tell whether case matters in an IAM principal."""
    return member.startswith(("principal:", "principalSet:", "principalHierarchy:"))


def seconds(value: Any) -> Any:
    """Return a duration in seconds; what is none, as it is."""
    found = re.fullmatch(r"(\d+)([smhd])", str(value))
    return int(found[1]) * SECONDS[found[2]] if found else value


def _tail(value: Any) -> str:
    return str(value).rstrip("/").rsplit("/", 1)[-1]


def _path(value: Any) -> str:
    return re.sub(r"^.*?(?=projects/)", "", str(value))


def _parsed(value: Any) -> Any:
    try:
        return json.loads(value) if value else None
    except (TypeError, ValueError):
        return value
