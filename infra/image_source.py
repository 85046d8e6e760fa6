"""The serving image's build context: the server's modules and what pins its packages, as one reproducible archive."""

import ast
import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.errors import InfraError

SERVER = "model.serve"
DOCKERFILE = "model/Dockerfile"
PINS = ("pyproject.toml", "uv.lock", DOCKERFILE)


@dataclass(frozen=True)
class ImageSource:
    """The archive, and the tag that its content gives the image: the same source is the same tag."""

    files: tuple[str, ...]
    archive: bytes

    @property
    def tag(self) -> str:
        """The image's tag."""
        return f"source-{hashlib.sha256(self.archive).hexdigest()[:12]}"


def pack_source(root: Path) -> ImageSource:
    """Pack what the Dockerfile needs; of `model`, only the modules that the server imports.

    Raises:
        InfraError: a file is missing.
    """
    names = sorted({*PINS, *server_modules(root)})
    missing = [name for name in names if not (root / name).is_file()]
    if missing:
        msg = f"The serving image cannot be built without {', '.join(missing)}. Run: git restore {' '.join(missing)}"
        raise InfraError(msg)
    return ImageSource(tuple(names), _archive(root, names))


def server_modules(root: Path) -> set[str]:
    """Return the files of `model` that the server imports, directly or not, packages' `__init__.py` included."""
    waiting, found = [SERVER], set()
    while waiting:
        module = waiting.pop()
        path = _file_of(root, module)
        name = path.relative_to(root).as_posix()
        if name in found:
            continue
        found.add(name)
        waiting += [*_imports(root, path), *_packages(module)]
    return found


def _imports(root: Path, path: Path) -> Iterator[str]:
    """Yield the project's modules that a file imports, those inside of its functions too."""
    tree = ast.parse(path.read_text()) if path.is_file() else ast.Module([], [])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("model."))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "model":
            yield str(node.module)
            whole = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name for name in whole if _file_of(root, name).is_file())


def _packages(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _file_of(root: Path, module: str) -> Path:
    path = root.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _archive(root: Path, names: list[str]) -> bytes:
    """Write a gzipped tar whose bytes depend on names and contents alone."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name in names:
            content = (root / name).read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
