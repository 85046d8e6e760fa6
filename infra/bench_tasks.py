"""The bench as a task: the engine and the local cloud, measured side by side with their peers."""

import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from invoke import Context, Exit, task

from infra.errors import InfraError
from infra.reporting import one_line_errors
from infra.task_options import JSON

PROGRAMS = {
    "predict": "model.bench predict",
    "beam": "model.bench beam",
    "scaling": "infra.scaling --measure",
    "cloud": "infra.cloud_bench",
}

TAKES = {"predict": ("rows", "rounds", "only"), "beam": ("rows", "rounds", "only"), "scaling": ("rows",)}

# invoke has no positional argument with a default: one that has a value takes no word, one that has none must get one
_NAMED = re.search(r"(^| )bench [a-z]", " ".join(sys.argv)) is not None
_DEFAULT = None if _NAMED else "predict"


@task(
    positional=["what"],
    iterable=["only"],
    help={
        "what": "predict (default), beam, scaling (then draws model/docs/scaling.svg), or cloud (the local cloud)",
        "rows": "rows to predict (default: 1,000,000); not with cloud",
        "rounds": "runs of every way (default: 3); with predict or beam",
        "only": "only ways whose names hold this, such as Spark (repeat for more); with predict or beam",
        "quick": "a tenth of the rows, once: whether all runs, not how fast",
        **JSON,
    },
)
@one_line_errors(InfraError, interrupted="Nothing is left behind. Run the same command again")
def bench(
    c: Context,
    what: Any = _DEFAULT,
    rows: str = "",
    rounds: str = "",
    only: Sequence[str] | None = None,
    quick: bool = False,
    json: bool = False,
) -> None:
    """Measure the batch engine beside its peers, and hold the ratios against their targets; minutes."""
    if what not in PROGRAMS:
        raise InfraError(f"No bench {what!r}. Run with: {', '.join(f'invoke bench {name}' for name in PROGRAMS)}")
    flags = _flags(what, {"rows": [rows] if rows else [], "rounds": [rounds] if rounds else [], "only": only or []})
    flags += ["--quick"] if quick else []
    flags += ["--json"] if json else []
    uv = os.environ.get("UV", "uv")
    command = f"{uv} run --group bench python -m {PROGRAMS[what]} {' '.join(flags)}"
    done: Any = c.run(command, warn=True)
    if done is None or not done.ok:
        raise Exit(code=done.exited if done else 1)


def _flags(what: str, options: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the options of the program that are given, and refuse those that it does not have."""
    for name in options:
        if options[name] and name not in TAKES.get(what, ()):
            having = ", ".join(f"invoke bench {one}" for one, names in TAKES.items() if name in names)
            raise InfraError(f"--{name} is no option of invoke bench {what}. Leave it out, or run: {having}")
    return [f"--{name} {shlex.quote(value)}" for name, values in options.items() for value in values]
