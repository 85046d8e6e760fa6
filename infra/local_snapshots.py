"""Snapshots of the local cloud together with the local stack's deployment: what was deployed and what knows of it."""

import shutil
from pathlib import Path
from urllib.parse import quote

from infra import local_cloud
from infra.engine.sealing import passphrase, sealer_of
from infra.local_admin import Facts, ask
from infra.settings import local_stack_config
from infra.stacks import StackError, read_local_stack, stack_path, write_stack

STACK = "stack"  # beside the local cloud's own files in a snapshot's folder
DEPLOYMENTS = ("stacks", "pulumi")  # below .local: the engines' states


def take(name: str, *, replace: bool) -> Facts:
    """Keep the local cloud and the local stack under a name; raises StackError where it is taken."""
    if replace and name in {one["name"] for one in known()}:
        remove(name)
    made = ask("POST", "snapshots", {"name": name})
    folder = _folder(name)
    for part in DEPLOYMENTS:
        if (local_cloud.HOME / part).is_dir():
            shutil.copytree(local_cloud.HOME / part, folder / part)
    folder.mkdir(exist_ok=True)
    shutil.copy2(stack_path("local"), folder / "stack.yaml")
    return made


def known() -> list[Facts]:
    """Return the snapshots there are, oldest first."""
    return list(ask("GET", "snapshots")["snapshots"])


def require_known(name: str) -> None:
    """Refuse a name that no snapshot has."""
    if name not in (names := [one["name"] for one in known()]):
        raise StackError(f"No snapshot {name!r}; there are: {', '.join(names) or 'none'}. Run: invoke local.snapshots")


def remove(name: str) -> Facts:
    """Forget a snapshot; raises StackError where there is none."""
    return ask("DELETE", f"snapshots/{quote(name, safe='')}")


def restore(name: str) -> Facts:
    """Bring the local cloud and the local stack back; raises StackError where there is no such snapshot."""
    url = read_local_stack().local_url
    found = ask("POST", f"snapshots/{quote(name, safe='')}/restore", {})
    folder = _folder(name)
    if not (folder / "stack.yaml").is_file():  # taken by the route alone: the stack is the caller's affair
        return {**found, "stack": False}
    for part in DEPLOYMENTS:
        _replace(folder / part, local_cloud.HOME / part)
    shutil.copy2(folder / "stack.yaml", stack_path("local"))
    write_stack("local", local_stack_config(url), sealer_of("", passphrase()).salt)  # it may run on another port now
    return {**found, "stack": True}


def _replace(source: Path, target: Path) -> None:
    """Put a copy of a folder in another's place."""
    copy = target.with_name(f"{target.name}.restored")
    shutil.rmtree(copy, ignore_errors=True)
    if source.is_dir():
        shutil.copytree(source, copy)
    shutil.rmtree(target, ignore_errors=True)
    if copy.is_dir():
        copy.rename(target)


def _folder(name: str) -> Path:
    state = local_cloud.own()
    if state is None:
        raise StackError("This clone's local cloud does not run. Run: invoke local.start")
    return state.state / "snapshots" / name / STACK
