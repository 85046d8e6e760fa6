"""The tasks that look before anything is spent: what a stack costs."""

from typing import Any

from invoke import Context, task

from infra import costs as estimates
from infra.errors import InfraError
from infra.reporting import answer, one_line_errors, table
from infra.settings import from_config
from infra.stacks import read_stack

STACK = {"stack": "the stack: infra/stacks/Pulumi.STACK.yaml (default: local)"}
JSON = {"json": "end stdout with one JSON object; all else goes to stderr"}
ASSUMED = estimates.Use()

guarded = one_line_errors(InfraError, interrupted="Nothing was changed")


@task(
    help={
        **STACK,
        "rows": f"rows of a batch job (default: {ASSUMED.rows:,})",
        "rows_per_second": f"that one machine predicts (default: {ASSUMED.rows_per_second:,.0f})",
        "startup_minutes": f"until a job's machines predict (default: {ASSUMED.startup_minutes:g})",
        "machines": f"of a batch job (default: {ASSUMED.machines})",
        "storage_gib": f"what the bucket holds (default: {ASSUMED.storage_gib:g})",
        "notebook_hours": f"a month in which the notebook runs (default: {ASSUMED.notebook_hours:g})",
        **JSON,
    }
)
@guarded
def costs(  # noqa: PLR0913  # each assumption is an option
    _: Context,
    stack: str = "local",
    rows: str = "",
    rows_per_second: str = "",
    startup_minutes: str = "",
    machines: str = "",
    storage_gib: str = "",
    notebook_hours: str = "",
    json: bool = False,
) -> dict[str, Any]:
    """Estimate what a stack costs a month on Google Cloud, and what one batch job costs, with all that is assumed."""
    found = read_stack(stack)
    use = estimates.use_of(
        rows=rows,
        rows_per_second=rows_per_second,
        startup_minutes=startup_minutes,
        machines=machines,
        storage_gib=storage_gib,
        notebook_hours=notebook_hours,
    )
    estimate = estimates.estimate(from_config(found.config, stack), use)
    facts = {"stack": stack, "local": bool(found.local_url), **estimates.facts(estimate)}
    if not json:
        _show("A month", estimate.month, estimate.month_usd)
        _show("\nA batch job", estimate.job, estimate.job_usd)
    free = (
        ["", "This stack is local: it costs nothing. On Google Cloud it would cost that"] if found.local_url else [""]
    )
    answer(json, facts, *free, *(f"* {each}" for each in estimate.assumptions))
    return facts


def _show(title: str, lines: Any, total: float) -> None:
    rows = [[line.what, f"{line.quantity:,.2f} {line.unit}", line.unit_usd, line.usd] for line in lines]
    table(title, ("what", "quantity", "USD each", "USD"), [*rows, ["together", "", "", total]])
