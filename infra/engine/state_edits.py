"""Edits of a state by hand: protection lifted from resources that no program declares any more."""

import sys
from dataclasses import replace

from infra.engine.errors import EngineError
from infra.engine.handover import again
from infra.engine.session import Request, open_session


def edit_state(request: Request) -> int:
    """Lift the protection of the resources that are named, or of all."""
    session = open_session(request)
    with session.locked():
        snapshot = session.load()
        chosen = set(request.urns) or {resource.urn for resource in snapshot.resources}
        unknown = chosen - {resource.urn for resource in snapshot.resources}
        if unknown:
            msg = f"No resource {min(unknown)!r} in stack {session.stack!r}. List them: {again(session, 'export')}"
            raise EngineError(msg)
        lifted = [resource.urn for resource in snapshot.resources if resource.protect and resource.urn in chosen]
        resources = tuple(
            replace(resource, protect=False) if resource.urn in chosen else resource for resource in snapshot.resources
        )
        session.save(replace(snapshot, resources=resources))
    print(f"Lifted the protection of {len(lifted)} resources of stack {session.stack}", file=sys.stderr)
    return 0
