"""What a decoder is told beside codes, from the line or else from the files on it: classes and conditions.

Whatever is wrong is said here in the words of the line, which names options where Python names arguments.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aae.errors import ConfigError, DataError

if TYPE_CHECKING:
    from aae.data import Raw
    from aae.inference import Run


def class_of(run: Run, written: str | None, classes: int) -> int | None:
    """The class on the line as a number, out of so many. ConfigError for another, and where there are none."""
    from aae.classes import class_number

    if written is None:
        return None
    if not classes:
        raise ConfigError(f"--y {written}: the model of {run.where} has no classes; leave --y out")
    return class_number(written, classes, run.class_names)


def class_of_rows(run: Run, raw: Raw, written: str | None) -> Any:
    """The class on the line, or else the labels of the rows by number [n]; None where the decoder needs neither.

    ConfigError where it does and there are none; DataError for a row without a label, or with one of no known class.
    """
    from aae.classes import class_of_labels

    if written is not None or not run.classes_told or run.model.classifies:
        return class_of(run, written, run.classes_told)
    if raw.y is None:
        raise ConfigError(f"{_takes_a_class(run)}, and {raw.name} has no labels; give --y, one class for all rows")
    return class_of_labels(raw.y, raw.classes, run.classes_told, run.class_names, raw.name)


def class_of_codes(run: Run, path: Path, codes: np.ndarray, written: str | None) -> Any:
    """The class on the line, or else what the file of the codes has of each: probabilities [n, classes] or numbers [n].

    None where the decoder needs none; errors as `class_of_rows`.
    """
    from aae.classes import class_of_labels
    from aae.files import read_beside

    rows, classes = codes.shape[:1], run.classes_told
    if written is not None or not classes:
        return class_of(run, written, classes)
    if run.model.classifies and (found := read_beside(path, "probabilities")) is not None:
        return _of_shape(found, (*rows, classes), path, "probabilities")
    labels = None if run.config.model.clusters else read_beside(path, "labels")  # which say nothing of clusters
    if labels is None:
        needed = "probabilities" if run.model.classifies else "labels"
        raise ConfigError(
            f"{_takes_a_class(run)}, and {path} has no array '{needed}' of them, as aae encode writes it; give --y, "
            "one class for all codes"
        )
    names = read_beside(path, "classes")
    called = None if names is None else [str(name) for name in names.reshape(-1)]
    return class_of_labels(_of_shape(labels, rows, path, "labels"), called, classes, run.class_names, str(path))


def condition_of(run: Run, words: tuple[str, ...]) -> dict[str, Any] | None:
    """The conditions on the line; ConfigError for wrong ones, and where the decoder is told none."""
    from aae.conditions import written_conditions

    if not words:
        return None
    if run.spec.conditions is None:
        raise ConfigError(f"--condition: the decoder of {run.where} is told no condition; leave it out")
    return written_conditions(words, run.spec.conditions.columns)


def condition_of_rows(run: Run, raw: Raw, words: tuple[str, ...]) -> dict[str, Any] | None:
    """The conditions on the line; None where the decoder needs none, or the rows are a table that brings its own."""
    from aae.data import Table

    names = _conditions(run)
    absent = [name for name in names if not isinstance(raw.x, Table) or name not in raw.x.names]
    if words or not absent:
        return condition_of(run, words)
    raise ConfigError(f"{_is_told(run)}, and {raw.name} has no column {absent[0]!r}; give --condition {_form(names)}")


def condition_of_codes(run: Run, words: tuple[str, ...]) -> dict[str, Any] | None:
    """The conditions on the line; ConfigError where there are none and the decoder is told some."""
    names = _conditions(run)
    if words or not names:
        return condition_of(run, words)
    raise ConfigError(f"{_is_told(run)}; give --condition {_form(names)}")


def _conditions(run: Run) -> list[str]:
    return [] if run.spec.conditions is None else [column.name for column in run.spec.conditions.columns]


def _takes_a_class(run: Run) -> str:
    return f"the decoder of {run.where} takes a class beside the code"


def _is_told(run: Run) -> str:
    return f"the decoder of {run.where} is told conditions ({', '.join(_conditions(run))})"


def _form(names: list[str]) -> str:
    return " ".join(f"{name}=..." for name in names)


def _of_shape(array: np.ndarray, shape: tuple[int, ...], path: Path, name: str) -> np.ndarray:
    if array.shape != shape:
        raise DataError(
            f"{path}: its array '{name}' has shape {list(array.shape)}, and these codes of this run need "
            f"{list(shape)}; give --y, one class for all codes"
        )
    return array
