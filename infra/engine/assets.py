"""Assets and archives of a program: the engine notes their content's hash, so that a changed file is a change."""

import hashlib
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from infra.engine.errors import StepError
from infra.engine.wire import signed

ASSET = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"


def with_hashes(value: Any, folder: Path) -> Any:
    """Return a value whose assets carry hashes; paths are relative to the program's folder.

    Raises:
        StepError: where a file is missing.
    """
    if isinstance(value, dict):
        if signed(value, ASSET) or signed(value, ARCHIVE):
            return {**value, "hash": _hash(value, folder)}
        return {key: with_hashes(item, folder) for key, item in value.items()}
    return [with_hashes(item, folder) for item in value] if isinstance(value, list) else value


def _hash(asset: dict[str, Any], folder: Path) -> str:
    digest = hashlib.sha256()
    if "text" in asset:
        digest.update(str(asset["text"]).encode())
    elif "assets" in asset:
        for name, part in sorted(asset["assets"].items()):
            digest.update(f"{name}\0{_hash(part, folder)}\0".encode())
    elif "uri" in asset:
        digest.update(_fetched(str(asset["uri"])))
    else:
        _add_path(digest, folder / str(asset.get("path", "")))
    return digest.hexdigest()


def _fetched(uri: str) -> bytes:
    try:
        with urlopen(uri) as response:
            content: bytes = response.read()
            return content
    except (OSError, ValueError) as error:
        msg = f"cannot read the asset {uri!r}: {error}"
        raise StepError(msg) from error


def _add_path(digest: Any, path: Path) -> None:
    try:
        if path.is_dir():
            for file in sorted(each for each in path.rglob("*") if each.is_file()):
                digest.update(f"{file.relative_to(path)}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
        else:
            digest.update(path.read_bytes())
    except OSError as error:
        msg = f"cannot read the asset {str(path)!r}: {error.strerror}"
        raise StepError(msg) from error
