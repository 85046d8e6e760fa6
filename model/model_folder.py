"""Where a server's model lies: a local folder, or gs://, which is downloaded first."""

import tempfile
from pathlib import Path

from model.signature import UnusableModelError


def local_folder(uri: str) -> Path:
    """Return a folder that holds the model's files.

    Raises:
        UnusableModelError: there is nothing at the address, or it cannot be read.
    """
    if not uri.startswith("gs://"):
        return Path(uri.removeprefix("file://"))
    try:
        return _download(uri)
    except Exception as error:  # storage, network and credentials each raise their own
        msg = f"The model at {uri!r} cannot be downloaded: {error}"
        raise UnusableModelError(msg) from error


def _download(uri: str) -> Path:
    from google.cloud.storage import Client  # noqa: PLC0415 - seconds to import, and only the cloud's server needs it

    bucket, _, prefix = uri.removeprefix("gs://").partition("/")
    prefix = prefix.rstrip("/") + "/" if prefix else ""
    folder = Path(tempfile.mkdtemp(prefix="model-"))
    for blob in Client().list_blobs(bucket, prefix=prefix):
        target = (folder / blob.name.removeprefix(prefix)).resolve()
        if not blob.name.endswith("/") and target.is_relative_to(folder.resolve()):
            target.parent.mkdir(parents=True, exist_ok=True)
            blob.download_to_filename(str(target))
    if not any(folder.iterdir()):
        msg = f"there are no objects below {uri}"
        raise FileNotFoundError(msg)
    return folder
