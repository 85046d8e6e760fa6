"""Stack references: another local stack's outputs, secrets included, and a clear line where there is none."""

from pathlib import Path

import pytest

from infra.engine import state_file
from infra.engine.providers import ProviderError, Standing
from infra.engine.sealing import sealer_of
from infra.engine.stack_references import StackReferences
from infra.engine.state import ResourceState, Snapshot
from infra.engine.wire import secret

ROOT_URN = "urn:pulumi:prod::shop::pulumi:pulumi:Stack::shop-prod"


def standing(name: str) -> Standing:
    """Return what a reference is before it is read."""
    return Standing("urn:pulumi:dev::shop::pulumi:pulumi:StackReference::r", name, {"name": name}, {})


@pytest.mark.parametrize("name", ["prod", "shop/prod", "organization/shop/prod"])
def test_a_reference_reads_the_outputs_of_another_stack(tmp_path: Path, name: str) -> None:
    """Every form of a stack's name finds its outputs; those that are secret say so."""
    outputs = {"url": "gs://b", "key": secret("hush")}
    root = ResourceState(ROOT_URN, "pulumi:pulumi:Stack", outputs=outputs)
    sealer = sealer_of("", "")
    document = state_file.dump(Snapshot((root,)), sealer)
    state_file.write_atomically(state_file.state_path(tmp_path, "shop", "prod"), document)
    found = StackReferences(tmp_path, "shop", sealer_of("", "")).read(standing(name))
    assert found is not None
    assert found.outputs == {"name": name, "outputs": outputs, "secretOutputNames": ["key"]}


def test_a_reference_to_an_unknown_stack_says_where_it_was_looked_for(tmp_path: Path) -> None:
    """The path of the missing state is in the message."""
    with pytest.raises(ProviderError, match=r"\.local/stacks/other/prod\.json"):
        StackReferences(tmp_path, "shop", sealer_of("", "")).read(standing("other/prod"))
