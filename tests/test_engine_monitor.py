"""What a program asks of the engine over gRPC, by programs of its kinds of calls."""

from pathlib import Path

import pytest

from infra.engine.sealing import sealer_of
from tests.engine_stack import EngineStack, new_stack

CALLS = """
import pulumi
from recorded import Thing


def doubled(args):
    if args.custom:
        return pulumi.ResourceTransformResult({**args.props, "v": args.props["v"] * 2}, args.opts)


class Box(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("monitor:index:Box", name, {"size": 3}, opts)
        self.item = Thing(f"{name}-item", {"v": 2}, pulumi.ResourceOptions(parent=self))
        self.register_outputs({"item": self.item.made})


config = pulumi.Config()
print("said by print")
pulumi.log.warn("said by log")
pulumi.log.debug("never shown")
box = Box("box", pulumi.ResourceOptions(transforms=[doubled]))
seen = Thing("seen", {"v": 7, "note": "seen"}, pulumi.ResourceOptions(id="id-elsewhere"))
Thing("timed", {"v": 1}, pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="10m")))
pulumi.export("made", box.item.made)
pulumi.export("seen", seen.id)
pulumi.export("token", config.require_secret("token"))
pulumi.export("size", config.require_int("size"))
pulumi.export("labels", config.require_object("labels"))
"""

PASSED_ON = """
import pulumi
pulumi.runtime.invoke("gcp:organizations/getProject:getProject", {"projectId": "x"})
"""

REMOTE = """
import pulumi


class Remote(pulumi.ComponentResource):
    def __init__(self, name):
        super().__init__("there:index:Remote", name, {}, None, remote=True)


Remote("r")
"""


@pytest.fixture
def stack(tmp_path: Path) -> EngineStack:
    """A stack with settings, one of them sealed."""
    stack = new_stack(tmp_path)
    stack.set({})
    sealer = sealer_of("", "")
    sealed = sealer.seal("token", "hush-hush")
    settings = f"  size: 3\n  labels: {{team: ml}}\n  token:\n    secure: {sealed}\n"
    (tmp_path / "Pulumi.dev.yaml").write_text(f"encryptionsalt: {sealer.salt}\nconfig:\n{settings}")
    return stack


def test_components_transforms_reads_and_settings(stack: EngineStack) -> None:
    """One program uses them all, and run again it is no change."""
    (stack.folder / "__main__.py").write_text(CALLS)
    ran = stack.run("up", "--yes")
    assert ran.code == 0, ran.out + ran.err
    assert "said by print\n" in ran.out
    assert "warning: said by log\n" in ran.out
    assert "never shown" not in ran.out
    outputs = '"labels": {"team": "ml"}, "made": "4.0!", "seen": "id-elsewhere", "size": 3, "token": "[secret]"'
    assert stack.run("output", "--json").out == f"{{{outputs}}}\n"
    assert stack.run("output", "token", "--show-secrets").out == "hush-hush\n"
    assert "hush-hush" not in stack.state_file.read_text()
    rows = {row["urn"].rsplit("::", 1)[1]: row for row in stack.resources()}
    assert rows["box"]["outputs"] == {"item": "4.0!"}
    assert rows["seen"]["external"]
    assert rows["timed"]["customTimeouts"] == {"create": 600}
    assert stack.run("up", "--expect-no-changes").code == 0


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (PASSED_ON, "the function 'gcp:organizations/getProject:getProject'"),
        (REMOTE, "the remote component 'there:index:Remote'"),
        ("import pulumi\npulumi.CustomResource('aws:s3/bucket:Bucket', 'b', {})\n", "package 'aws' has no provider"),
    ],
)
def test_what_the_engine_cannot_do_names_the_cli(stack: EngineStack, program: str, said: str) -> None:
    """A program that asks for more is told what, and which engine has it."""
    endpoint = "  gcp:project: p\n  gcp:storageCustomEndpoint: http://127.0.0.1:9/storage/v1/\n"
    (stack.folder / "Pulumi.dev.yaml").write_text(f"config:\n{endpoint}")
    (stack.folder / "__main__.py").write_text(program)
    ran = stack.run("up", "--yes")
    assert ran.code == 1
    assert said in ran.out
    assert "--engine pulumi" in ran.out
