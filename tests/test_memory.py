"""Data passed in Python: everything that rows can be taken from, splits of one's own, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import tiny
from torch.utils.data import DataLoader, TensorDataset

import aae
from aae.config import Data
from aae.data import Splits, dataset
from aae.errors import DataError

X = np.random.default_rng(0).integers(0, 9, size=(60, 5)).astype(float)
Y = np.arange(60) % 3
PAIRS = TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))

FORMS: dict[str, Callable[[], Any]] = {
    "lists": X.tolist,
    "big-endian": lambda: X.astype(">f4"),
    "column order": lambda: np.asfortranarray(X),
    "read-only": lambda: np.frombuffer(X.tobytes()).reshape(60, 5),
    "strided": lambda: np.repeat(X, 2, axis=0)[::2],
    "integers": lambda: X.astype(np.uint16),
    "objects": lambda: X.astype(object),
    "bfloat16": lambda: torch.from_numpy(X).bfloat16(),
    "with gradient": lambda: torch.from_numpy(X).requires_grad_(),
    "torch Dataset": lambda: PAIRS,
    "DataLoader": lambda: DataLoader(PAIRS, batch_size=7),
    "batches": lambda: (block for block in np.array_split(X, 4)),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_array_is_the_same_data(form: str) -> None:
    found = dataset(FORMS[form](), splits="all")
    np.testing.assert_array_equal(found.x.float().numpy(), X)
    if found.y is not None:
        np.testing.assert_array_equal(found.y, Y)
    assert len(found.splits.train) == 60
    assert len(found.splits.test) == 0


def test_labels_as_text_with_gaps_and_a_split_of_ones_own() -> None:
    parts = Splits(np.arange(40), np.arange(40, 50), np.arange(50, 60))
    found = dataset(X, ["a", None, "b"] * 20, Data(scaling="standardize"), name="mine", splits=parts)
    assert found.spec.classes == ("a", "b")
    assert found.y is not None
    assert found.y[:3].tolist() == [0, -1, 1]
    assert (found.spec.name, found.spec.scaling) == ("mine", "standardize")
    np.testing.assert_allclose(found.spec.offset, X[:40].mean(0), rtol=1e-6)  # the training rows alone


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (X[:5], {}, "5 rows; at least 10"),
        (np.insert(X, 2, np.nan, axis=1), {"name": "mine"}, "mine: row 0, column 2 .* not a finite number"),
        ((block for block in (X[:5], X[:5, :2])), {}, "batch 1 has rows of shape"),
        (iter(()), {}, "gave no rows"),
        (X, {"y": Y[:5]}, "labels have shape"),
        (PAIRS, {"y": Y}, "labels of its own"),
        (X, {"splits": Splits(np.arange(5), np.arange(4, 6), np.arange(6, 60))}, "stands twice"),
        (X, {"splits": Splits(np.arange(5), np.arange(0), np.array([60]))}, "names? row 60"),
        (X, {"splits": Splits(np.arange(0), np.arange(5), np.arange(5, 9))}, "no training rows"),
    ],
)
def test_what_does_not_go_together_is_refused(x: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        dataset(x, **options)


def test_train_takes_arrays_and_fewer_rows_than_a_batch(tmp_path: Path) -> None:
    before = X.copy()
    run = aae.train(tiny(), tmp_path / "run", data=(X, Y))
    np.testing.assert_array_equal(X, before)
    assert run.config.batch_size == len(dataset(X, Y).splits.train) == 43
    assert run.spec.classes == ("0", "1", "2")
    with pytest.raises(DataError, match=r"passed in Python.*aae\.resume\(path, data="):
        run.evaluate()
    assert run.evaluate(data=dataset(X, Y, run.config.data))["rows"] == 12
