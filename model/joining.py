"""Instances in their order, a verdict for each -> joined and unjoined lines, and every oddity's keys in a file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import orjson

from model.accounting import AMBIGUOUS, FAILED, JOINED, MISSING, Verdict, Verdicts
from model.files import replacing
from model.instance_files import Instances
from model.key_lists import KeyList
from model.keys import Key
from model.line_keys import key_value
from model.reading import NO_PART, Read, parts_in_order
from model.telling import told

JOINED_LINES = "joined.jsonl"
UNJOINED_LINES = "unjoined.jsonl"  # instances without a prediction, as they came: ready to be asked again
ODD = ("missing", "ambiguous", "duplicate_instances", "duplicate_predictions")


@dataclass
class Written:
    """What was written: counts, the oddities of instances, the squared errors against known targets."""

    odd: dict[str, KeyList]
    joined: int = 0
    failed: int = 0
    squares: float = 0.0
    squared: int = 0


@dataclass
class Joiner:
    """Gives instances their verdicts, in the instances' order."""

    found: Read
    verdicts: Verdicts
    keyless_errors: int = 0
    _parts: dict[int, Iterator[Verdict]] = field(default_factory=dict)

    def verdict(self, part: int) -> Verdict:
        """Return the next verdict of a part; an instance without a key failed as far as errors without one go."""
        if part == NO_PART:
            self.keyless_errors += 1
            return Verdict(None, FAILED if self.keyless_errors <= self.found.keyless_errors else MISSING)
        if part not in self._parts:
            self._parts[part] = self.verdicts.read(part)
        return next(self._parts[part])


def write_joined(
    instances: Instances, found: Read, verdicts: Verdicts, output: Path, targets: Mapping[Key, float]
) -> Written:
    """Write the lines, and return what they came to."""
    written = Written({name: KeyList(output / f"{name}.jsonl") for name in ODD})
    joiner = Joiner(found, verdicts)
    with (
        replacing(output / JOINED_LINES) as joined,
        replacing(output / UNJOINED_LINES) as unjoined,
        joined.open("wb") as joined_file,
        unjoined.open("wb") as unjoined_file,
    ):
        rows = zip(instances, parts_in_order(found), strict=True)
        for (number, line), part in told(rows, "instances joined", found.rows):
            verdict = joiner.verdict(part)
            _write(verdict, number, line, written, (joined_file, unjoined_file))
            if targets and verdict.status == JOINED:
                _compare(verdict, targets, written)
    for keys in written.odd.values():
        keys.close()
    return written


def _write(verdict: Verdict, number: int, line: bytes, written: Written, files: tuple[BinaryIO, BinaryIO]) -> None:
    if verdict.status == JOINED:
        written.joined += 1
        files[0].write(_with_outputs(line, verdict.outputs))
    else:
        written.failed += verdict.status == FAILED
        files[1].write(line + b"\n")
        if verdict.status in {MISSING, AMBIGUOUS}:
            written.odd[verdict.status].add(verdict.key, line=number)
    if verdict.asked > 1:
        written.odd["duplicate_instances"].add(verdict.key, line=number, instances=verdict.asked)
    if verdict.answers > verdict.asked:
        counts = {"instances": verdict.asked, "predictions": verdict.answers}
        written.odd["duplicate_predictions"].add(verdict.key, line=number, **counts)


def _with_outputs(line: bytes, outputs: str) -> bytes:
    """Add outputs to an instance's JSON object, whose own text stays as it is."""
    return line[:-1] + (b"," + outputs.encode(errors="surrogatepass") if outputs else b"") + b"}\n"


def _compare(verdict: Verdict, targets: Mapping[Key, float], written: Written) -> None:
    """Add the squared error, where the truth is known and the prediction is one number."""
    truth = targets.get(key_value(verdict.key)) if verdict.key is not None else None
    if truth is None:
        return
    value = orjson.loads("{" + verdict.outputs + "}").get("prediction")
    number = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(number, int | float) and not isinstance(number, bool):
        written.squares += (number - truth) ** 2
        written.squared += 1
