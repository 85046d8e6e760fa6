"""The key of a CSV row that is no instance, where there is no doubt which cell holds it."""

import msgspec

from model.batch_predict.csv_columns import Columns
from model.batch_predict.csv_rows import Cell, RowError, cells_of, typed
from model.rejections import Key, as_key


def readable_key(columns: Columns, row: bytes) -> Key:
    """Return a refused row's key; None where it has none, or a row of another length leaves open which cell it is."""
    if columns.key not in columns.header:
        return None
    place = columns.header.index(columns.key)
    cell = _cell(row.removesuffix(b"\r").decode(errors="surrogateescape"), place, len(columns.header))
    try:
        return as_key(msgspec.json.decode(_value(columns, place, cell))) if cell else None
    except (TypeError, msgspec.MsgspecError):  # TypeError: bytes in it that are no text
        return None


def _cell(row: str, place: int, count: int) -> Cell | None:
    """Return a cell of a row, though others of it are broken or of the wrong number."""
    cells, whole = [], True
    try:
        for cell in cells_of(row):
            cells.append(cell)
    except RowError:
        whole = False
    if place < len(cells):
        return cells[place] if not whole or len(cells) == count or place == 0 else None
    parts = row.split(",")  # behind the fault: sure only where no quote can have hidden a comma
    return (parts[place], False) if not whole and len(parts) == count and '"' not in parts[place] else None


def _value(columns: Columns, place: int, cell: Cell) -> bytes:
    dtypes = [field.dtype for field in columns.fields if place in field.columns]
    return typed(cell[0], dtypes[0] if dtypes else "string" if cell[1] else "")
