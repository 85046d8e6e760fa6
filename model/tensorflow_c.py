"""SavedModel -> session of TensorFlow's C API: a tenth of the Python package's start-up time, the same kernels."""

import ctypes
import importlib.util
import os
from collections.abc import Mapping, Sequence
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from model.columns import numpy_dtype
from model.runner import ModelRunError, Outputs
from model.signature import DTYPES, Signature, TensorSpec, UnusableModelError

NUMBERS = {name: number for number, name in DTYPES.items()}
STRING_SIZE = 24  # sizeof(TF_TString)
SMALL_STRING = 22  # what a TF_TString holds without an allocation of its own
# ConfigProto: allow_soft_placement
CONFIG = b"\x38\x01"

PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
    "TF_NewStatus": (c_void_p, []),
    "TF_DeleteStatus": (None, [c_void_p]),
    "TF_GetCode": (c_int, [c_void_p]),
    "TF_Message": (c_char_p, [c_void_p]),
    "TF_NewGraph": (c_void_p, []),
    "TF_NewSessionOptions": (c_void_p, []),
    "TF_SetConfig": (None, [c_void_p, c_void_p, c_size_t, c_void_p]),
    "TF_LoadSessionFromSavedModel": (
        c_void_p,
        [c_void_p, c_void_p, c_char_p, POINTER(c_char_p), c_int, c_void_p, c_void_p, c_void_p],
    ),
    "TF_GraphOperationByName": (c_void_p, [c_void_p, c_char_p]),
    "TF_AllocateTensor": (c_void_p, [c_int, POINTER(c_int64), c_int, c_size_t]),
    "TF_DeleteTensor": (None, [c_void_p]),
    "TF_TensorType": (c_int, [c_void_p]),
    "TF_NumDims": (c_int, [c_void_p]),
    "TF_Dim": (c_int64, [c_void_p, c_int]),
    "TF_TensorByteSize": (c_size_t, [c_void_p]),
    "TF_TensorData": (c_void_p, [c_void_p]),
    "TF_StringCopy": (None, [c_void_p, c_char_p, c_size_t]),
    "TF_StringDealloc": (None, [c_void_p]),
    "TF_StringGetDataPointer": (c_void_p, [c_void_p]),
    "TF_StringGetSize": (c_size_t, [c_void_p]),
    "TF_SessionRun": (
        None,
        [c_void_p, c_void_p, c_void_p, c_void_p, c_int, c_void_p, c_void_p, c_int, c_void_p, c_int, c_void_p, c_void_p],
    ),
}


class Output(ctypes.Structure):
    """TF_Output: one of the results of an operation."""

    _fields_ = (("operation", c_void_p), ("index", c_int))


@cache
def library() -> ctypes.CDLL:
    """Load the wheel's shared library, without importing the package it lies in.

    Raises:
        OSError, AttributeError, ImportError: this TensorFlow has no such library; use the Python package.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or spec.origin is None:
        msg = "TensorFlow is not installed"
        raise ImportError(msg)
    loaded = _open(Path(spec.origin).with_name("libtensorflow_cc.so.2"))
    for name, (result, arguments) in PROTOTYPES.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


def _open(path: Path) -> ctypes.CDLL:
    """Open a shared library, and look up none of its 170,000 functions before it is called: a third of the time.

    Never RTLD_GLOBAL: the library's own BoringSSL would take the place of Python's OpenSSL.
    """
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.restype, dlopen.argtypes = c_void_p, [c_char_p, c_int]
    handle = dlopen(os.fsencode(path), os.RTLD_LAZY)
    return ctypes.CDLL(str(path), handle=handle)  # where that failed, ctypes tries by itself and says why


class SessionRunner:
    """A loaded SavedModel; `run` may be called by several threads at once."""

    name = "c"
    fallback = ""

    def __init__(self, saved_model: Path, signature: Signature) -> None:
        self._signature = signature
        self._graph = library().TF_NewGraph()
        self._session = _load(saved_model, self._graph)
        self._feeds = _outputs(self._graph, signature.inputs)
        self._fetches = _outputs(self._graph, signature.outputs)

    def run(self, inputs: Mapping[str, np.ndarray]) -> Outputs:
        """Predict one batch.

        Raises:
            ModelRunError: the graph refused it.
        """
        tensors: list[int] = []
        try:
            tensors.extend(_to_tensor(inputs[spec.alias], spec) for spec in self._signature.inputs)
            results = self._run(tensors)
            try:
                pairs = zip(self._signature.outputs, results, strict=True)
                return {spec.alias: _to_array(tensor, spec.dtype) for spec, tensor in pairs}
            finally:
                for tensor in results:
                    library().TF_DeleteTensor(tensor)
        finally:
            for tensor, spec in zip(tensors, self._signature.inputs, strict=False):
                _delete(tensor, inputs[spec.alias], spec)

    def _run(self, tensors: Sequence[int]) -> list[int]:
        feeds, fetches = (c_void_p * len(tensors))(*tensors), (c_void_p * len(self._fetches))()
        status = library().TF_NewStatus()
        try:
            library().TF_SessionRun(
                self._session,
                None,
                self._feeds,
                feeds,
                len(feeds),
                self._fetches,
                fetches,
                len(fetches),
                None,
                0,
                None,
                status,
            )
            message = _message(status)
        finally:
            library().TF_DeleteStatus(status)
        if message is not None:
            raise ModelRunError(message)
        return [int(tensor or 0) for tensor in fetches]


def _load(saved_model: Path, graph: int) -> int:
    lib = library()
    status, options, tags = lib.TF_NewStatus(), lib.TF_NewSessionOptions(), (c_char_p * 1)(b"serve")
    lib.TF_SetConfig(options, CONFIG, len(CONFIG), status)
    folder = os.fsencode(saved_model)
    session = lib.TF_LoadSessionFromSavedModel(options, None, folder, tags, 1, graph, None, status)
    message = _message(status)
    lib.TF_DeleteStatus(status)
    if message is not None:
        msg = f"The SavedModel at {str(saved_model)!r} cannot be loaded: {message.splitlines()[0]}. Run: invoke export"
        raise UnusableModelError(msg)
    return int(session)


def _message(status: int) -> str | None:
    lib = library()
    return lib.TF_Message(status).decode(errors="replace") or "no message" if lib.TF_GetCode(status) else None


def _outputs(graph: int, specs: Sequence[TensorSpec]) -> Any:
    found = []
    for spec in specs:
        operation, _, index = spec.tensor.partition(":")
        pointer = library().TF_GraphOperationByName(graph, operation.encode())
        if not pointer:
            msg = (
                f"The SavedModel's graph has no operation {operation!r}, which its signature names. Run: invoke export"
            )
            raise UnusableModelError(msg)
        found.append(Output(pointer, int(index or 0)))
    return (Output * len(found))(*found)


def _dims(array: np.ndarray) -> Any:
    return (c_int64 * array.ndim)(*array.shape)


def _to_tensor(array: np.ndarray, spec: TensorSpec) -> int:
    size = array.size * STRING_SIZE if spec.dtype == "string" else array.nbytes
    tensor = library().TF_AllocateTensor(NUMBERS[spec.dtype], _dims(array), array.ndim, size)
    data = library().TF_TensorData(tensor)
    if spec.dtype == "string":
        _write_strings(data, array.ravel().tolist())
    elif size:
        ctypes.memmove(data, np.ascontiguousarray(array).ctypes.data, size)
    return int(tensor)


def _write_strings(data: int, values: list[bytes]) -> None:
    small = b"".join(
        (bytes((len(v) << 2,)) + v).ljust(STRING_SIZE, b"\0") if len(v) <= SMALL_STRING else bytes(STRING_SIZE)
        for v in values
    )
    ctypes.memmove(data, small, len(small))
    copy = library().TF_StringCopy
    for position, value in enumerate(values):
        if len(value) > SMALL_STRING:  # zeroed above: a valid empty string, which TF_StringCopy fills
            copy(data + position * STRING_SIZE, value, len(value))


def _delete(tensor: int, array: np.ndarray, spec: TensorSpec) -> None:
    """Free a fed tensor; its long strings have memory of their own, which deleting a tensor leaves behind."""
    if spec.dtype == "string":
        data, free = library().TF_TensorData(tensor), library().TF_StringDealloc
        for position, value in enumerate(array.ravel().tolist()):
            if len(value) > SMALL_STRING:
                free(data + position * STRING_SIZE)
    library().TF_DeleteTensor(tensor)


def _to_array(tensor: int, dtype: str) -> np.ndarray:
    lib = library()
    shape = tuple(lib.TF_Dim(tensor, axis) for axis in range(lib.TF_NumDims(tensor)))
    size, data = lib.TF_TensorByteSize(tensor), lib.TF_TensorData(tensor)
    if dtype == "string":
        return _read_strings(data, shape)
    raw = ctypes.string_at(data, size) if size else b""
    return np.frombuffer(raw, dtype=numpy_dtype(dtype)).reshape(shape)


def _read_strings(data: int, shape: tuple[int, ...]) -> np.ndarray:
    lib, flat = library(), np.empty(int(np.prod(shape)), dtype=object)
    for position in range(flat.size):
        string = data + position * STRING_SIZE
        flat[position] = ctypes.string_at(lib.TF_StringGetDataPointer(string), lib.TF_StringGetSize(string))
    return flat.reshape(shape)
