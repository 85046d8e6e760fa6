"""A SavedModel on gs:// -> a folder on this machine, fetched once for each content."""

import hashlib
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from model import gcs
from model.files import replacing_folder
from model.signature import UnusableModelError

TRANSFERS = 8  # at a time: a SavedModel is a dozen small files, and waiting is most of their time
KEPT = 8  # models in the cache; the one that was used longest ago goes


def cache_folder(kind: str) -> Path:
    """Return where this project keeps what can be fetched again: below XDG_CACHE_HOME, or `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "keras-batch-prediction" / kind


def fetched(uri: str) -> Path:
    """Return a folder that holds the model at an address.

    Raises:
        UnusableModelError: there is none, or it cannot be read.
    """
    try:
        return _fetched(uri)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnusableModelError(f"The model at {uri!r} cannot be fetched: {reason}") from None


def _fetched(uri: str) -> Path:
    base = uri.rstrip("/") + "/"
    items = gcs.under(base)
    if not items:
        raise UnusableModelError(f"No SavedModel at {uri!r}: there are no objects below it. Run: invoke upload")
    names = {item: gcs.split(item.uri)[1].removeprefix(gcs.split(base)[1]) for item in items}
    content = "".join(f"{names[item]}\0{item.size}\0{item.crc32c}\n" for item in items)
    folder = cache_folder("models") / hashlib.sha256(content.encode()).hexdigest()[:24]
    if not folder.is_dir():
        with replacing_folder(folder) as temporary, ThreadPoolExecutor(TRANSFERS) as pool:
            list(pool.map(lambda item: _fetch(item, temporary, names[item]), items))
    os.utime(folder)
    _forget_oldest(folder.parent)
    return folder


def _fetch(item: gcs.GcsObject, folder: Path, name: str) -> None:
    target = (folder / name).resolve()
    if target.is_relative_to(folder.resolve()):
        target.parent.mkdir(parents=True, exist_ok=True)
        gcs.download(item, target)


def _forget_oldest(cache: Path) -> None:
    models = sorted((path for path in cache.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for path in models[:-KEPT]:
        with tempfile.TemporaryDirectory(dir=cache, prefix=".gone-") as gone:
            shutil.move(path, gone)
