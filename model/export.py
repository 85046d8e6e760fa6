"""Trained Keras model -> keyed SavedModels, each checked against the bare model before it takes its place."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import msgspec
import numpy as np
import orjson

from model import wrappers as wrapping
from model.command import Outcome, parser, run
from model.dataset import load
from model.errors import UserError, unreadable
from model.files import replacing, replacing_folder, sha256
from model.keys import FLOAT32_EXACT, KEY_TYPES, WRAPPERS, Key, KeyType, Wrapper, check_keys
from model.runtime import keras, tensorflow
from model.saved_models import digest, make_reproducible, signature_text
from model.signature import read_signature
from model.train import MODEL
from model.wrappers import FUNCTIONAL_OUTPUT, SIGNATURE, key_type_of, wrap

__all__ = ["Exported", "check_keys", "describe", "digest", "export", "up_to_date"]

OUTPUT = Path("build/saved_model")
RECORD = "export.json"
TOLERANCE = 1e-4  # float32 rounding between matrix kernels reaches 1e-5 on prices of 50


@dataclass(frozen=True)
class Exported:
    """One SavedModel: where it lies, what it takes and gives, and how far it is from the bare model at most."""

    wrapper: Wrapper
    path: str
    key_type: KeyType
    digest: str
    rows_checked: int
    largest_difference: float
    signature_text: str


@dataclass(frozen=True)
class Record:
    """What the exports beside it were made from; kept outside the SavedModels, so that it changes no digest."""

    made_from: dict[str, str]
    exports: tuple[Exported, ...]


def export(
    model: Path = MODEL,
    output: Path = OUTPUT,
    wrappers: Sequence[Wrapper] = WRAPPERS,
    key_type: KeyType = "int64",
    progress: Callable[[str], object] | None = None,
) -> list[Exported]:
    """Write `output/<wrapper>/` for each wrapper. Exporting the same model again gives the same bytes and digest.

    Raises UserError for a model that is missing, unreadable, or not what its wrapped form predicts.
    """
    _check_wanted(wrappers, key_type)
    bare = _read_model(model)
    made_from = _made_from(model, key_type)
    if progress:
        progress("exporting, then checking each SavedModel against the bare model")
    made = [_export_one(bare, output / wrapper, wrapper, key_type) for wrapper in wrappers]
    with replacing(output / RECORD) as temporary:
        temporary.write_bytes(orjson.dumps(asdict(Record(made_from, tuple(made))), option=orjson.OPT_INDENT_2) + b"\n")
    return made


def up_to_date(
    model: Path = MODEL,
    output: Path = OUTPUT,
    wrappers: Sequence[Wrapper] = WRAPPERS,
    key_type: KeyType = "int64",
) -> list[Exported] | None:
    """Return the exports that lie there if exporting would only repeat them, or None. Does not load TensorFlow."""
    try:
        record = msgspec.json.decode((output / RECORD).read_bytes(), type=Record)
        same = record.made_from == _made_from(model, key_type)
        unchanged = {made.wrapper: made for made in record.exports if digest(Path(made.path)) == made.digest}
    except (OSError, UserError, msgspec.DecodeError):
        return None
    here = all(wrapper in unchanged and Path(unchanged[wrapper].path) == output / wrapper for wrapper in wrappers)
    return [unchanged[wrapper] for wrapper in wrappers] if same and here else None


def checked_digest(folder: Path) -> str:
    """Return the digest of a SavedModel that can be read and is as `export` wrote and checked it.

    One that no record beside it names, because it was put there by hand, only has to be readable.
    """
    read_signature(folder)
    found = digest(folder)
    try:
        record = msgspec.json.decode((folder.parent / RECORD).read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return found
    for made in record.exports:
        if made.wrapper == folder.name and made.digest != found:
            raise UserError(f"The SavedModel at '{folder}' is no longer the one that was checked. Run: invoke export")
    return found


def _made_from(model: Path, key_type: KeyType) -> dict[str, str]:
    """Name all that an export depends on."""
    code = sha256(Path(wrapping.__file__))
    versions = {name: version(name) for name in ("tensorflow", "keras")}
    return {"model_sha256": sha256(model), "wrappers_sha256": code, "key_type": key_type, **versions}


def _check_wanted(wrappers: Sequence[Wrapper], key_type: KeyType) -> None:
    """Refuse what no wrapper can do."""
    for wrapper in wrappers:
        if wrapper not in WRAPPERS:
            raise UserError(f"No wrapper {wrapper!r}. There are: {', '.join(WRAPPERS)}")
    if key_type not in KEY_TYPES:
        raise UserError(f"No key type {key_type!r}. Run with: {', or '.join(f'--key-type {one}' for one in KEY_TYPES)}")
    if key_type == "string" and "decorator" not in wrappers:
        raise UserError("String keys need the decorator wrapper: the functional one returns keys as numbers.")


def _read_model(path: Path) -> Any:
    if not path.exists():
        raise UserError(f"No trained model at '{path}'. Run: invoke train")
    try:
        return keras().models.load_model(path, compile=False)
    except (ValueError, TypeError, KeyError, OSError, BadZipFile) as error:
        raise unreadable(f"The model at '{path}'", error, "Run: invoke train") from None


def _export_one(bare: Any, path: Path, wrapper: Wrapper, key_type: KeyType) -> Exported:
    """Write, check, then put in place: what fails the check never replaces what was there."""
    wrapped = wrap(bare, wrapper, key_type)
    with replacing_folder(path) as temporary:
        tensorflow().saved_model.save(wrapped, str(temporary), signatures={SIGNATURE: wrapped.serve})
        make_reproducible(temporary)
        rows, difference = _check(bare, temporary, wrapper, key_type)
        made = digest(temporary), signature_text(temporary, SIGNATURE)
    return Exported(wrapper, str(path), key_type_of(wrapper, key_type), made[0], rows, difference, made[1])


def _check(bare: Any, folder: Path, wrapper: Wrapper, key_type: KeyType) -> tuple[int, float]:
    """Load the SavedModel afresh and compare it with the bare model on the test rows."""
    tf = tensorflow()
    features = load().test_features.astype(np.float32)
    keys = _probe_keys(len(features), wrapper, key_type)
    serve = tf.saved_model.load(str(folder)).signatures[SIGNATURE]
    served = serve(features=tf.constant(features), key=tf.constant(keys, key_type_of(wrapper, key_type)))
    predictions, returned = _split(served, wrapper)
    if returned != keys:
        changed = next((sent, got) for sent, got in zip(keys, returned, strict=True) if sent != got)
        raise UserError(f"The {wrapper} SavedModel returns key {changed[0]!r} as {changed[1]!r}. Nothing was replaced.")
    difference = float(np.abs(predictions - np.asarray(bare(features, training=False))).max())
    if not difference <= TOLERANCE:  # also where it is not a number
        raise UserError(f"The {wrapper} SavedModel is {difference} off the model's predictions. Nothing was replaced.")
    if wrapper == "functional":
        _check_refusal(serve, features[:1])
    return len(features), difference


def _probe_keys(count: int, wrapper: Wrapper, key_type: KeyType) -> Sequence[Key]:
    """Make `count` keys, the outermost ones that the wrapper promises to carry first."""
    if key_type_of(wrapper, key_type) == "string":
        return ["", "1", "ключ 🔑", "x" * 1000, *(f"row-{n}" for n in range(count))][:count]
    limits = [FLOAT32_EXACT, -FLOAT32_EXACT] if wrapper == "functional" else [2**63 - 1, -(2**63), 2**53 + 1]
    return [*limits, *range(count)][:count]


def _split(served: dict[str, Any], wrapper: Wrapper) -> tuple[Any, Sequence[Key]]:
    """Take predictions and keys out of what a signature returned."""
    if wrapper == "functional":
        joined = served[FUNCTIONAL_OUTPUT].numpy()
        return joined[:, :-1], [int(key) for key in joined[:, -1]]
    keys = served["key"].numpy().tolist()
    return served["prediction"].numpy(), [key.decode() if isinstance(key, bytes) else key for key in keys]


def _check_refusal(serve: Any, row: Any) -> None:
    """Make sure the served graph refuses the first key that float32 would change."""
    tf = tensorflow()
    try:
        serve(features=tf.constant(row), key=tf.constant([FLOAT32_EXACT + 1], tf.int64))
    except tf.errors.InvalidArgumentError:
        return
    raise UserError(f"The functional SavedModel accepts key {FLOAT32_EXACT + 1}, and would change it.")


def _program(options: argparse.Namespace) -> Outcome:
    settings = (options.model, options.output, options.wrapper or WRAPPERS, options.key_type)
    known = up_to_date(*settings) if options.if_changed else None
    made = known or export(*settings)
    text = "\n".join(describe(one, unchanged=bool(known)) for one in made)
    data = {"exports": [asdict(one) for one in made], "output": str(options.output), "unchanged": bool(known)}
    return Outcome(text, data)


def describe(made: Exported, *, unchanged: bool) -> str:
    """Say what an export takes, gives and was checked against."""
    state = "unchanged" if unchanged else "written"
    off = f"within {made.largest_difference:.1e} of" if made.largest_difference else "equal to"
    checked = f"{made.rows_checked} rows {off} the bare model's, their keys as they were sent"
    return f"{made.path} {state}: digest {made.digest[:12]}; {checked}\n  {read_signature(Path(made.path))}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    made = parser("model.export", "Trained Keras model -> keyed SavedModels")
    made.add_argument("--model", type=Path, default=MODEL, metavar="FILE", help=f"the trained model ({MODEL})")
    made.add_argument("--output", type=Path, default=OUTPUT, metavar="DIR", help=f"the SavedModels' folder ({OUTPUT})")
    made.add_argument("--wrapper", action="append", choices=WRAPPERS, help="one wrapper (repeat; default: both)")
    made.add_argument("--key-type", choices=KEY_TYPES, default="int64", help="keys of the decorator form (int64)")
    made.add_argument("--if-changed", action="store_true", help="leave exports alone that would only be repeated")
    return run(_program, made.parse_args(arguments))


if __name__ == "__main__":
    raise SystemExit(main())
