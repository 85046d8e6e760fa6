"""All shards' keys -> how many instances have another's, as the engine counts them: in bounded memory, by portions."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model import gcs
from model.batch_predict.duplicate_keys import facts_of, find_duplicates
from model.beam_predict.errors import lines_before
from model.beam_predict.files import is_remote
from model.beam_predict.work import ShardDone, Work


def duplicate_facts(work: Work, done: Sequence[ShardDone]) -> dict[str, Any]:
    """Return how many instances have another's key, and where the first of them stand."""
    parts = {part.number: part for shard in work.shards for part in shard}
    before = lines_before(work, done)
    with tempfile.TemporaryDirectory(prefix="keys-") as name:
        notes = [_here(work.unfinished(shard.number, "keys"), Path(name)) for shard in done]
        found = find_duplicates(notes, sorted(parts), Path(name))

    def place(number: int, line: int) -> str:
        return f"{work.files[parts[number].file].name} line {before[number] + line + 1}"

    return facts_of(found, place)


def _here(place: str, folder: Path) -> Path:
    """Return a shard's keys on this machine."""
    if not is_remote(place):
        return Path(place)
    file = folder / place.rpartition("/")[2]
    gcs.download(gcs.stat(place), file)
    return file
