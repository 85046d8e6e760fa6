"""TFRecord files: what TensorFlow writes is read, and every damage has its one outcome."""

import gzip
import io
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.batch_predict.formats import Format, format_of
from model.batch_predict.inputs import InputFile
from model.batch_predict.tf_records import masked_crc32c, read_record_blocks, read_records
from model.tf_examples import key_of, read_example
from tests.saved_models import RECORDS, rows


def framed(data: bytes) -> bytes:
    """Frame a record."""
    head = struct.pack("<Q", len(data))
    return head + struct.pack("<I", masked_crc32c(head)) + data + struct.pack("<I", masked_crc32c(data))


def faults(content: bytes) -> list[str | None]:
    """Return the code of each record's fault."""
    return [record.fault and record.fault[0] for record in read_records(io.BytesIO(content))]


@pytest.mark.parametrize("name", ["rows.tfrecord", "rows.tfrecord.gz"])
def test_tensorflows_own_files_are_read(saved_models: Path, name: str) -> None:
    """Every record, checksums verified, in blocks of any size; its features and its key without TensorFlow."""
    path = saved_models / name
    file = InputFile(path, name, path.stat().st_size, format_of(name))
    blocks = list(read_record_blocks(file, size=1000))
    assert len(blocks) > 5
    assert [block.first_line for block in blocks][1] == len(blocks[0].lines)
    assert sum(len(block.lines) for block in blocks) == RECORDS
    assert not any(block.faults for block in blocks)
    assert [block.key(at) for block in blocks for at in range(len(block.lines))] == list(range(-5, RECORDS - 5))
    assert [block.size for block in blocks if block.size] and sum(block.size for block in blocks) == file.size


def test_an_example_is_read_without_tensorflow(saved_models: Path) -> None:
    """Floats and integers, negative ones too, come back as they were written."""
    with (saved_models / "rows.tfrecord").open("rb") as file:
        first = next(read_records(file))
    example = read_example(first.data)
    assert example["key"] == [-5]
    assert example["features"] == pytest.approx(rows(1)[0].tolist(), abs=1e-6)
    assert key_of(first.data[:-3]) is None
    assert key_of(b"any bytes") is None


@settings(deadline=None)
@given(st.lists(st.binary(max_size=50), max_size=5))
def test_records_come_back(records: list[bytes]) -> None:
    """Any bytes, empty ones too, are a record."""
    assert [record.data for record in read_records(io.BytesIO(b"".join(map(framed, records))))] == records


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=4), st.data())
def test_no_byte_can_change_unseen(records: list[bytes], data: st.DataObject) -> None:
    """A flipped bit costs its record, or all from there on; those before are whole."""
    content = bytearray(b"".join(map(framed, records)))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    found = list(read_records(io.BytesIO(content)))
    assert sum(record.fault is not None for record in found) == 1
    sound = [record.data for record in found if not record.fault]
    assert all(record in records for record in sound)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=20), min_size=1, max_size=4), st.data())
def test_a_cut_file_loses_only_its_end(records: list[bytes], data: st.DataObject) -> None:
    """Records before the cut are whole, the torn one is one fault, a cut between two is none."""
    content = b"".join(map(framed, records))
    cut = data.draw(st.integers(0, len(content)))
    found = list(read_records(io.BytesIO(content[:cut])))
    bounds = [len(b"".join(map(framed, records[:n]))) for n in range(len(records) + 1)]
    whole = max(n for n, bound in enumerate(bounds) if bound <= cut)
    assert [record.data for record in found if not record.fault] == records[:whole]
    assert [record.fault[0] for record in found if record.fault] == ([] if cut in bounds else ["DAMAGED_INPUT"])
    assert sum(record.size for record in found) == cut


def test_a_record_beyond_any_memory_is_a_fault() -> None:
    """A length of terabytes with a right checksum is no reason to allocate them."""
    head = struct.pack("<Q", 1 << 42)
    assert faults(head + struct.pack("<I", masked_crc32c(head)) + b"abc") == ["DAMAGED_INPUT"]


def test_damaged_compression_is_one_fault(tmp_path: Path) -> None:
    """A gzip file that ends early: what was whole before is read."""
    packed = gzip.compress(b"".join(framed(bytes([n]) * 5000) for n in range(50)), 0)
    path = tmp_path / "rows.tfrecord.gz"
    path.write_bytes(packed[: len(packed) // 2])
    blocks = list(read_record_blocks(InputFile(path, "x", 1, Format.TF_RECORD_GZIP)))
    assert [fault.code for block in blocks for fault in block.faults] == ["DAMAGED_INPUT"]
    assert 20 < sum(len(block.lines) for block in blocks) < 27


def test_names_tell_formats() -> None:
    """Endings as the field writes them; what tells nothing is JSON Lines."""
    named = {name: format_of(name) for name in ("a.csv", "a.CSV.gz", "a.tfrecords-00000-of-00010", "a.tfrecord.gz")}
    assert list(named.values()) == ["csv", "csv", "tf-record", "tf-record-gzip"]
    assert [format_of(name) for name in ("a.jsonl.gz", "a", "a.txt", "b.filelist")] == ["jsonl"] * 3 + ["file-list"]
