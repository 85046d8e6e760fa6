"""Keys that more than one instance has are found exactly, whatever their number and kind, in bounded memory."""

from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.batch_predict import duplicate_keys
from model.batch_predict.blocks import Block
from model.batch_predict.duplicate_keys import find_duplicates
from model.batch_predict.kernel import Pending
from model.batch_predict.key_notes import LEAST_RUN, NOTE, notes_of
from model.batch_predict.plan import Range
from model.batch_predict.validation import settings_of, validate
from model.instances import Decoded, Group
from model.signature import Signature, TensorSpec
from tests.batch import Finished, run

NUMBERS, TEXTS = TensorSpec("key", "k:0", "int64", (None,)), TensorSpec("key", "k:0", "string", (None,))


def noted(folder: Path, spec: TensorSpec, keys: list[int] | list[bytes], number: int = 0) -> Path:
    """Write the notes of a range whose lines have these keys."""
    array = np.empty(len(keys), dtype=object if spec is TEXTS else np.int64)
    array[:] = keys
    decoded = Decoded([Group(np.arange(len(keys)), {"key": array})], [], 0)
    path = folder / f"{number}.keys"
    pending = Pending(Range(number, 0, 0, None), 0, Block([], 0, 0, 0), decoded)
    path.write_bytes(notes_of(pending, Signature("s", (spec,), ())))
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(keys=st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3), min_size=1, max_size=60))
def test_duplicates_are_counted_exactly(tmp_path: Path, keys: list[int]) -> None:
    """As many as there are instances behind the first of their key; the first pairs are named in order."""
    found = find_duplicates([noted(tmp_path, NUMBERS, keys)], [0], tmp_path)
    assert found.count == sum(count - 1 for count in Counter(keys).values())
    again = [at for at, key in enumerate(keys) if key in keys[:at]]
    assert [line for _, (_, line) in found.first] == again[:10]
    assert all(keys[one] == keys[two] for (_, one), (_, two) in found.first)


def wrapped(key: int) -> int:
    """Bring an integer into the range of 64 bits."""
    return (key + 2**63) % 2**64 - 2**63


runs = st.builds(
    lambda first, count: [wrapped(first + number) for number in range(count)],
    st.integers(-60, 60) | st.integers(2**63 - 9, 2**63 - 1) | st.integers(-(2**63), -(2**63) + 9),
    st.integers(LEAST_RUN, 40),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    blocks=st.lists(st.lists(runs, min_size=1, max_size=3), min_size=1, max_size=4),
    bound=st.sampled_from([32, 1 << 18]),
)
def test_duplicates_among_numbered_rows_are_counted_exactly(
    tmp_path: Path, blocks: list[list[list[int]]], bound: int
) -> None:
    """Keys that follow one another are noted together, and compared as if each stood by itself."""
    files = [noted(tmp_path, NUMBERS, list(chain(*block)), number) for number, block in enumerate(blocks)]
    assert all(path.stat().st_size <= NOTE.itemsize * len(block) for path, block in zip(files, blocks, strict=True))
    rows = [(key, (number, line)) for number, block in enumerate(blocks) for line, key in enumerate(chain(*block))]
    seen = Counter(key for key, _ in rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicate_keys, "PORTION", bound)
        found = find_duplicates(files, list(range(len(blocks))), tmp_path)
    assert found.count == sum(count - 1 for count in seen.values())
    first = dict(reversed(rows))
    again = [place for key, place in rows if place != first[key]]
    assert [place for _, place in found.first] == again[:10]
    where: dict[tuple[int, ...], int] = {place: key for key, place in rows}
    assert all(where[one] == where[two] for one, two in found.first)


@pytest.mark.parametrize("keys", [[1, 2, 4, 5, 7, 8], [6, 5, 4, 3, 2, 1], [1, 1, 1, 1], [0, 2, 4, 6, 8]])
def test_keys_that_do_not_follow_one_another_are_noted_one_by_one(tmp_path: Path, keys: list[int]) -> None:
    """Runs too short to be worth it, other steps, and equal keys."""
    path = noted(tmp_path, NUMBERS, keys)
    assert path.stat().st_size == len(keys) * NOTE.itemsize
    assert find_duplicates([path], [0], tmp_path).count == len(keys) - len(set(keys))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(keys=st.lists(st.binary(max_size=20) | st.sampled_from([b"", b"\0", b"a", b"a\0", b"row-1"]), min_size=1))
def test_texts_are_told_apart(tmp_path: Path, keys: list[bytes]) -> None:
    """Texts of any length and content, those that differ in trailing zero bytes too."""
    found = find_duplicates([noted(tmp_path, TEXTS, keys)], [0], tmp_path)
    assert found.count == sum(count - 1 for count in Counter(keys).values())


def test_portions_find_what_one_look_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More notes than a portion holds, in several files: the same count, the same first places."""
    keys = np.random.default_rng(1).integers(0, 3000, 5000).tolist()
    files = [noted(tmp_path, NUMBERS, keys[:2000], 1), noted(tmp_path, NUMBERS, keys[2000:], 0)]
    whole = find_duplicates(files, [1, 0], tmp_path)
    monkeypatch.setattr(duplicate_keys, "PORTION", 64)
    assert find_duplicates(files, [1, 0], tmp_path) == whole
    assert whole.count == 5000 - len(set(keys))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.keys", "1.keys"]


@pytest.fixture(scope="module")
def repeated(saved_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run that is to refuse duplicate keys, over two files that have one in common."""
    folder = tmp_path_factory.mktemp("repeated")
    good = '{"features": [1,2,3,4,5,6,7,8,9,10,11,12,13], "key": %d}\n'
    (folder / "a.jsonl").write_text("".join(good % key for key in range(5)))
    (folder / "b.jsonl").write_text("\n" + "".join(good % key for key in (9, 3, 8)))
    files: list[Path | str] = [folder / "a.jsonl", folder / "b.jsonl"]
    return run(saved_models / "keyed", files, folder / "out", "--on-duplicate-key", "error")


def test_duplicate_key_is_refused_where_asked(repeated: Finished) -> None:
    """Exit code 2 and one line that names both places and the two ways out; nothing is published."""
    folder = repeated.output.parent
    places = f"the key of {folder}/a.jsonl line 4 stands at {folder}/b.jsonl line 3 again (1 in all)"
    remedy = "Make keys unique, or run again with --resume --on-duplicate-key keep"
    assert (repeated.code, repeated.stderr) == (2, f"{places}. {remedy}\n")
    assert not list(repeated.output.glob("prediction.*"))


def test_duplicate_key_is_kept_and_told(saved_models: Path, repeated: Finished) -> None:
    """With --resume and the other policy the same run ends well, and manifest, summary and a warning tell of it."""
    folder = repeated.output.parent
    files: list[Path | str] = [folder / "a.jsonl", folder / "b.jsonl"]
    done = run(saved_models / "keyed", files, repeated.output, "--resume")
    assert (done.code, done.summary["predicted"], done.summary["duplicate_keys"]) == (0, 8, 1)
    assert "warning: 1 instances have the key of another" in done.stderr
    assert len(done.manifest["first_duplicates"]) == 1


def test_keys_that_the_model_does_not_see_are_compared(saved_models: Path, tmp_path: Path) -> None:
    """With --key-field they are taken out of the instance: `1` is not `"1"`, an escape is the letter it stands for."""
    keys = ["1", '"1"', '"a"', '"\\u0061"', "2", "1", "12345678901234567890123", "12345678901234567890124"]
    lines = [f'{{"x": [1, 2, 3], "id": {key}}}\n' for key in keys]
    (tmp_path / "in.jsonl").write_text("".join(lines))
    done = run(saved_models / "single", [tmp_path / "in.jsonl"], tmp_path / "out", "--key-field", "id")
    assert (done.code, done.summary["predicted"], done.summary["duplicate_keys"]) == (0, 8, 2), done.stderr
    pairs = [[int(word) for word in place.split() if word.isdigit()] for place in done.manifest["first_duplicates"]]
    assert pairs == [[3, 4], [1, 6]]
    checked = validate(
        settings_of(str(saved_models / "single"), str(tmp_path / "in.jsonl"), "serving_default", "", "id"),
        lambda *_: None,
    )
    assert (checked["valid"], checked["duplicate_keys"]) == (8, 2)
