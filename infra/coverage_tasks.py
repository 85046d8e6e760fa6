"""The task that writes the local cloud's coverage page."""

import os
from typing import Any

from invoke import Context, Exit, task

from infra.errors import InfraError
from infra.reporting import answer, one_line_errors, say
from infra.stacks import ROOT

JSON = "end stdout with one JSON object; all else goes to stderr"
TESTS = "tests/test_emulator_*.py tests/test_infra_storage*.py tests/test_infra_prediction.py"

guarded = one_line_errors(InfraError, interrupted="The page is unchanged. Run: invoke local.coverage")


@task(help={"record": "run the emulator's tests first, and note what each calls; minutes", "json": JSON})
@guarded
def coverage(c: Context, record: bool = False, json: bool = False) -> dict[str, Any]:
    """Write infra/emulator/COVERAGE.md: each method, how it is handled, and which test proves it."""
    from infra.emulator import coverage as made  # noqa: PLC0415 - the emulator and its documents load in a second

    if record:
        say("running the emulator's tests")
        uv = os.environ.get("UV", "uv")
        done = c.run(
            f"{uv} run --group test pytest -q -m 'not long' {TESTS}", env={"LOCAL_CLOUD_PROOFS": "1"}, warn=True
        )
        if done is None or not done.ok:
            raise Exit("Some tests failed; what the others call is noted", 1)
    text = made.page()
    changed = text != (made.PAGE.read_text() if made.PAGE.exists() else "")
    made.PAGE.write_text(text)
    rows = text.count("\n| `")
    facts = {"page": str(made.PAGE.relative_to(ROOT)), "methods": rows, "changed": changed}
    answer(json, facts, f"{facts['page']}: {rows} methods{'' if changed else ', unchanged'}")
    return facts
