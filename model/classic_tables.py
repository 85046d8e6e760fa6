"""AI Platform's `outputDataFormat: CSV` -> the lines that joins read: rows, whose header is a file beside them.

Lists stand as Python prints them, texts as they are: one that looks like a number is read as that number, but for keys.
"""

import ast
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from model.batch_predict.settings import LONGEST_LINE
from model.rejections import KEY

HEADER = "prediction.results_header.csv"
BOOLS = {"True": True, "False": False}
NO_VALUE = (ValueError, SyntaxError, MemoryError, RecursionError)


def is_classic_table(file: Path) -> bool:
    """Whether a CSV shard is the service's: its columns' names lie beside it."""
    return file.suffix == ".csv" and file.with_name(HEADER).exists()


def classic_lines(file: Path, *, text_keys: bool) -> Iterator[tuple[int, bytes]]:
    """Yield number and line of each row; one with more or fewer cells than the header comes as it stands."""
    csv.field_size_limit(LONGEST_LINE)
    with file.with_name(HEADER).open(newline="", encoding="utf-8") as stream:
        header = next(csv.reader(stream, strict=True), [])
    with file.open(newline="", encoding="utf-8") as stream:
        for number, row in enumerate(csv.reader(stream, strict=True), 1):
            if len(row) == len(header):
                cells = zip(header, row, strict=True)
                values = {name: cell if text_keys and name == KEY else _value(cell) for name, cell in cells}
                yield number, orjson.dumps(values)
            elif row:
                yield number, ",".join(row).encode()


def _value(cell: str) -> Any:
    """Return the value that Python printed; a text where it is no number, list or object."""
    if cell in BOOLS:
        return BOOLS[cell]
    try:
        nested, float_like = cell[:1] in {"[", "{"}, "." in cell or "e" in cell
        value = ast.literal_eval(cell) if nested else float(cell) if float_like else int(cell)
        orjson.dumps(value)
    except (*NO_VALUE, TypeError):  # TypeError: what JSON has not
        return cell
    return value if str(value) == cell else cell
