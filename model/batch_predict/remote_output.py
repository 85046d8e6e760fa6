"""A run whose output is on gs://: made in a folder of this machine, uploaded when it is whole, its manifest last.

Resuming means: on the same machine, blocks that are done are not predicted again, and files that are there are not
sent again. An object is there whole or not at all, and where the manifest is, everything is.
"""

import hashlib
import shutil
import sys
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import google_crc32c

from model import gcs
from model.batch_predict.folder import MANIFEST, WORK
from model.batch_predict.settings import BrokenOffError, UnusableError
from model.model_cache import cache_folder

TRANSFERS = 4  # uploads at a time


def staging(uri: str, resume: bool) -> Path:
    """Return the folder in which a run for an address is made, and see that the address is free or the run's own.

    Raises:
        UnusableError: there are results already, or those of a run that another machine has begun.
    """
    folder = cache_folder("runs") / hashlib.sha256(uri.rstrip("/").encode()).hexdigest()[:24]
    try:
        there = gcs.under(f"{uri.rstrip('/')}/")
    except OSError as error:
        msg = f"Cannot write to {uri!r}: {error.strerror}"
        raise UnusableError(msg) from None
    names = {item.name.rpartition("/")[2]: item for item in there}
    if not resume and any(name == MANIFEST or name.startswith("prediction.") for name in names):
        msg = f"{uri!r} already holds predictions. Choose another --output, or continue them with --resume"
        raise UnusableError(msg)
    if resume and MANIFEST in names and not (folder / WORK).exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST).write_bytes(names[MANIFEST].read())  # what the run was; the engine says if it is this one
    return folder


def upload(folder: Path, uri: str, *, finished: bool) -> None:
    """Bring a run's files to the address; a finished one needs its folder no more.

    Raises:
        BrokenOffError: they cannot be brought there now.
    """
    base = uri.rstrip("/")
    files = sorted(path for path in folder.glob("prediction.*") if path.is_file())
    try:
        there = {item.name.rpartition("/")[2]: item.crc32c for item in gcs.under(f"{base}/")}
        sent = [path for path in files if there.get(path.name) != _crc32c(path)]
        if sent:
            size = sum(path.stat().st_size for path in sent)
            print(f"uploading {len(sent)} files, {size / 1e6:,.1f} MB -> {base}/", file=sys.stderr, flush=True)
        with ThreadPoolExecutor(TRANSFERS) as pool:
            list(pool.map(lambda path: gcs.upload(path, f"{base}/{path.name}"), sent))
        gcs.upload(folder / MANIFEST, f"{base}/{MANIFEST}")
    except OSError as error:
        msg = f"{error.strerror}: {str(error.filename)!r}"
        raise BrokenOffError(msg) from None
    if finished:
        shutil.rmtree(folder)


def _crc32c(path: Path) -> str:
    """Return a file's checksum as Cloud Storage writes it."""
    crc = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            crc = google_crc32c.extend(crc, chunk)
    return b64encode(crc.to_bytes(4, "big")).decode()
