"""Values as bytes and back, exactly: tensors, arrays, the state of training, and the history of a run.

Every format can be read without running code and by other programs: safetensors, .npz without objects, JSON, CSV.
"""

from __future__ import annotations

import csv
import io
import json
import math
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError

from aae.storage import json_bytes

Array = np.ndarray[Any, Any]
Tensors = dict[str, torch.Tensor]
Row = dict[str, int | float]

UNREADABLE = (SafetensorError, ValueError, KeyError, EOFError, RecursionError, csv.Error, zipfile.BadZipFile)
"""What the readers below raise for bytes that are not what they should be."""


def arrays_bytes(arrays: Mapping[str, Array]) -> bytes:
    """Named arrays as .npz. Raises TypeError for an array of objects, which only a pickle could hold."""
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.hasobject:
            raise TypeError(f"{name} must be an array of numbers or text, got {type(array).__name__}: {array!r}")
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def read_arrays(data: bytes) -> dict[str, Array]:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def tensors_bytes(tensors: Mapping[str, torch.Tensor]) -> bytes:
    """Named tensors of any device as safetensors; the same tensors give the same bytes."""
    # A copy of each, because the format holds neither views nor two names for one memory.
    return safetensors.torch.save(
        {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    )


def read_tensors(data: bytes) -> Tensors:
    return safetensors.torch.load(data)


def state_bytes(state: dict[str, Any]) -> bytes:
    """`state` as JSON that reads back equal.

    Raises TypeError for what JSON would turn into something else, such as a tuple or a NumPy number, and ValueError
    for NaN and infinity; both say where.
    """
    _require_plain(state, "state")
    return json_bytes(state)


def _require_plain(value: Any, where: str) -> None:
    if type(value) is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise TypeError(f"{where} has the key {key!r}; only text can be a key")
            _require_plain(item, f"{where}.{key}")
    elif type(value) is list:
        for i, item in enumerate(value):
            _require_plain(item, f"{where}[{i}]")
    elif type(value) is float and not math.isfinite(value):
        raise ValueError(f"{where} is {value}, which JSON cannot hold; leave it out or keep it as a tensor")
    elif value is not None and type(value) not in (bool, int, float, str):
        raise TypeError(f"{where} is {value!r} ({type(value).__name__}); expected int, float, str, list or dict")


def read_state(data: bytes) -> dict[str, Any]:
    state = json.loads(data)
    if not isinstance(state, dict):
        raise ValueError(f"expected an object, got {type(state).__name__}")
    return state


def history_bytes(history: list[Row]) -> bytes:
    """CSV: the union of the keys in first-seen order, then one line per row; what a row lacks is an empty cell.

    Numbers are written so that they read back the same, int as int and float as float, NaN and infinity included.
    Raises TypeError for anything else.
    """
    columns = list(dict.fromkeys(key for row in history for key in row))
    for key in columns:
        if type(key) is not str or not key.isprintable() or not key:
            raise TypeError(f"history has the column {key!r}; expected printable text")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if history:
        writer.writerow(columns)
    for i, row in enumerate(history):
        writer.writerow([_cell(row[key], f"history[{i}][{key!r}]") if key in row else "" for key in columns])
    return text.getvalue().encode()


def _cell(value: int | float, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{where} is {value!r} ({type(value).__name__}); expected int or float")
    return int.__repr__(value) if isinstance(value, int) else float.__repr__(value)


def read_history(data: bytes) -> list[Row]:
    columns, *lines = list(csv.reader(io.StringIO(data.decode(), newline=""))) or [[]]
    return [{key: _number(cell) for key, cell in zip(columns, line, strict=True) if cell} for line in lines]


def _number(cell: str) -> int | float:
    try:
        return int(cell)
    except ValueError:
        return float(cell)
