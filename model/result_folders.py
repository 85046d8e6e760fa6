"""Where a job's files lie -> the same files on this machine: a folder as it is, gs:// downloaded."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from model import gcs
from model.errors import UserError
from model.files import replacing, replacing_folder

TRANSFERS = 8  # downloads at a time


def local_folder(place: str, downloads: Path) -> Path:
    """Return a folder that holds a job's output; one on gs:// is downloaded into `downloads`, in place of an older one.

    Raises:
        UserError: there is nothing, or it cannot be read.
    """
    if not place.startswith(gcs.SCHEME):
        return Path(place)
    base = place.rstrip("/") + "/"
    try:
        items = gcs.under(base)
        with replacing_folder(downloads) as temporary, ThreadPoolExecutor(TRANSFERS) as pool:
            list(pool.map(lambda item: _fetch(item, base, temporary), items))
    except OSError as error:
        raise _unreadable(place, error) from None
    if not items:
        raise UserError(f"Nothing at '{base}'. Run: gcloud storage ls {base}")
    return downloads


def local_file(place: str, downloads: Path) -> Path:
    """Return a file on this machine; one on gs:// is downloaded into `downloads`, under its own name.

    Raises:
        UserError: it cannot be read.
    """
    if not place.startswith(gcs.SCHEME):
        return Path(place)
    target = downloads / place.rpartition("/")[2]
    try:
        with replacing(target) as temporary:
            gcs.download(gcs.stat(place), temporary)
    except OSError as error:
        raise _unreadable(place, error) from None
    return target


def _fetch(item: gcs.GcsObject, base: str, folder: Path) -> None:
    target = (folder / item.uri.removeprefix(base)).resolve()
    if target.is_relative_to(folder.resolve()):
        target.parent.mkdir(parents=True, exist_ok=True)
        gcs.download(item, target)


def _unreadable(place: str, error: OSError) -> UserError:
    return UserError(f"'{place}' cannot be read: {error.strerror or error}. Run: gcloud storage ls {place}")
