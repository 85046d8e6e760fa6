"""This package as a source distribution, so that Beam's workers elsewhere run the very code that started the run."""

import io
import tarfile
from importlib.metadata import version
from pathlib import Path

import model

NAME = "keras-batch-prediction-model"
REQUIRED = ("apache-beam", "google-cloud-storage", "msgspec", "numpy", "orjson", "pysimdjson", "tensorflow")
SETUP = """from setuptools import find_namespace_packages, setup

setup(name={name!r}, version={version!r}, packages=find_namespace_packages(include=["model", "model.*"]),
      install_requires={required!r})
"""


def build_source(folder: str, release: str = "0.1.0") -> Path:
    """Write the distribution into a folder and return it; it requires the versions that are installed here."""
    root = f"{NAME}-{release}"
    place = Path(folder) / f"{root}.tar.gz"
    required = [f"{name}=={version(name)}" for name in REQUIRED]
    code = Path(model.__file__).parent
    with tarfile.open(place, "w:gz") as archive:
        _add(archive, f"{root}/setup.py", SETUP.format(name=NAME, version=release, required=required).encode())
        _add(archive, f"{root}/PKG-INFO", f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {release}\n".encode())
        for path in sorted(code.rglob("*.py")):
            if path.relative_to(code).parts[0] not in {"bench", "notebooks"}:
                _add(archive, f"{root}/model/{path.relative_to(code).as_posix()}", path.read_bytes())
    return place


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
