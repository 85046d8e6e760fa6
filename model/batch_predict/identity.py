"""What decides a run's output, and whether a folder's unfinished run is the one that is asked for."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from model.batch_predict.formats import Format
from model.batch_predict.inputs import InputFile
from model.batch_predict.scan import Scan, digest_folder, scan_files
from model.batch_predict.settings import DEFAULT_BATCH, Settings, UnusableError
from model.batch_predict.tables import TableFormat
from model.batch_predict.transforms import AS_IT_IS, InstanceConfig
from model.signature import Signature


class InputRecord(msgspec.Struct, frozen=True):
    """An input as plan and manifest name it; the digest is empty until the file has been read once."""

    file: str
    size: int
    sha256: str = ""
    format: str = Format.JSONL
    contents: str = ""  # of a file list: the digest of all that it names


class Plan(msgspec.Struct, frozen=True):
    """What decides a run's output. Only a run with the same plan may go on with another's shards."""

    inputs: list[InputRecord]
    model: str
    signature: str
    batch_size: int
    shards: int
    seed: int | None
    with_instance: bool
    config: InstanceConfig = AS_IT_IS
    parity: str = ""
    csv_rows: str = ""
    predictions_format: str = TableFormat.JSONL

    @property
    def complete(self) -> bool:
        """Whether all digests are known."""
        return bool(self.model) and all(
            record.sha256 and (record.contents or record.format != Format.FILE_LIST) for record in self.inputs
        )


def new_plan(settings: Settings, files: Sequence[InputFile], signature: Signature, shards: int) -> Plan:
    """Return the plan of a new run: digests are not known yet."""
    inputs = [InputRecord(file.name, file.size, format=file.format.value) for file in files]
    batch = settings.batch_size or DEFAULT_BATCH
    count, seed = settings.shards or shards, settings.seed
    own = (
        settings.with_instance,
        settings.config,
        settings.parity,
        settings.csv_rows,
        settings.predictions_format.value,
    )
    return Plan(inputs, "", str(signature), batch, count, seed, *own)


def own_plan(settings: Settings, files: Sequence[InputFile], signature: Signature, stored: Plan) -> Plan:
    """Return the stored plan, if the command line, the inputs and the model of today are those it was made for.

    Raises:
        UnusableError: they are not.
    """
    scan = scan_files(files, [], None)
    asked = msgspec.structs.replace(
        complete_plan(new_plan(settings, files, signature, stored.shards), scan, settings.saved_model),
        batch_size=settings.batch_size or stored.batch_size,
    )
    differing = [name for name in Plan.__struct_fields__ if getattr(asked, name) != getattr(stored, name)]
    if differing:
        was = ", ".join(name.replace("_", "-") for name in differing)
        changed = _changed(asked.inputs, stored.inputs) if "inputs" in differing else ""
        msg = f"{settings.place!r} belongs to a run with other {was}{changed}. Choose another --output"
        raise UnusableError(msg)
    return stored


def _changed(asked: Sequence[InputRecord], stored: Sequence[InputRecord]) -> str:
    """Name the file that is not what it was, where the runs have the same files."""
    if [record.file for record in asked] != [record.file for record in stored]:
        return ""
    now, then = next(pair for pair in zip(asked, stored, strict=True) if pair[0] != pair[1])
    same = (now.size, now.sha256, now.format) == (then.size, then.sha256, then.format)
    what = "names a file that is" if same else "is"
    return f": {now.file!r} {what} not what it was"


def complete_plan(plan: Plan, scan: Scan, saved_model: Path) -> Plan:
    """Return the plan with the digests of inputs and model."""
    found = zip(plan.inputs, scan.digests, scan.contents, strict=True)
    inputs = [msgspec.structs.replace(record, sha256=digest, contents=held) for record, digest, held in found]
    return msgspec.structs.replace(plan, inputs=inputs, model=digest_folder(saved_model))
