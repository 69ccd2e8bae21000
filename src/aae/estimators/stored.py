"""An estimator in a run directory: its parameters and what it learnt beside the networks, without a pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from aae.config import Prior, from_dict, plain
from aae.errors import ConfigError, RunError
from aae.inference import Run
from aae.serialize import UNREADABLE, arrays_bytes, read_arrays, read_state, state_bytes
from aae.storage import read_plain, write_atomic

FILE, ARRAYS = "estimator.json", "estimator.npz"
E = TypeVar("E", bound=Any)


def write_estimator(estimator: Any, path: str | Path) -> Path:
    """Write a fitted estimator to a run directory of its own and return the directory's path."""
    path = Path(path)
    parameters = {
        name: _plain(value, f"{name} = {value!r} of {type(estimator).__name__}")
        for name, value in estimator.get_params(deep=False).items()
    }
    kept, arrays = dict[str, Any](), dict[str, np.ndarray]()
    for name, value in vars(estimator).items():
        if name in parameters or name == "run_":
            continue
        if isinstance(value, np.ndarray) and value.dtype != object:
            arrays[name] = value
        else:
            kept[name] = _plain(value, name)
    described = {"class": type(estimator).__name__, "parameters": parameters, "fitted": kept}
    text, packed = state_bytes(described), arrays_bytes(arrays)
    estimator.run_.save(path)
    write_atomic(path / ARRAYS, packed)
    write_atomic(path / FILE, text)
    return path


def read_estimator(cls: type[E], path: str | Path, device: str | None) -> E:
    """The estimator of class `cls` in a directory that `write_estimator` made."""
    path = Path(path)
    run = Run.load(path) if device is None else Run.load(path, device=device)
    try:
        described, arrays = read_state(read_plain(path / FILE)), read_arrays(read_plain(path / ARRAYS))
        name = described["class"]
        if name != cls.__name__:
            raise RunError(f"{path} holds an estimator of class {name}; load it with {name}.load")
        parameters = {key: _restored(value) for key, value in described["parameters"].items()}
        estimator = cls(**parameters)
        for key, value in {**described["fitted"], **arrays}.items():
            setattr(estimator, key, _restored(value))
    except FileNotFoundError as error:
        raise RunError(
            f"{path} holds a run but no estimator ({Path(error.filename).name} is missing); use Run.load"
        ) from None
    except (*UNREADABLE, TypeError, AttributeError) as error:
        raise RunError(f"the estimator in {path} cannot be read ({type(error).__name__}: {error})") from error
    estimator.run_ = run.in_memory()
    if device is not None:
        estimator.set_params(device=device)
    return estimator


def _plain(value: Any, where: str) -> Any:
    """`value` as JSON holds it; `_restored` brings it back."""
    if isinstance(value, np.ndarray):
        return {"array": [_plain(item, where) for item in value.tolist()], "dtype": "object"}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Prior):
        return {"prior": plain(value)}
    if isinstance(value, tuple):
        return {"tuple": [_plain(item, where) for item in value]}
    if isinstance(value, list):
        return [_plain(item, where) for item in value]
    if isinstance(value, dict):
        return {"dict": [[_plain(key, where), _plain(item, where)] for key, item in value.items()]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ConfigError(f"{where} cannot be saved to a file; use numbers, text, lists or dicts of them")


def _restored(value: Any) -> Any:
    if isinstance(value, list):
        return [_restored(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "array" in value:
        restored = np.empty(len(value["array"]), dtype=object)
        restored[:] = [_restored(item) for item in value["array"]]
        return restored
    if "prior" in value:
        return from_dict(Prior, value["prior"])
    if "tuple" in value:
        return tuple(_restored(item) for item in value["tuple"])
    return {_restored(key): _restored(item) for key, item in value["dict"]}
