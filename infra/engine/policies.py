"""Policy packs: rules that every registration is held against before anything is done for it."""

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.engine.errors import EngineError, StepError
from infra.engine.providers import Properties
from infra.engine.wire import plain

FILE = "rules.py"

Violations = Callable[[str, Mapping[str, Any], Mapping[str, str]], list[str]]
Judge = Callable[[str, Properties], None]


def judge_of(packs: Sequence[str], config: Mapping[str, str]) -> Judge:
    """Return what refuses a resource, by its type and inputs, that breaks a rule of one of the packs.

    A pack is a folder with a rules.py whose `violations(type, inputs, config)` returns a line for each broken rule:
    what the Pulumi CLI runs from the same folder, without the process and the protocol between.

    Raises:
        EngineError: a folder is no such pack.
    """
    rules = [_load(Path(pack)) for pack in packs]

    def judge(type_: str, inputs: Properties) -> None:
        broken = [line for violations in rules for line in violations(type_, plain(inputs), config)]
        if broken:
            raise StepError(f"policy {'; '.join(broken)}")

    return judge


def _load(pack: Path) -> Violations:
    file = (pack / FILE).resolve()
    spec = importlib.util.spec_from_file_location(f"policy_pack_{abs(hash(file))}", file)
    if not file.is_file() or spec is None or spec.loader is None:
        msg = f"No policy pack at {str(pack)!r}: it has no {FILE}. Name its folder: --policy-pack infra/policy"
        raise EngineError(msg)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    violations: Violations = module.violations
    return violations
