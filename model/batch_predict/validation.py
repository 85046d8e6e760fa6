"""Instances held against a model's signature, before any job is paid for: every check of the engine, no model run."""

import multiprocessing
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from model.batch_predict.duplicate_keys import facts_of, find_duplicates
from model.batch_predict.formats import Format
from model.batch_predict.inputs import InputFile, find_inputs
from model.batch_predict.kernel import Kernel
from model.batch_predict.key_notes import notes_of
from model.batch_predict.options import model_folder, processors
from model.batch_predict.plan import Range
from model.batch_predict.readers import Headers, read_headers, read_instances
from model.batch_predict.settings import Settings
from model.batch_predict.transforms import InstanceConfig, fitting
from model.errors import UserError
from model.instances import instance_decoder
from model.predictions import prediction_encoder
from model.rejections import Rejection
from model.signature import Signature, read_signature

EXAMPLES = 3  # shown of each kind of fault
PIECE = 32 << 20  # bytes of input that one process looks at before it reports
DUPLICATE_KEY = "DUPLICATE_KEY"


@dataclass
class Findings:
    """What a range holds: lines, instances, blank lines, faults by code, and the first of each with its line."""

    part: Range
    lines: int = 0
    instances: int = 0
    blank: int = 0
    size: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[tuple[int, Rejection]]] = field(default_factory=dict)

    def note(self, rejections: Sequence[Rejection], first_line: int) -> None:
        """Count faults, and keep the first of each kind."""
        self.codes.update(rejection.code for rejection in rejections)
        for rejection in sorted(rejections, key=lambda each: each.at):
            kept = self.examples.setdefault(rejection.code, [])
            if len(kept) < EXAMPLES:
                kept.append((first_line + rejection.at, rejection))


@dataclass(frozen=True)
class Check:
    """What every process knows: the settings, the signature, the files, and where notes of keys go."""

    settings: Settings
    signature: Signature
    files: list[InputFile]
    headers: Headers
    notes: Path

    def notes_file(self, part: Range) -> Path:
        """Return where the keys of a range are noted."""
        return self.notes / f"{part.number:06d}.keys"


def settings_of(saved_model: str, pattern: str, signature: str, instances_format: str, key_field: str = "") -> Settings:
    """Return the settings of a validation.

    Raises:
        UserError: there is no such format, or no model on gs:// at that address.
    """
    if instances_format and instances_format not in set(Format):
        raise UserError(f"No format {instances_format!r}. Run with one of: {', '.join(Format)}")
    kind = Format(instances_format) if instances_format else None
    folder, config = model_folder(saved_model), InstanceConfig(key_field)
    return Settings(folder, (pattern,), Path(), signature, workers=processors(), instances_format=kind, config=config)


def validate(settings: Settings, watch: Callable[[int, int, int, int], None]) -> dict[str, Any]:
    """Check every instance and return counts, faults by code, and the first examples of each.

    `watch` is told bytes read and bytes in all, instances and faults so far.

    Raises:
        UnusableError, UnusableModelError: no such input or model, or a format that the model cannot take.
    """
    signature = read_signature(settings.saved_model, settings.signature)
    settings = replace(settings, config=fitting(settings.config, signature))
    files = find_inputs(settings.patterns, settings.roots, settings.instances_format, settings.listed)
    headers = read_headers(files, signature, settings.csv_rows, settings.config.key_field)
    with tempfile.TemporaryDirectory(prefix="validate-") as notes:
        check = Check(settings, signature, files, headers, Path(notes))
        found = _all_findings(check, list(_pieces(files)), watch)
        return _summary(check, found)


def _pieces(files: Sequence[InputFile]) -> Iterator[Range]:
    number = 0
    for place, file in enumerate(files):
        for start in range(0, file.size or int(file.gzipped), PIECE if file.splittable else file.size or 1):
            end = start + PIECE
            yield Range(number, place, start, end if file.splittable and end < file.size else None)
            number += 1


def _all_findings(check: Check, parts: list[Range], watch: Callable[[int, int, int, int], None]) -> list[Findings]:
    """Look at every range, in processes of their own where there is more than one."""
    total, found = sum(file.size for file in check.files), list[Findings]()
    for findings in _looks(check, parts):
        found.append(findings)
        instances, failed = sum(each.instances for each in found), sum(each.codes.total() for each in found)
        watch(sum(each.size for each in found), total, instances, failed)
    return sorted(found, key=lambda each: each.part.number)


def _looks(check: Check, parts: list[Range]) -> Iterator[Findings]:
    if len(parts) < 2:
        yield from (_look_at(check, part) for part in parts)
        return
    spawn = multiprocessing.get_context("spawn")  # the process may have threads already: a fork would copy their locks
    with ProcessPoolExecutor(min(check.settings.workers, len(parts)), spawn) as pool:
        for done in as_completed([pool.submit(_look_at, check, part) for part in parts]):
            yield done.result()


def _look_at(check: Check, part: Range) -> Findings:
    """Check a range, and note its keys."""
    file, findings = check.files[part.file], Findings(part)
    decode, encode = instance_decoder(check.signature), prediction_encoder(check.signature)
    kernel = Kernel(check.settings, check.files, check.headers, decode, encode)
    with check.notes_file(part).open("wb") as notes:
        for block in read_instances(file, part, None, check.headers):
            pending = kernel.pending(part, 0, block)
            if block.voids:
                findings = Findings(part)
                notes.seek(0)
                notes.truncate()
            faults = pending.sent.keyed(pending.decoded.rejections) if pending.sent else pending.decoded.rejections
            findings.note(faults, block.first_line)
            findings.lines = block.first_line + len(block.lines)
            findings.blank += pending.decoded.blank
            findings.instances += len(block.lines) - pending.decoded.blank
            findings.size += block.size
            notes.write(notes_of(pending, check.signature))
    return findings


def _summary(check: Check, found: Sequence[Findings]) -> dict[str, Any]:
    before = _lines_before(found)
    codes: Counter[str] = Counter()
    examples: dict[str, list[dict[str, Any]]] = {}
    for findings in found:
        codes += findings.codes
        for code, cases in findings.examples.items():
            kept = examples.setdefault(code, [])
            kept += [_example(check, findings.part, before, *case) for case in cases][: EXAMPLES - len(kept)]
    duplicates = _duplicates(check, found, before)
    instances = sum(findings.instances for findings in found)
    return {
        "instances": instances,
        "valid": instances - codes.total(),
        "failed": codes.total(),
        "blank_lines": sum(findings.blank for findings in found),
        "error_codes": dict(codes.most_common()),
        "examples": [example for code, _ in codes.most_common() for example in examples[code]],
        **duplicates,
        "signature": str(check.signature),
        "files": [file.name for file in check.files],
    }


def _lines_before(found: Sequence[Findings]) -> dict[int, int]:
    """Return how many lines of its file lie before each range."""
    before: dict[int, int] = {}
    lines: Counter[int] = Counter()
    for findings in found:
        before[findings.part.number] = lines[findings.part.file]
        lines[findings.part.file] += findings.lines
    return before


def _example(check: Check, part: Range, before: dict[int, int], line: int, fault: Rejection) -> dict[str, Any]:
    place = {"file": check.files[part.file].name, "line": before[part.number] + line + 1}
    return {"key": fault.key, **place, "code": fault.code, "message": fault.message}


def _duplicates(check: Check, found: Sequence[Findings], before: dict[int, int]) -> dict[str, Any]:
    parts = {findings.part.number: findings.part for findings in found}
    duplicates = find_duplicates([check.notes_file(part) for part in parts.values()], list(parts), check.notes)

    def place(number: int, line: int) -> str:
        return f"{check.files[parts[number].file].name} line {before[number] + line + 1}"

    return facts_of(duplicates, place)


def describe(summary: Mapping[str, Any], policy: str) -> list[str]:
    """Return a validation's summary for people: counts, faults by kind, the first examples of each."""
    rows = ["{instances:,} instances: {valid:,} valid, {failed:,} would fail".format(**summary)]
    if not summary["instances"]:
        rows.append("  no instance: there is nothing that a job could predict")
    for code, count in summary["error_codes"].items():
        rows.append(f"  {code}: {count:,}")
        cases = (example for example in summary["examples"] if example["code"] == code)
        for case in cases:
            which = "no key" if case["key"] is None else f"key {case['key']!r}"
            rows.append(f"    {case['file']} line {case['line']}, {which}: {case['message']}")
    if summary["duplicate_keys"]:
        what = "an error" if policy == "error" else "kept"
        rows.append(f"  {DUPLICATE_KEY}: {summary['duplicate_keys']:,} ({what})")
        rows += [f"    {place}" for place in summary["first_duplicates"][:EXAMPLES]]
    return rows


def passes(summary: Mapping[str, Any], policy: str) -> bool:
    """Tell whether there is an instance, and each would be predicted, and could be matched to its prediction."""
    return summary["instances"] > 0 and not summary["failed"] and (policy == "keep" or not summary["duplicate_keys"])
