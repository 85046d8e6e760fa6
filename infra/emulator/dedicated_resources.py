"""Machines of a deployed model, or of a pool of them: what is said of them, what is taken as said, what may change."""

from collections.abc import Iterable

from infra.emulator.resources import Json
from infra.emulator.vertex_rules import Finding, apply_mask, refuse, required_mask

DEFAULT_MACHINE = "n1-standard-2"  # of deployed models and pools; batch jobs have to name theirs
UTILIZATIONS = (
    "aiplatform.googleapis.com/prediction/online/accelerator/duty_cycle",
    "aiplatform.googleapis.com/prediction/online/cpu/utilization",
)
METRICS = (
    *UTILIZATIONS,
    "aiplatform.googleapis.com/prediction/online/request_count",
    "pubsub.googleapis.com/subscription/num_undelivered_messages",
    "prometheus.googleapis.com/vertex_dcgm_fi_dev_gpu_util",
    "prometheus.googleapis.com/vertex_vllm_gpu_cache_usage_perc",
    "prometheus.googleapis.com/vertex_vllm_num_requests_waiting",
)
FIELD = "dedicatedResources"
SCALING = ("minReplicaCount", "maxReplicaCount", "requiredReplicaCount", "autoscalingMetricSpecs")
BETA_SCALING = ("scaleToZeroSpec", "initialReplicaCount")  # v1beta1's


def resource_findings(resources: Json, path: str) -> list[Finding]:
    """Check numbers of replicas against each other, and the metrics of the autoscaling."""
    least, most = resources.get("minReplicaCount", 0), resources.get("maxReplicaCount")
    first = resources.get("initialReplicaCount", 0)
    findings = []
    if least < (0 if first else 1):
        findings.append((f"{path}.min_replica_count", "It must be at least 1."))
    if first and least:
        findings.append((f"{path}.initial_replica_count", "It can be set only where min_replica_count is 0."))
    for name, number in (("min_replica_count", least), ("initial_replica_count", first)):
        if most is not None and number > most:
            findings.append((f"{path}.max_replica_count", f"It is {most}, less than {name}, which is {number}."))
    return findings + _metric_findings(
        resources.get("autoscalingMetricSpecs") or [], f"{path}.autoscaling_metric_specs"
    )


def _metric_findings(specs: list[Json], path: str) -> list[Finding]:
    findings = []
    names = [spec.get("metricName", "") for spec in specs]
    for spec, name in zip(specs, names, strict=True):
        if name not in METRICS:
            findings.append((f"{path}.metric_name", f"{name!r} is none of: {', '.join(METRICS)}."))
        if names.count(name) > 1:
            findings.append((path, f"At most one entry is allowed per metric: {name!r} has {names.count(name)}."))
        if name in UTILIZATIONS and not 1 <= spec.get("target", 60) <= 100:
            findings.append((f"{path}.target", f"It is {spec['target']}, a percentage from 1 to 100 is wanted."))
    return list(dict.fromkeys(findings))


def completed(resources: Json) -> Json:
    """Return resources with what the service takes where nothing is said: the machine, as many replicas as at least."""
    machine = {"machineType": DEFAULT_MACHINE, **(resources.get("machineSpec") or {})}
    least = resources.get("minReplicaCount", 0) or resources.get("initialReplicaCount", 0)
    return {"maxReplicaCount": least, **resources, "machineSpec": machine}


def changed(stored: Json, sent: Json, mask: str, version: str, other: Iterable[str], path: str) -> Json:
    """Return a deployed model or a pool with the masked fields as they are sent: its scaling, and `other` fields.

    Raises:
        ApiError: 400 for an empty mask, for a field that cannot be changed, and for numbers that do not fit.
    """
    scaling = SCALING + (BETA_SCALING if version == "v1beta1" else ())
    paths = []
    for one in required_mask(mask, (FIELD, *other)):
        sent_scaling = [f"{FIELD}.{name}" for name in scaling if name in (sent.get(FIELD) or {})]
        paths += sent_scaling if one == FIELD else [one]
    allowed = {f"{FIELD}.{name}" for name in scaling} | set(other)
    wrong = [one for one in paths if one not in allowed]
    rule = f"can not be updated. Updatable: {', '.join(sorted(allowed))}."
    refuse([("update_mask", f"The field {one!r} {rule}") for one in wrong])
    result = apply_mask(stored, sent, paths)
    if any(one.startswith(f"{FIELD}.") for one in paths):
        result[FIELD] = completed(result[FIELD])
        refuse(resource_findings(result[FIELD], f"{path}.dedicated_resources"))
    return result
