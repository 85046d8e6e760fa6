"""What `--instances` names -> a file of instances on this machine, looked over before a job is paid for."""

from pathlib import Path
from typing import Any

from infra.errors import InfraError
from infra.reporting import say
from infra.steps.places import INSTANCES, SAVED_MODELS

# TensorFlow, polars and Google's clients load in seconds: they are imported where they are used.
# ruff: noqa: PLC0415


def instances_file(name: str, wrapper: Any, on_duplicate_key: str = "error") -> tuple[Path, Path | None]:
    """Return the instances that `name` stands for, looked over, and the true prices where they are known."""
    from model.instance_keys import look_over

    policy = known_policy(on_duplicate_key)
    if name.startswith("gs://"):
        msg = f"A Vertex AI job takes a file of this machine, not {name!r}. Run with: --on local, or --on beam"
        raise InfraError(msg)
    file, targets = sample_files(name, wrapper)
    found = look_over(file, wrapper)
    if found.duplicates and policy == "error":
        remedy = "Make keys unique, or run with: --on-duplicate-key keep"
        raise InfraError(f"{file}: {found.first_duplicates[0]} ({found.duplicates} such keys). {remedy}")
    if found.malformed:
        then = "Such lines fail and are listed in the results; the rest is predicted"
        say(f"{file}: {found.first_malformed[0]} ({found.malformed} of {found.instances} lines). {then}")
    return file, targets


def sample_files(name: str, wrapper: Any) -> tuple[Path, Path | None]:
    """Return the instances that `name` stands for, and the true prices where they are known."""
    from model.dataset import write_sample

    sample = write_sample(name, SAVED_MODELS / wrapper, INSTANCES) if name in {"seed", "test"} else None
    return sample or (Path(name), None)


def known_policy(name: str) -> str:
    """Refuse a policy for duplicate keys that there is not."""
    if name not in {"error", "keep"}:
        raise InfraError(f"No policy {name!r}. Run with: --on-duplicate-key error, or keep")
    return name
