"""A predict request's body -> the answer's body, with the batch engine's checks and the services' wording."""

from dataclasses import dataclass

import msgspec
import numpy as np
import orjson

from model.batching import Batch, predict
from model.instances import InstanceDecoder, instance_decoder
from model.predictions import Encoder, prediction_encoder
from model.runner import Runner
from model.signature import Signature, UnusableModelError

# The services' own words: tf_prediction_lib's error texts, each with its code.
INVALID_INPUTS = "Prediction failed: Invalid inputs: {} (Error code: 1)"
MODEL_FAILED = (
    "Prediction failed: Failed to run the provided model: Exception during running the graph: {} (Error code: 2)"
)
BAD_OUTPUTS = "Prediction failed: There was a problem processing the outputs: {} (Error code: 3)"


class PredictError(Exception):
    """A request without an answer; its text is what the client is told."""


class _Request(msgspec.Struct):
    instances: list[msgspec.Raw]
    parameters: msgspec.Raw = msgspec.Raw(b"null")
    signature_name: str = ""


@dataclass(frozen=True)
class Predictor:
    """A loaded model with its decoder and encoder; calls may overlap."""

    signature: Signature
    runner: Runner
    decode: InstanceDecoder
    encode: Encoder
    batch_size: int

    def answer(self, body: bytes) -> bytes:
        """Return the predictions of a request's instances, in their order.

        Raises:
            PredictError: the request or any instance of it is refused; there are no partial answers.
        """
        lines = [bytes(instance) for instance in self._request(body).instances]
        rows = self._rows(lines) if lines else []
        return b'{"predictions": [' + b", ".join(rows) + b"]}"

    def _request(self, body: bytes) -> _Request:
        try:
            request = _request_decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise PredictError(INVALID_INPUTS.format(f'the request is not {{"instances": […]}}: {error}')) from None
        if request.signature_name not in ("", self.signature.name):
            detail = f"No signature found for signature key {request.signature_name}."
            raise PredictError(INVALID_INPUTS.format(detail))
        return request

    def _rows(self, lines: list[bytes]) -> list[bytes]:
        decoded = self.decode(lines)
        if decoded.rejections:
            first = min(decoded.rejections, key=lambda rejection: rejection.at)
            raise PredictError(INVALID_INPUTS.format(f"instance {first.at}: {first.message}"))
        rows = [b""] * len(lines)
        for group in decoded.groups:
            for part in self._predicted(dict(group.inputs)):
                texts, faults = self.encode(part.outputs)
                if faults:
                    raise PredictError(BAD_OUTPUTS.format(next(iter(faults.values()))[1]))
                for at, text in zip(group.index[part.start : part.stop].tolist(), texts, strict=True):
                    rows[at] = text
        return rows

    def _predicted(self, inputs: dict[str, np.ndarray]) -> list[Batch]:
        parts = []
        try:
            for part in predict(self.runner, inputs, self.batch_size):
                if not isinstance(part, Batch):
                    raise PredictError(MODEL_FAILED.format(part.message))
                parts.append(part)
        except UnusableModelError as error:
            detail = f"Bad output from running tensorflow session: {error}"
            raise PredictError(BAD_OUTPUTS.format(detail)) from None
        return parts


_request_decoder = msgspec.json.Decoder(_Request)


def predictor(signature: Signature, runner: Runner, batch_size: int = 8192) -> Predictor:
    """Return what answers the requests to a model."""
    return Predictor(signature, runner, instance_decoder(signature), prediction_encoder(signature), batch_size)


def error_body(message: str) -> bytes:
    """Return the body of a refusal: the services' `{"error": "…"}`."""
    return orjson.dumps({"error": message})
