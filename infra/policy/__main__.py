"""The rules as a Pulumi policy pack: pulumi up --policy-pack infra/policy enters here."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulumi.runtime.config import get_config_env
from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

sys.path.insert(0, str(Path(__file__).parents[2]))  # the CLI starts a pack in the pack's own folder

from infra.policy.rules import RULES, UNKNOWN, Rule  # found by the line above


def opened(value: Any) -> Any:
    """Return a policy's view of inputs as plain values; those that are not known yet as Pulumi's mark for that."""
    if isinstance(value, Mapping):
        return {key: _item(value, key) for key in value}
    if isinstance(value, list | tuple):
        return [_item(value, index) for index in range(len(value))]
    return value


def _item(value: Any, key: Any) -> Any:
    try:
        return opened(value[key])
    except UnknownValueError:
        return UNKNOWN


def policy(rule: Rule) -> ResourceValidationPolicy:
    """Return a rule as Pulumi runs it."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        problem = rule.check(args.resource_type, opened(args.props), get_config_env())
        if problem:
            report(problem, None)

    return ResourceValidationPolicy(name=rule.name, description=rule.description, validate=validate)


if __name__ == "__main__":
    PolicyPack("keras-batch-prediction", [policy(rule) for rule in RULES], EnforcementLevel.MANDATORY)
