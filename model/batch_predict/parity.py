"""The services' own unit of failure: a whole batch, told as `(message, how many batches)` and without any row.

The default keeps every row apart. This mode is for seeing what a pipeline does when the service loses a batch.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from model.batch_predict.folder import shard_names, stats_name
from model.instances import WHITESPACE
from model.rejections import Rejection, read_key

BATCH = 64  # rows of a batch where the job says none, at both services
CLASSIC = "ai-platform"
SERVICES = ("vertex-ai", CLASSIC)
# As Vertex AI prints the refusal of a model server, after its retries
REFUSED = (
    "Post request fails. Cannot get predictions. Error: Exceeded retries: "
    "Non-OK result 400 ({}) from server, retry=3, elapsed=0.00s."
)


def fail_batches(
    service: str,
    lines: Sequence[bytes],
    rejections: Sequence[Rejection],
    size: int,
    name_line: Callable[[int], tuple[str, int]],
) -> list[Rejection]:
    """Return a refusal for every line of each batch in which one line is refused."""
    faults = {rejection.at: rejection for rejection in rejections}
    instances = [at for at, line in enumerate(lines) if line.strip(WHITESPACE)] if faults else []
    failed = []
    for start in range(0, len(instances), size):
        batch = instances[start : start + size]
        first = next((faults[at] for at in batch if at in faults), None)
        if first is None:
            continue
        message, place = _wording(service, first), "{}:{}".format(*name_line(batch[0]))
        keys = {at: faults[at].key if at in faults else read_key(lines[at]) for at in batch}
        failed += [Rejection(at, key, "BATCH_FAILED", message, place) for at, key in keys.items()]
    return failed


def without(rows: Sequence[bytes], failed: Sequence[Rejection]) -> list[bytes]:
    """Return result lines without those of failed batches."""
    gone = {rejection.at for rejection in failed}
    return [b"" if at in gone else row for at, row in enumerate(rows)]


def _wording(service: str, refused: Rejection) -> str:
    """Return a refusal as the service words it."""
    text = refused.message
    if refused.code == "PREDICTION_FAILED":
        text = f"Exception during running the graph: {text}"
    if service == CLASSIC:
        return text
    return REFUSED.format(json.dumps({"error": f"Prediction failed: {text}"}, ensure_ascii=False))


class _Record(msgspec.Struct):
    message: str
    batch: str


_decode_record = msgspec.json.Decoder(_Record).decode


def write_stats(output: Path, shards: int) -> None:
    """Write the services' error files beside the row by row ones: one line a message, with its number of batches."""
    for number in range(shards):
        errors = output / shard_names(number, shards)[1]
        if errors.exists():  # else it is on gs://, and this beside it
            errors.with_name(stats_name(errors.name)).write_text(stats_of(errors))


def stats_of(errors: Path) -> str:
    """Return what a service writes in place of an error shard."""
    records = map(_decode_record, errors.read_bytes().splitlines())
    batches = dict.fromkeys((record.batch, record.message) for record in records)
    counts = Counter(message for _, message in batches)
    return "".join(f"({message!r}, {count})\n" for message, count in counts.items())
