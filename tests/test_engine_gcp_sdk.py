"""The tables against the provider's own SDK: every property of a served type, and every one that is required."""

import re
from pathlib import Path

import pulumi_gcp
import pytest

from infra.engine.gcp.catalog import TYPES
from infra.engine.gcp.schema import REQUIRED

SDK = Path(pulumi_gcp.__file__).parent


def source(token: str) -> str:
    """Return the SDK's module of a type: `gcp:kms/keyRing:KeyRing` is in kms/key_ring.py."""
    folder, name = token.removeprefix("gcp:").partition(":")[0].split("/")
    wanted = name.lower()
    (found,) = (path for path in (SDK / folder).glob("*.py") if path.stem.replace("_", "") == wanted)
    return found.read_text()


def arguments(text: str, kind: str, form: str) -> set[str]:
    """Return the arguments of a type's constructor of properties, in the names of the wire."""
    body = re.search(rf"class \w+{kind}:\n    def __init__\(__self__, \*,\n(.*?)\):", text, re.DOTALL)
    assert body
    names = re.findall(rf"^\s+(\w+): {form}", body[1], re.MULTILINE)
    return {re.sub(r"_([a-z0-9])", lambda letter: letter[1].upper(), name) for name in names}


@pytest.mark.parametrize("token", sorted(TYPES))
def test_a_type_has_the_properties_that_its_sdk_has(token: str) -> None:
    """None is missing, none is made up, and those without which the SDK refuses are required here too."""
    text, properties = source(token), TYPES[token].properties
    assert set(properties) == arguments(text, "State", r"pulumi\.Input")
    required = {name for name, prop in properties.items() if REQUIRED in prop.traits}
    assert required == arguments(text, "Args", r"pulumi\.Input\[(?!Optional)")
