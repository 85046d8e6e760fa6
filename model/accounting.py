"""Keys of instances, predictions and errors, part by part -> one verdict per instance, and what belongs to none."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model.key_lists import KeyList
from model.reading import Read
from model.spill import Spill
from model.telling import told

JOINED, FAILED, MISSING, AMBIGUOUS = "joined", "failed", "missing", "ambiguous"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an instance. `asked` and `answers` are its key's counts, at the first instance that has it."""

    key: str | None
    status: str
    outputs: str = ""
    asked: int = 0
    answers: int = 0


@dataclass
class Answer:
    """All predictions of one key."""

    outputs: str
    count: int = 0
    differ: bool = False


@dataclass
class Verdicts:
    """The verdicts on disk, by part; what nobody asked for; and what a table must know of the joined keys."""

    spill: Spill
    unknown: KeyList
    unknown_errors: KeyList
    contradicted: int = 0  # joined, and refused too
    text_keys: bool = False
    number_keys: bool = False

    @property
    def lists(self) -> dict[str, KeyList]:
        """What belongs to no instance, by name."""
        return {"unknown": self.unknown, "unknown_errors": self.unknown_errors}

    def read(self, part: int) -> Iterator[Verdict]:
        """Yield the verdicts of a part's instances, in their order."""
        for line in self.spill.read(part):
            status, asked, answers, key, outputs = line.split("\t", 4)
            yield Verdict(key, status, outputs, int(asked), int(answers))


def judge(found: Read, folder: Path) -> Verdicts:
    """Give each instance its verdict, one part at a time."""
    unknown, unknown_errors = (KeyList(folder / f"{name}.jsonl") for name in ("unknown", "unknown_errors"))
    verdicts = Verdicts(Spill(folder, "verdicts", found.parts), unknown, unknown_errors)
    for part in told(range(found.parts), "parts matched", found.parts):
        _judge_part(found, part, verdicts)
        for spill in (found.instances, found.predictions, found.refusals):
            spill.remove(part)
    verdicts.spill.flush()
    return verdicts


def _judge_part(found: Read, part: int, verdicts: Verdicts) -> None:
    asked = Counter(found.instances.read(part))
    refused = Counter(found.refusals.read(part))
    answers = _answers(found, part)
    seen: set[str] = set()
    for key in found.instances.read(part):
        answer, count = answers.get(key), asked[key]
        status = _status(count, answer, refused[key] if refused else 0)
        if status == JOINED:
            verdicts.contradicted += bool(refused and refused[key])
            verdicts.text_keys |= key[0] == '"'
            verdicts.number_keys |= key[0] != '"'
        first = count == 1 or key not in seen
        if count > 1:
            seen.add(key)
        counts = f"{count}\t{answer.count if answer else 0}" if first else "0\t0"
        outputs = answer.outputs if answer and status == JOINED else ""
        verdicts.spill.add(part, f"{status}\t{counts}\t{key}\t{outputs}\n")
    for key, answer in answers.items():
        if key not in asked:
            verdicts.unknown.add(key, answers=answer.count)
    for key, count in refused.items():
        if key not in asked:
            verdicts.unknown_errors.add(key, errors=count)


def _answers(found: Read, part: int) -> dict[str, Answer]:
    answers: dict[str, Answer] = {}
    for line in found.predictions.read(part):
        key, _, outputs = line.partition("\t")
        answer = answers.setdefault(key, Answer(outputs))
        answer.count += 1
        answer.differ = answer.differ or outputs != answer.outputs
    return answers


def _status(asked: int, answer: Answer | None, refusals: int) -> str:
    """Decide by counts of instances, predictions and refusals that have the same key."""
    if answer:
        return JOINED if asked == 1 and not answer.differ else AMBIGUOUS
    if refusals >= asked:
        return FAILED
    return AMBIGUOUS if refusals else MISSING
