"""The page of strict input is true: every row of its table is run, and no code is missing from it."""

import gzip
import json
import re
import subprocess
import sys
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from model.batch_predict.gzip_stream import GzipStream
from model.batch_predict.inputs import InputFile
from model.batch_predict.validation import describe, passes, settings_of, validate
from tests.batch import ROOT, run

PAGE = (ROOT / "model" / "batch_predict" / "README.md").read_text()
NUMBERS = "[1,2,3,4,5,6,7,8,9,10,11,12,13]"
GOOD = f'{{"features": {NUMBERS}, "key": 1}}'


def rows() -> list[tuple[str, str, str, str, str]]:
    """Return the table's rows: case, model, line, code, message."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| ") and line.count(" | ") == 4]
    cells = [tuple(cell.strip() for cell in line[2:-2].split(" | ")) for line in lines]
    return [row for row in cells if row[0] != "case" and not row[0].startswith("-")]  # type: ignore[misc]


def bytes_of(cell: str) -> bytes:
    """Return the line that a cell shows: `…` stands for 13 numbers, `\\xNN` for a byte, a word for what is too long."""
    text = cell.strip("`").replace("[…]", NUMBERS).replace("[…,", NUMBERS[:-3])
    if text == "100 MB":
        return b'{"features": "' + b"x" * 100_000_000 + b'", "key": 1}'
    return re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes([int(found.group(1), 16)]), text.encode())


def outcome(saved_models: Path, source: Path, model: str) -> dict[str, Any]:
    """Return what a validation says of a file."""
    return validate(settings_of(str(saved_models / model), str(source), "serving_default", ""), lambda *_: None)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_every_case_has_its_documented_outcome(
    saved_models: Path, tmp_path: Path, row: tuple[str, str, str, str, str]
) -> None:
    """The line of each row, after a good one, gets the row's code and message; a row without a code is predicted."""
    _, model, cell, code, message = row
    source = tmp_path / "in.jsonl"
    first = (GOOD + "\n").encode() if model == "`keyed`" else b""
    source.write_bytes(first + bytes_of(cell) + b"\n")
    summary = outcome(saved_models, source, model.strip("`"))
    found = [(example["code"], example["message"], example["line"]) for example in summary["examples"]]
    expected = [(code.strip("`"), message.strip("`"), 1 + bool(first))] if code else []
    assert [(code, line) for code, _, line in found] == [(code, line) for code, _, line in expected]
    for (_, text, _), (_, pattern, _) in zip(found, expected, strict=True):
        assert re.fullmatch(".*".join(map(re.escape, pattern.split("…"))), text), text


def test_every_code_is_in_the_table() -> None:
    """A code that the engine can give to an instance of JSON Lines stands on the page."""
    sources = ("explanations", "columns", "instances", "predictions", "batch_predict/blocks", "batch_predict/records")
    text = "".join((ROOT / "model" / f"{name}.py").read_text() for name in sources)
    codes = set(re.findall(r'"([A-Z]+(?:_[A-Z0-9]+)+)"', text))
    assert codes <= set(re.findall(r"`([A-Z_0-9]+)`", PAGE)), codes


def test_damaged_gzip_loses_no_whole_line(saved_models: Path, tmp_path: Path) -> None:
    """A gzip file that ends early: what is whole before it is predicted, the rest is one record that says so."""
    whole = gzip.compress("".join(f"{GOOD}\n" for _ in range(3000)).encode(), compresslevel=0)
    (tmp_path / "in.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    summary = outcome(saved_models, tmp_path / "in.jsonl.gz", "keyed")
    assert summary["error_codes"] == {"DAMAGED_INPUT": 1}
    assert summary["valid"] > 1000


def test_validation_says_what_the_engine_says(saved_models: Path, tmp_path: Path) -> None:
    """Codes, counts and line numbers of the checks alone are those of a run with the model."""
    source = tmp_path / "in.jsonl"
    lines = [GOOD, "", GOOD[:30], '{"key": 5}', GOOD.replace("13]", "null]"), GOOD, '{"x": 1}', "x"] * 40
    source.write_text("\n".join(lines))
    checked, done = outcome(saved_models, source, "keyed"), run(saved_models / "keyed", [source], tmp_path / "out")
    same = ("instances", "failed", "blank_lines")
    assert {name: checked[name] for name in same} == {name: done.summary[name] for name in same}
    assert checked["error_codes"] == done.summary["error_codes"]
    errors = [{name: error[name] for name in ("key", "file", "line", "code", "message")} for error in done.errors]
    assert all(example in errors for example in checked["examples"])
    assert not passes(checked, "keep")
    assert any(f"{source} line 3, no key: " in line for line in describe(checked, "error"))


def test_validation_of_many_pieces_numbers_lines_through(
    saved_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a file is cut for its processes, lines are counted from its start, and keys compared across pieces."""
    source = tmp_path / "in.jsonl"
    keys = [*range(1, 400), 7]
    source.write_text("".join(GOOD.replace('"key": 1', f'"key": {key}') + "\n" for key in keys) + "x\n")
    monkeypatch.setattr("model.batch_predict.validation.PIECE", 10_000)
    summary = outcome(saved_models, source, "keyed")
    assert [example["line"] for example in summary["examples"]] == [401]
    assert summary["first_duplicates"] == [f"the key of {source} line 7 stands at {source} line 400 again"]


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_file_has_no_instances(saved_models: Path, tmp_path: Path, content: bytes) -> None:
    """Nothing to look at is no fault, but no job is worth paying for; predicting refuses it too."""
    source = tmp_path / "empty.jsonl"
    source.write_bytes(content)
    checked = outcome(saved_models, source, "keyed")
    assert (checked["instances"], checked["failed"]) == (0, 0)
    assert (passes(checked, "error"), describe(checked, "error")[1].strip()[:11]) == (False, "no instance")


def test_options_on_the_page_are_the_engines() -> None:
    """Every option that the page names is one of the engine's, but for the task's own."""
    command = [sys.executable, "-m", "model.batch_predict", "--help"]
    help_text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    options = set(re.findall(r"--[a-z][a-z-]+", PAGE)) - {"--instances", "--job"}
    assert options
    assert all(option in help_text for option in options), options


def test_summary_is_one_object(saved_models: Path, tmp_path: Path) -> None:
    """What the task prints with --json can be printed: plain JSON values throughout."""
    (tmp_path / "in.jsonl").write_text(GOOD)
    assert json.loads(json.dumps(outcome(saved_models, tmp_path / "in.jsonl", "keyed")))["valid"] == 1


def test_a_spoilt_gzip_is_one_fault(saved_models: Path, tmp_path: Path) -> None:
    """What it seemed to hold is not counted, nor are its keys."""
    packed = bytearray(gzip.compress(b'{"bad": 1}\n{"text": "a"}\n' * 100))
    packed[-8] ^= 1
    (tmp_path / "in.jsonl.gz").write_bytes(packed)
    summary = outcome(saved_models, tmp_path / "in.jsonl.gz", "text")
    assert (summary["instances"], summary["error_codes"]) == (1, {"DAMAGED_INPUT": 1})


def test_a_gzip_that_runs_on_over_its_end_is_no_truncated_one(tmp_path: Path) -> None:
    """A flipped bit may hide where the data ends: what was read is not taken for the sound half of a file."""
    lines = b"".join(b'{"features": [%d.%d], "key": %d}\n' % (n * 7 % 97, n * n % 8191, n) for n in range(2000))
    packed, file = gzip.compress(lines), InputFile(tmp_path / "in.gz", "in.gz", 0)
    endless = [data for data in map(partial(_flipped, packed), range(8 * 8, 40 * 8)) if _is_endless(data)]
    assert endless
    for data in endless:
        file.path.write_bytes(data)
        with GzipStream(file) as stream:
            while stream.readinto(memoryview(bytearray(1 << 16))):
                pass
        assert (stream.damage is not None, getattr(stream.damage, "spoils", False)) == (True, True)


def _flipped(packed: bytes, bit: int) -> bytes:
    """Return a file of which a bit is another, counted from the end."""
    data = bytearray(packed)
    data[-1 - bit // 8] ^= 1 << bit % 8
    return bytes(data)


def _is_endless(packed: bytes) -> bool:
    """Whether its data are sound as far as they go, but do not end."""
    reader = zlib.decompressobj(31)
    try:
        reader.decompress(packed)
    except zlib.error:
        return False
    return not reader.eof


def test_a_number_is_no_base64(saved_models: Path, tmp_path: Path) -> None:
    """The message says what is."""
    (tmp_path / "in.jsonl").write_text('{"b64": 5}\n')
    [example] = outcome(saved_models, tmp_path / "in.jsonl", "text")["examples"]
    assert (example["code"], example["message"]) == ("WRONG_TYPE", "field 'b64' is 5: expected base64 text")
