"""What the demo says: a heading for each part, and at the end what came out and where it lies."""

from pathlib import Path
from typing import Any

from infra import deployment
from infra.errors import InfraError
from infra.reporting import say, table
from infra.setting_table import PLATFORMS
from infra.settings import NAMESPACE, from_config
from infra.stacks import Stack, write_setting
from infra.task_options import Facts


def heading(number: int, text: str) -> None:
    """Say which part of the demo comes now."""
    say(f"\n[{number}/8] {text}")


def known_platform(platform: str) -> None:
    """Refuse a prediction service that there is not; "" leaves the choice to the stack."""
    if platform not in {"", *PLATFORMS}:
        others = ", or ".join(f"--platform {known}" for known in PLATFORMS)
        raise InfraError(f"No prediction service {platform!r}. Run with: {others}")


def choose_platform(stack: Stack, platform: str) -> None:
    """Write the stack's prediction service into its settings, if the stack can have it."""
    from_config({**stack.config, f"{NAMESPACE}:platform": platform}, stack.name)
    write_setting(stack, "platform", platform)


def demo_facts(
    stack: str, engine: Any, metrics: Facts, jobs: list[Facts], joined: list[Facts], seconds: float
) -> Facts:
    """Put together what the demo has shown."""
    kept = ("train_rmse", "test_rmse", "epochs", "seconds")
    rows = [
        {
            **{key: job[key] for key in ("wrapper", "job", "instances", "predicted", "failed", "seconds")},
            "joined": result["joined"],
            "rmse": result["rmse"],
            "output": result["output"],
        }
        for job, result in zip(jobs, joined, strict=True)
    ]
    return {
        "engine": engine,
        "stack": stack,
        "resources": deployment.resources(stack, engine),
        "metrics": {key: metrics[key] for key in kept},
        "jobs": rows,
        "seconds": round(seconds, 1),
    }


def demo_table(facts: Facts, *places: Path) -> None:
    """Show what came out, and where everything lies."""
    columns = ("wrapper", "instances", "predicted", "failed", "joined", "rmse", "seconds")
    print()
    table("Predictions matched to their instances", columns, [[job[name] for name in columns] for job in facts["jobs"]])
    print("RMSE against the true prices, in 1,000 dollars")
    for job in facts["jobs"]:
        print(f"  {job['wrapper']}: {job['output']} (also .csv, .parquet)")
    print(f"  model, metrics and SavedModels: {', '.join(map(str, places))}")
    print(
        f"  {facts['resources']} resources in stack {facts['stack']!r} by the {facts['engine']} engine; invoke outputs"
    )
    if facts["stack"] == "local":
        print("  the local cloud goes on running; stop it with: invoke local.stop")
    print(f"Done in {facts['seconds']:.0f} s")
