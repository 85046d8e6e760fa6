"""A Python script written for Google Cloud, run unchanged against the local cloud: `python -m infra.local_run FILE`.

Clients that googleapiclient's `build` makes go to the local cloud, default credentials are its token, and `PROJECT` is
its project, as the tutorial's notebooks have it. Storage's clients follow STORAGE_EMULATOR_HOST by themselves.
"""

import os
import runpy
import sys
import types
from collections.abc import Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import google.auth
from google.oauth2.credentials import Credentials
from googleapiclient import discovery

from infra.local_cloud import environment
from infra.stacks import StackError, read_local_stack

ADDED = {"compute": "compute/"}  # the paths of its methods begin below that
AT_ROOT = {"storage": "storage/v1/"}


def redirect(url: str, project: str, token: str) -> None:
    """Point this process's Google clients at a local cloud."""
    build, credentials = discovery.build, Credentials(token)  # type: ignore[no-untyped-call]  # annotated halfway

    @wraps(build)
    def local(service: str, version: str, *arguments: Any, **options: Any) -> Any:
        given = dict(options.pop("client_options", None) or {})
        given.setdefault("api_endpoint", f"{url}/{AT_ROOT.get(service, f'{service}/')}{ADDED.get(service, '')}")
        return build(service, version, *arguments, **options, client_options=given)

    discovery.build = local
    google.auth.default = lambda *_, **__: (credentials, project)
    oauth2client = types.ModuleType("oauth2client.client")  # given up in 2018, and still in the tutorial
    oauth2client.GoogleCredentials = types.SimpleNamespace(get_application_default=lambda: credentials)  # type: ignore[attr-defined]
    sys.modules |= {"oauth2client": types.ModuleType("oauth2client"), "oauth2client.client": oauth2client}


def main(arguments: Sequence[str]) -> int:
    """Run a script with its arguments; 2 where there is no script or no local stack."""
    if not arguments or arguments[0] in {"-h", "--help"}:
        print("usage: python -m infra.local_run SCRIPT.py [ARGUMENT…]", file=sys.stderr)
        return 0 if arguments else 2
    if not Path(arguments[0]).is_file():
        print(f"No script {arguments[0]!r}. Run: python -m infra.local_run SCRIPT.py", file=sys.stderr)
        return 2
    try:
        variables = environment(read_local_stack())
    except StackError as error:
        print(error, file=sys.stderr)
        return 2
    os.environ |= variables
    project = variables["GOOGLE_CLOUD_PROJECT"]
    redirect(variables["LOCAL_CLOUD_URL"], project, variables["GOOGLE_OAUTH_ACCESS_TOKEN"])
    sys.argv = list(arguments)
    runpy.run_path(arguments[0], {"PROJECT": project}, "__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
