"""The keys that a stack file may hold: the program's settings, the gcp provider's, and whatever is of neither."""

import difflib
import importlib.util
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from infra.setting_table import NAMESPACE, OWN

OWN_NAMES = [setting.name for setting in OWN]
OF_EVERY_PROVIDER = ["version", "pluginDownloadURL"]  # of any package's default provider
# Who calls Google: the provider would know it, the tasks and the models' resources would not
IDENTITY = {
    "gcp:accessToken": "export GOOGLE_OAUTH_ACCESS_TOKEN=TOKEN",
    "gcp:credentials": "export GOOGLE_APPLICATION_CREDENTIALS=FILE",
    "gcp:impersonateServiceAccount": "gcloud auth application-default login --impersonate-service-account=ACCOUNT",
}


def refused(config: Mapping[str, Any], *, local: bool) -> tuple[str, str] | None:
    """Return the first key that cannot stand in a stack's file, and what is wrong with it; None where all can."""
    for key in config:
        namespace, _, name = key.partition(":")
        if namespace == NAMESPACE and name not in OWN_NAMES:
            return key, f"is no setting of this program. {_near(name, OWN_NAMES, ', '.join(OWN_NAMES))}"
        if namespace == "gcp" and name not in provider_keys():
            known = "https://www.pulumi.com/registry/packages/gcp/installation-configuration"
            return key, f"is no setting of the gcp provider. {_near(name, provider_keys(), known)}"
        if key in IDENTITY and not local:
            return key, f"would be the gcp provider's alone, not the tasks'. Use instead: {IDENTITY[key]}."
    return None


@cache
def provider_keys() -> Sequence[str]:
    """Return what the gcp provider takes, as its package lists it; to import that would take a second."""
    found = importlib.util.find_spec("pulumi_gcp")
    listed = Path(str(found and found.origin)).parent / "config" / "__init__.pyi"
    return [*re.findall(r"^(\w+): ", listed.read_text(), re.MULTILINE), *OF_EVERY_PROVIDER]


def _near(name: str, names: Sequence[str], known: str) -> str:
    near = difflib.get_close_matches(name, names, 1)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {known}."
