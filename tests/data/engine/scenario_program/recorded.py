"""Dynamic resources whose provider records every call in a file and does what the scenario says."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import (
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

FOLDER = Path(__file__).parent


def scenario() -> dict[str, Any]:
    """Return what the test wants of this run."""
    loaded: dict[str, Any] = json.loads((FOLDER / "scenario.json").read_text())
    return loaded


def record(op: str, name: str, value: object) -> None:
    """Append one provider call."""
    with (FOLDER / "calls.jsonl").open("a") as file:
        file.write(json.dumps({"op": op, "name": name, "value": value}) + "\n")


class Recorded(ResourceProvider):
    """Calls no cloud."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make an id of the name and what forces replacements."""
        name = props["name"]
        if name in scenario()["create_fails"]:
            record("fail", name, None)
            raise Exception(f"{name} refused")
        pause(name)
        record("create", name, written(props["v"]))
        return CreateResult(f"id-{name}-{props.get('force')}", {**props, "made": f"{written(props['v'])}!"})

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Say whether anything changes; `force` replaces."""
        changed = [key for key in ("v", "force", "secret") if olds.get(key) != news.get(key)]
        replaces = ["force"] if "force" in changed else []
        return DiffResult(bool(changed), replaces, delete_before_replace=bool(news.get("dbr")) or None)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Take the new values."""
        pause(news["name"])
        record("update", news["name"], written(news["v"]))
        return UpdateResult({**news, "made": f"{written(news['v'])}!"})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Say what stands."""
        if props.get("name") in scenario()["gone_on_read"]:
            return ReadResult("", {})
        drifted = scenario().get("drift", {}).get(props.get("name"))
        return ReadResult(id_, {**props, **drifted} if drifted else props)

    def delete(self, id_: str, props: dict[str, Any]) -> None:
        """Note that it is gone."""
        pause(props["name"])
        record("delete", props["name"], id_)


def pause(name: str) -> None:
    """Stand still where the test wants to interrupt: until its file says go on."""
    if name in scenario().get("pauses", []):
        (FOLDER / f"paused-{name}").write_text(str(os.getpid()))
        while not (FOLDER / f"resume-{name}").exists():
            time.sleep(0.02)


def written(value: object) -> str:
    """Write a value as the recording has it: `<1.0!>` for another resource's output."""
    text = str(float(value)) if isinstance(value, int | float) else str(value)
    return f"<{text}>" if text.endswith("!") else text


class Thing(Resource, module="scenario", name="Thing"):
    """A recorded resource."""

    made: pulumi.Output[str]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(Recorded(), name, {"name": name, "made": None, **props}, opts)
