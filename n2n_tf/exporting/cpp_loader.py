"""Load and run a SavedModel as TensorFlow Serving does: by the C++ loader, through TensorFlow's C API."""

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

_STRING = 24  # bytes of a TF_TString


class _Buffer(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("length", ctypes.c_size_t), ("deallocator", ctypes.c_void_p))


class _Output(ctypes.Structure):
    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


class SessionError(RuntimeError):
    """What TensorFlow's C++ code says.

    Attributes:
        code: one of TensorFlow's error codes, which are gRPC's.
    """

    def __init__(self, text: str, code: int):
        super().__init__(text)
        self.code = code


class CppModel:
    """A SavedModel in a C++ session.

    Args:
        path: directory of the SavedModel.

    Attributes:
        path: the same.
        signatures, all_signatures: what can be called, by name; the latter with the one that initializes.

    Raises:
        OSError: TensorFlow's C library is not where its wheels have it.
        SessionError: what the loader says.
    """

    def __init__(self, path: str | Path):
        self.path, self._c = Path(path), _library()
        self._graph = self._c.TF_NewGraph()
        buffer, options = self._c.TF_NewBuffer(), self._c.TF_NewSessionOptions()
        tags = (ctypes.c_char_p * 1)(b"serve")
        try:
            self._session = self._checked(
                self._c.TF_LoadSessionFromSavedModel, options, None, str(path).encode(), tags, 1, self._graph, buffer
            )
            held = ctypes.cast(buffer, ctypes.POINTER(_Buffer)).contents
            meta = MetaGraphDef.FromString(ctypes.string_at(held.data, held.length))
        except SessionError:
            self._c.TF_DeleteGraph(self._graph)
            raise
        finally:
            self._c.TF_DeleteBuffer(buffer)
            self._c.TF_DeleteSessionOptions(options)
        self.all_signatures = dict(meta.signature_def)
        self.signatures = {name: each for name, each in self.all_signatures.items() if each.inputs}

    def run(
        self, signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str] = ()
    ) -> dict[str, np.ndarray]:
        """Call a signature; strings are arrays of bytes objects. `outputs` are all unless named.

        Raises:
            SessionError: what the session says.
        """
        wanted = self.signatures[signature]
        tensors = [self._tensor(np.asarray(value, order="C")) for value in inputs.values()]
        names = list(outputs or wanted.outputs)
        results = (ctypes.c_void_p * len(names))()
        try:
            self._checked(
                self._c.TF_SessionRun, self._session, None,
                self._ends(wanted.inputs[name].name for name in inputs),
                (ctypes.c_void_p * len(tensors))(*tensors), len(tensors),
                self._ends(wanted.outputs[name].name for name in names), results, len(names), None, 0, None,
            )  # fmt: skip
            return {name: self._array(tensor) for name, tensor in zip(names, results, strict=True)}
        finally:
            for tensor in (*tensors, *filter(None, results)):
                self._c.TF_DeleteTensor(tensor)

    def close(self) -> None:
        """Free the session."""
        self._checked(self._c.TF_CloseSession, self._session)
        self._checked(self._c.TF_DeleteSession, self._session)
        self._c.TF_DeleteGraph(self._graph)

    def _checked(self, function: Any, *args: Any) -> Any:
        """Call with a status at the end; raise what it says."""
        status = self._c.TF_NewStatus()
        try:
            result = function(*args, status)
            code = self._c.TF_GetCode(status)
            if code:
                raise SessionError(self._c.TF_Message(status).decode(errors="replace"), code)
            return result
        finally:
            self._c.TF_DeleteStatus(status)

    def _ends(self, names: Any) -> Any:
        """TF_Output of each tensor name."""
        found = []
        for name in names:
            operation, _, index = name.partition(":")
            pointer = self._c.TF_GraphOperationByName(self._graph, operation.encode())
            if not pointer:  # the session would not check
                raise SessionError(f"the graph has no operation {operation!r}", 13)
            found.append(_Output(pointer, int(index or 0)))
        return (_Output * len(found))(*found)

    def _tensor(self, array: np.ndarray) -> int:
        is_text = array.dtype.kind in "OS"
        kind = tf.string if is_text else tf.as_dtype(array.dtype)
        size = array.size * _STRING if is_text else array.nbytes
        dims = (ctypes.c_int64 * array.ndim)(*array.shape)
        tensor = self._c.TF_AllocateTensor(kind.as_datatype_enum, dims, array.ndim, size)
        data = self._c.TF_TensorData(tensor)
        if not is_text:
            ctypes.memmove(data, array.ctypes.data, size)
            return tensor
        for number, text in enumerate(array.ravel().tolist()):
            self._c.TF_StringInit(data + number * _STRING)
            self._c.TF_StringCopy(data + number * _STRING, text, len(text))
        return tensor

    def _array(self, tensor: int) -> np.ndarray:
        shape = [self._c.TF_Dim(tensor, axis) for axis in range(self._c.TF_NumDims(tensor))]
        kind, data = tf.as_dtype(self._c.TF_TensorType(tensor)), self._c.TF_TensorData(tensor)
        if kind != tf.string:
            raw = ctypes.string_at(data, self._c.TF_TensorByteSize(tensor))
            return np.frombuffer(raw, kind.as_numpy_dtype).reshape(shape)
        places = (data + number * _STRING for number in range(int(np.prod(shape))))
        texts = [
            ctypes.string_at(self._c.TF_StringGetDataPointer(place), self._c.TF_StringGetSize(place))
            for place in places
        ]
        return np.array(texts, dtype=object).reshape(shape)


def _library() -> ctypes.CDLL:
    """TensorFlow's C API, with the types of what is not an int."""
    # in the default mode: RTLD_GLOBAL makes a later import of NumPy crash
    library = ctypes.CDLL(str(Path(tf.__file__).parent / "libtensorflow_cc.so.2"))
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    results: dict[str, Any] = {
        **dict.fromkeys(("TF_NewGraph", "TF_NewBuffer", "TF_NewSessionOptions", "TF_NewStatus", "TF_AllocateTensor",
                         "TF_TensorData", "TF_GraphOperationByName", "TF_LoadSessionFromSavedModel",
                         "TF_StringGetDataPointer"), pointer),
        **dict.fromkeys(("TF_TensorByteSize", "TF_StringGetSize"), size),
        "TF_Message": ctypes.c_char_p,
        "TF_Dim": ctypes.c_int64,
    }  # fmt: skip
    for name, kind in results.items():
        getattr(library, name).restype = kind
    arguments: dict[str, list[Any]] = {
        "TF_AllocateTensor": [ctypes.c_int, pointer, ctypes.c_int, size],
        "TF_StringCopy": [pointer, ctypes.c_char_p, size],
        "TF_Dim": [pointer, ctypes.c_int],
        "TF_GraphOperationByName": [pointer, ctypes.c_char_p],
        "TF_LoadSessionFromSavedModel": [pointer, pointer, ctypes.c_char_p, pointer, ctypes.c_int, *[pointer] * 3],
        "TF_SessionRun": [pointer, pointer, pointer, pointer, ctypes.c_int, pointer, pointer, ctypes.c_int, pointer,
                          ctypes.c_int, pointer, pointer],
        "TF_CloseSession": [pointer, pointer],
        "TF_DeleteSession": [pointer, pointer],
    }  # fmt: skip
    for name in ("TF_DeleteBuffer", "TF_DeleteSessionOptions", "TF_DeleteStatus", "TF_DeleteTensor", "TF_DeleteGraph",
                 "TF_GetCode", "TF_Message", "TF_TensorData", "TF_TensorType", "TF_NumDims", "TF_TensorByteSize",
                 "TF_StringInit", "TF_StringGetDataPointer", "TF_StringGetSize"):  # fmt: skip
        arguments[name] = [pointer]
    for name, kinds in arguments.items():
        getattr(library, name).argtypes = kinds
    return library
