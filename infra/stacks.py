"""The stack files under infra/stacks: what a stack is configured to be, local or on Google Cloud."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from infra.errors import InfraError

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "infra" / "stacks"
NAME = r"[A-Za-z0-9_.-]{1,100}"  # of a stack
PROJECT = "keras-batch-prediction"  # the name in Pulumi.yaml; also the namespace of our settings


class StackError(InfraError):
    """A stack that cannot be used as asked, in one line that ends with the way out."""


@dataclass(frozen=True)
class Stack:
    """One stack's name, file and configuration (keys with their namespace)."""

    name: str
    path: Path
    config: Mapping[str, Any]

    @property
    def local_url(self) -> str:
        """The address of the local cloud, or "" for a stack on Google Cloud."""
        endpoint = urlsplit(str(self.config.get("gcp:storageCustomEndpoint", "")))
        loopback = endpoint.hostname in {"127.0.0.1", "localhost", "::1"}
        return f"{endpoint.scheme}://{endpoint.netloc}" if loopback else ""

    def setting(self, key: str, default: Any = None) -> Any:
        """Return one of the project's own settings."""
        return self.config.get(f"{PROJECT}:{key}", default)


def stack_path(name: str) -> Path:
    """Return where the stack's file is, or would be."""
    if not re.fullmatch(NAME, name):
        msg = f"Stack name {name!r} may hold 1 to 100 letters, digits, '-', '_' and '.' only. Try: --stack local"
        raise StackError(msg)
    return FOLDER / f"Pulumi.{name}.yaml"


def known_stacks() -> list[str]:
    """Return the names of all stacks that have a file."""
    return sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in FOLDER.glob("Pulumi.*.yaml"))


def read_stack(name: str) -> Stack:
    """Read a stack's file.

    Raises:
        StackError: there is no such stack, or its file is not a stack file.
    """
    path = stack_path(name)
    if not path.exists():
        raise StackError(_no_such_stack(name, path))
    config = _config(path, _read(path))
    return Stack(name, path, {key: _plain(value) for key, value in config.items()})


def read_local_stack() -> Stack:
    """Read the stack `local` and make sure that it names a local cloud, and all that other tools need to reach it.

    Raises:
        StackError: it has no file, or the file lacks that.
    """
    stack = read_stack("local")
    needed = {"gcp:storageCustomEndpoint": stack.local_url, **dict.fromkeys(("gcp:project", "gcp:accessToken"), "")}
    lacking = [key for key, found in needed.items() if not (found or stack.config.get(key))]
    if lacking or not stack.local_url:
        what = ", ".join(lacking) or "gcp:storageCustomEndpoint on this machine"
        msg = f"{_shown(stack.path)} lacks {what}. Run: invoke local.start"
        raise StackError(msg)
    return stack


def write_setting(stack: Stack, key: str, value: Any) -> bool:
    """Write one of the project's settings into the stack's file, comments kept; return whether it changed."""
    if stack.setting(key) == value:
        return False
    document = _read(stack.path)
    document.setdefault("config", {})[f"{PROJECT}:{key}"] = value
    _write(stack.path, document)
    return True


def remove_setting(stack: Stack, key: str) -> bool:
    """Remove one of the project's settings from the stack's file; return whether it was there."""
    document = _read(stack.path)
    there = (document.get("config") or {}).pop(f"{PROJECT}:{key}", None) is not None
    if there:
        _write(stack.path, document)
    return there


def write_stack(name: str, config: Mapping[str, Any], encryption_salt: str) -> Stack:
    """Write a stack's file; of one that exists its salt stays, and so does every setting that it has."""
    path = stack_path(name)
    document = _read(path) if path.exists() else {}
    document.setdefault("encryptionsalt", encryption_salt)
    there = _config(path, document)
    own = {key: value for key, value in there.items() if key.startswith(f"{PROJECT}:")}
    document["config"] = {**there, **config, **own}
    _write(path, document)
    return read_stack(name)


def _no_such_stack(name: str, path: Path) -> str:
    if name == "local":
        return f"Stack 'local' has no file {_shown(path)}. Run: invoke local.start"
    known = ", ".join(known_stacks()) or "none"
    return f"No stack {name!r}: {_shown(path)} does not exist. Known stacks: {known}. Run with: --stack local"


def _config(path: Path, document: Mapping[str, Any]) -> dict[str, Any]:
    config = document.get("config") or {}
    if not isinstance(config, dict):
        msg = f"{_shown(path)} has {str(config)!r} under 'config', no settings. Delete it and run: invoke local.start"
        raise StackError(msg)
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        document = _yaml().load(path.read_text())
    except (YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        reason = line + str(getattr(error, "problem", None) or str(error).splitlines()[0])
        msg = f"{_shown(path)} is not YAML: {reason}. Mend the file, or delete it and run: invoke local.start"
        raise StackError(msg) from error
    if not isinstance(document, dict):
        msg = f"{_shown(path)} is not a stack file: it holds no mapping. Delete it and run: invoke local.start"
        raise StackError(msg)
    return document


def _write(path: Path, document: Mapping[str, Any]) -> None:
    text = StringIO()
    _yaml().dump(document, text)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text.getvalue())
    temporary.replace(path)


def _yaml() -> YAML:
    yaml = YAML()  # round trip: comments and order of a committed stack file survive
    yaml.preserve_quotes = True
    yaml.width = 1000
    return yaml


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
