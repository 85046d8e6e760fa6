"""Pulumi.yaml and Pulumi.STACK.yaml: the project and a stack's configuration as the engine passes it to programs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.engine.errors import EngineError
from infra.engine.sealing import Sealer


@dataclass(frozen=True)
class Project:
    """A folder with a Pulumi.yaml."""

    name: str
    root: Path
    program: Path  # the folder or file that `main` names
    config_folder: Path
    keeps_stack_files: bool  # says where they lie, so each stack has one
    defaults: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """The folder that the program runs in."""
        return self.program if self.program.is_dir() else self.program.parent


@dataclass(frozen=True)
class StackConfig:
    """A stack's settings, every value a string as programs get it."""

    values: Mapping[str, str]
    secrets: frozenset[str]


class _Loader(yaml.SafeLoader):
    """YAML as Go reads it: a date stays text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def find_project(folder: Path) -> Project:
    """Read the Pulumi.yaml of a folder or of the nearest one above it."""
    for root in (folder, *folder.parents):
        for file in (root / "Pulumi.yaml", root / "Pulumi.yml"):
            if file.is_file():
                return _read_project(file)
    msg = f"No Pulumi.yaml in {str(folder)!r} or above it. Name the project's folder: -C DIR"
    raise EngineError(msg)


def _read_project(file: Path) -> Project:
    document = _read_yaml(file)
    name, root = document.get("name"), file.parent
    if not isinstance(name, str) or not name:
        msg = f"{str(file)!r} has no `name`: give the project one"
        raise EngineError(msg)
    runtime = document.get("runtime")
    language = runtime.get("name") if isinstance(runtime, dict) else runtime
    if language != "python":
        msg = f"{str(file)!r} asks for runtime {language!r}; this engine runs python programs. Use the Pulumi CLI"
        raise EngineError(msg)
    folder = document.get("stackConfigDir")
    program, defaults = document.get("main") or ".", document.get("config") or {}
    return Project(name, root, (root / program).resolve(), root / (folder or "."), bool(folder), defaults)


def stack_file(project: Project, stack: str) -> Path:
    """Return where a stack's settings lie."""
    return project.config_folder / f"Pulumi.{stack}.yaml"


def read_stack_config(project: Project, stack: str, has_state: bool) -> dict[str, Any]:
    """Read a stack's file; a project that keeps no stack files needs none.

    Raises:
        EngineError: where the stack is not one of the project's.
    """
    file = stack_file(project, stack)
    if file.is_file():
        return _read_yaml(file)
    others = sorted(p.name.split(".")[1] for p in project.config_folder.glob("Pulumi.?*.yaml"))
    if has_state or not (others or project.keeps_stack_files):
        return {}
    known = f"The stacks are: {', '.join(others)}" if others else "The project has no stack yet"
    shown = file.relative_to(project.root) if file.is_relative_to(project.root) else file
    msg = f"No stack {stack!r}: there is no file {str(shown)!r}. {known}"
    raise EngineError(msg)


def resolve(project: Project, document: Mapping[str, Any], sealer: Sealer | None) -> StackConfig:
    """Turn the file's values into what programs get: text, JSON for objects, secure values opened."""
    values: dict[str, str] = {}
    secrets: set[str] = set()
    for key, raw in {**_defaults(project), **(document.get("config") or {})}.items():
        name = _full_key(project.name, str(key))
        opened, is_secret = _opened(raw, sealer)
        values[name] = _text(opened)
        if is_secret:
            secrets.add(name)
    return StackConfig(values, frozenset(secrets))


def has_secure_values(document: Mapping[str, Any]) -> bool:
    """Tell whether resolving needs the stack's key."""
    return any(_is_secure(value) for value in (document.get("config") or {}).values())


def _defaults(project: Project) -> dict[str, Any]:
    found = {}
    for key, declared in project.defaults.items():
        value = declared
        if isinstance(declared, dict):
            value = declared.get("value", declared.get("default"))
        if value is not None:
            found[key] = value
    return found


def _full_key(project: str, key: str) -> str:
    namespace, _, name = key.partition(":")
    return f"{namespace}:{name.removeprefix('config:')}" if name else f"{project}:{key}"


def _is_secure(value: Any) -> bool:
    if isinstance(value, dict):
        return set(value) == {"secure"} or any(map(_is_secure, value.values()))
    return isinstance(value, list) and any(map(_is_secure, value))


def _opened(value: Any, sealer: Sealer | None) -> tuple[Any, bool]:
    if isinstance(value, dict):
        if set(value) == {"secure"} and sealer is not None:
            return sealer.open(str(value["secure"])), True
        parts = {str(key): _opened(item, sealer) for key, item in value.items()}
        return {key: part for key, (part, _) in parts.items()}, any(hidden for _, hidden in parts.values())
    if isinstance(value, list):
        items = [_opened(item, sealer) for item in value]
        return [item for item, _ in items], any(hidden for _, hidden in items)
    return value, False


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    # Go writes maps in the order of their keys.
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        document = yaml.load(file.read_text(encoding="utf-8"), _Loader)  # noqa: S506  (a SafeLoader)
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        msg = f"Cannot read {str(file)!r}: {reason}"
        raise EngineError(msg) from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        msg = f"{str(file)!r} is no mapping of settings"
        raise EngineError(msg)
    return document
