"""Online prediction as AI Platform answered it: any signature of the model by its name, errors in its own words."""

from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
import orjson

from model.classic_errors import input_error, signature_error, size_error, text_of
from model.online import PredictError, Predictor, predictor
from model.runner import ModelRunError, load
from model.signature import UnusableModelError, read_signature, read_signatures

DEFAULT = "serving_default"


class _Named(msgspec.Struct):
    signature_name: str = ""


_named = msgspec.json.Decoder(_Named)


@dataclass(frozen=True)
class ClassicPredictor:
    """A model's folder, and the signatures that were asked for so far, each loaded once."""

    folder: Path
    default: str
    loaded: dict[str, Predictor] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def answer(self, body: bytes) -> bytes:
        """Return the predictions of a request's instances, in their order.

        Raises:
            PredictError: the request or any instance of it is refused, in AI Platform's words.
        """
        chosen = self._chosen(_signature_name(body))
        try:
            return chosen.answer(body)
        except PredictError as error:
            raise PredictError(_reworded(chosen, body) or str(error)) from None

    def _chosen(self, name: str) -> Predictor:
        """Return the predictor of a signature; where none is named, of the only one or of the default one."""
        try:
            with self.lock:
                key = name or self.default
                if key not in self.loaded:
                    self.loaded[key] = _load(self.folder, key)
                return self.loaded[key]
        except UnusableModelError as error:
            raise PredictError(text_of(signature_error(name)) if name else str(error)) from None


def classic_predictor(folder: Path) -> ClassicPredictor:
    """Load a model's default signature: the only one it has, or `serving_default`.

    Raises:
        UnusableModelError: it has none that can be served.
    """
    names = list(read_signatures(folder))
    default = names[0] if len(names) == 1 else DEFAULT
    return ClassicPredictor(folder, default, {default: _load(folder, default)})


def _load(folder: Path, name: str) -> Predictor:
    signature = read_signature(folder, name)
    return predictor(signature, load(folder, signature))


def _signature_name(body: bytes) -> str:
    try:
        return _named.decode(body).signature_name
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""  # the predictor says what is wrong with the request


def _reworded(chosen: Predictor, body: bytes) -> str:
    """Return the service's words for a refused request, where its own checks find something."""
    try:
        instances: list[Any] = orjson.loads(body)["instances"]
    except (ValueError, KeyError, TypeError):
        return ""
    found = input_error(instances, chosen.signature) or _size_error(chosen, instances)
    return text_of(found) if found else ""


def _size_error(chosen: Predictor, instances: list[Any]) -> Any:
    decoded = chosen.decode([orjson.dumps(instance) for instance in instances])
    for group in decoded.groups if not decoded.rejections else ():
        try:
            if found := size_error(chosen.runner.run(group.inputs)):
                return found
        except ModelRunError:  # the predictor's own text has its message
            return None
    return None
