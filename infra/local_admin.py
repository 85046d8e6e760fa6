"""What only the local cloud can do, asked for at its `/_local/` routes: faults, the clock, snapshots."""

import json
import urllib.error
import urllib.request
from typing import Any

from infra import local_cloud
from infra.stacks import StackError, read_local_stack

PATIENCE = 600.0  # seconds; a snapshot of many gigabytes on a disk without hard links is a copy
HELPS = {
    "faults": "Run: invoke local.faults --help",
    "clock": "Run with: --advance 12h, or --set 2031-01-31T12:00:00Z",
    "snapshots": "Run: invoke local.snapshots",
}
Facts = dict[str, Any]


def ask(verb: str, path: str, body: Facts | None = None) -> Facts:
    """Send a request to this clone's local cloud, which must run, and return the answer.

    Raises:
        StackError: it does not run, or refuses; the line says why.
    """
    stack = read_local_stack()
    local_cloud.require(stack)
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{stack.local_url}/_local/{path}", content, method=verb)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        message = _message(error).rstrip(".")
        raise StackError(f"{message}. {HELPS[path.partition('/')[0]]}") from None
    except (urllib.error.URLError, TimeoutError) as error:
        raise StackError(f"The local cloud did not answer: {error}. Run: invoke local.status") from None


def _message(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"The local cloud answered {error.code}. See {local_cloud.LOG}"
