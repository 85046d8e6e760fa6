"""Declares the resources that scenario.json lists."""

from typing import Any

import pulumi
from recorded import Thing, scenario

made: dict[str, pulumi.Resource] = {}


class Component(pulumi.ComponentResource):
    """A component with one child."""

    def __init__(self, name: str, value: object, opts: pulumi.ResourceOptions | None) -> None:
        super().__init__("scenario:index:Component", name, None, opts)
        Thing(f"{name}-inner", {"v": value}, pulumi.ResourceOptions(parent=self))
        self.register_outputs({"value": value})


def options(spec: dict[str, Any]) -> pulumi.ResourceOptions:
    """Turn names in options into resources."""
    chosen = dict(spec.get("o", {}))
    if "depends_on" in chosen:
        chosen["depends_on"] = [made[name] for name in chosen["depends_on"]]
    for key in ("parent", "deleted_with"):
        if key in chosen:
            chosen[key] = made[chosen[key]]
    if "aliases" in chosen:
        chosen["aliases"] = [pulumi.Alias(**alias) for alias in chosen["aliases"]]
    return pulumi.ResourceOptions(**chosen)


def properties(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a resource's inputs."""
    found = {"v": spec.get("v")}
    if "from" in spec:
        found["v"] = made[spec["from"]].made  # type: ignore[attr-defined]
    if "forcefrom" in spec:
        found["force"] = made[spec["forcefrom"]].id  # type: ignore[attr-defined]
    if "secret" in spec:
        found["secret"] = pulumi.Output.secret(spec["secret"])
    return {**found, **{key: spec[key] for key in ("force", "dbr") if key in spec}}


def changed(arguments: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
    """Set `v` of the resources that the scenario names."""
    if arguments.name not in program["transform"]:
        return None
    return pulumi.ResourceTransformResult({**arguments.props, "v": "T"}, arguments.opts)


program = scenario()["program"]
if "transform" in program:
    pulumi.runtime.register_resource_transform(changed)
for name, spec in program["r"].items():
    if spec.get("t") == "C":
        made[name] = Component(name, spec["v"], options(spec))
    else:
        made[name] = Thing(name, properties(spec), options(spec))
for key, value in program.get("outputs", {}).items():
    pulumi.export(key, made[value].made if value in made else value)  # type: ignore[attr-defined]
