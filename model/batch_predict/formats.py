"""What an input file holds: the instance formats, how a file's name tells them, what each demands of the model."""

import re
from enum import StrEnum

from model.signature import Signature


class Format(StrEnum):
    """The services' names of instance formats."""

    JSONL = "jsonl"
    CSV = "csv"
    TF_RECORD = "tf-record"
    TF_RECORD_GZIP = "tf-record-gzip"
    FILE_LIST = "file-list"


SHARD = r"(-\d+-of-\d+)?"  # part-00000-of-00010, as Beam and TensorFlow end their files' names
NAMES = {
    Format.CSV: re.compile(rf"\.csv{SHARD}(\.gz)?$", re.IGNORECASE),
    Format.TF_RECORD: re.compile(rf"\.tf-?records?{SHARD}$", re.IGNORECASE),
    Format.TF_RECORD_GZIP: re.compile(rf"\.tf-?records?{SHARD}\.gz(ip)?$", re.IGNORECASE),
    Format.FILE_LIST: re.compile(r"\.file-?list(\.gz)?$", re.IGNORECASE),
}
LINES = {Format.JSONL, Format.CSV, Format.FILE_LIST}  # what can be cut at line ends
BINARY = {Format.TF_RECORD, Format.TF_RECORD_GZIP, Format.FILE_LIST}  # what is sent as {"b64": …}


def format_of(name: str) -> Format:
    """Return the format that a file's name tells; JSON Lines where it tells none."""
    return next((found for found, pattern in NAMES.items() if pattern.search(name)), Format.JSONL)


def refusal(kind: Format, signature: Signature) -> str:
    """Say why instances of a format cannot be sent to a model, or nothing."""
    if kind not in BINARY:
        return ""
    inputs = signature.inputs
    if len(inputs) == 1 and inputs[0].dtype == "string" and inputs[0].shape == (None,):
        return ""
    takes = ", ".join(map(str, inputs))
    return f'A {kind} instance is sent as {{"b64": …}}: the model must have one string input, and it takes {takes}'
