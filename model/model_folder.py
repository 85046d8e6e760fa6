"""Where a server's model lies: a local folder, or gs://, which is downloaded first."""

import atexit
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from model.signature import UnusableModelError

TRANSFERS = 8  # at a time: a SavedModel is a dozen small files, and waiting is most of their time


def local_folder(uri: str) -> Path:
    """Return a folder that holds the model's files; a downloaded one goes when the process ends.

    Raises:
        UnusableModelError: there is nothing at the address, or it cannot be read.
    """
    if uri.startswith("file://"):
        return Path(unquote(urlsplit(uri).path))
    if not uri.startswith("gs://"):
        return Path(uri)
    try:
        return _download(uri)
    except Exception as error:  # storage, network and credentials each raise their own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        msg = f"The model at {uri!r} cannot be downloaded: {reason}"
        raise UnusableModelError(msg) from error


def _download(uri: str) -> Path:
    from google.cloud.storage import Client  # noqa: PLC0415 - seconds to import, and only the cloud's server needs it

    bucket, _, prefix = uri.removeprefix("gs://").partition("/")
    prefix = prefix.rstrip("/") + "/" if prefix else ""
    folder = Path(tempfile.mkdtemp(prefix="model-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    # The project matters to no read; without one the client would look for it, and refuse where it finds none
    client = Client(project=os.environ.get("AIP_PROJECT_NUMBER") or os.environ.get("GOOGLE_CLOUD_PROJECT") or "none")
    found = [blob for blob in client.list_blobs(bucket, prefix=prefix) if not blob.name.endswith("/")]
    if not found:
        msg = f"there are no objects below {uri}"
        raise FileNotFoundError(msg)
    with ThreadPoolExecutor(TRANSFERS) as pool:
        list(pool.map(lambda blob: _fetch(blob, folder, prefix), found))
    return folder


def _fetch(blob: Any, folder: Path, prefix: str) -> None:
    """Stream an object to its file; the client checks its CRC32C."""
    target = (folder / blob.name.removeprefix(prefix)).resolve()
    if target.is_relative_to(folder.resolve()):
        target.parent.mkdir(parents=True, exist_ok=True)
        blob.download_to_filename(str(target), checksum="auto")
