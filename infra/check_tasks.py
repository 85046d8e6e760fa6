"""The tasks that look before anything is done: what a stack costs, lacks, leaves, and whether it breaks a rule."""

from dataclasses import asdict
from typing import Any

from invoke import Context, Exit, task

from infra import costs as estimates
from infra import deployment, policies
from infra.doctor import examine
from infra.engines import choose_engine, made_by
from infra.errors import InfraError
from infra.leftovers import find
from infra.local_cloud import require
from infra.policy.rules import RULES
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
def costs(
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


@task(help={**STACK, **JSON})
@guarded
def policy(_: Context, stack: str = "local", json: bool = False) -> dict[str, Any]:
    """Hold what a stack has and is about to have against the rules of infra/policy; exits 1 where one is broken."""
    found = read_stack(stack)
    from_config(found.config, stack)
    require(found)
    plan = deployment.planned(found, choose_engine(found, made_by(found) or ""))
    broken = [asdict(each) for each in policies.judge(found, plan)]
    facts = {
        "stack": stack,
        "resources": len(plan.resources),
        "rules": [rule.name for rule in RULES],
        "broken": broken,
    }
    said = f"{len(plan.resources)} resources, {len(RULES)} rules: {len(broken) or 'none'} broken"
    answer(json, facts, *(f"{each['resource']} ({each['type']}) breaks {each['problem']}" for each in broken), said)
    if broken:
        raise Exit(code=1)
    return facts


@task(help={**STACK, "leftovers": "list the resources of this project that no stack of this clone knows", **JSON})
@guarded
def doctor(_: Context, stack: str = "local", leftovers: bool = False, json: bool = False) -> dict[str, Any]:
    """Look at all that a deployment needs: each line is ok, or names the command that mends it; exits 1 then."""
    if leftovers:
        return _leftovers(stack, json)
    found = []
    for finding in examine(stack):
        found.append(asdict(finding))
        remedy = "" if finding.ok else f". {finding.remedy}"
        mark = "ok     " if finding.ok else "not ok "
        answer(False, {}, f"{mark}{finding.check}: {finding.detail}{remedy}") if not json else None
    facts = {"stack": stack, "ok": all(each["ok"] for each in found), "findings": found}
    answer(json, facts)
    if not facts["ok"]:
        raise Exit(code=1)
    return facts


def _leftovers(stack: str, json: bool) -> dict[str, Any]:
    found = read_stack(stack)
    require(found)
    rows = [asdict(each) for each in find(found)]
    where = f"{found.config.get('gcp:project')}, {found.config.get('gcp:region')}"
    lines = [f"{row['type']} {row['name']} of stack {row['stack'] or 'unknown'!r}" for row in rows]
    said = f"{len(rows) or 'no'} resources of this project in {where} that no stack of this clone knows"
    answer(json, {"stack": stack, "leftovers": rows}, *lines, said)
    return {"stack": stack, "leftovers": rows}


def _show(title: str, lines: Any, total: float) -> None:
    rows = [[line.what, f"{line.quantity:,.2f} {line.unit}", line.unit_usd, line.usd] for line in lines]
    table(title, ("what", "quantity", "USD each", "USD"), [*rows, ["together", "", "", total]])
