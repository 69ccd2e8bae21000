"""Odd arrays at every door of the estimators: a finite result, or an error that says what is wrong, and where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

import aae

N, D = 24, 3
CODES = ("transform", "inverse_transform", "reconstruct", "score_samples", "score")
METHODS = {
    "AAE": CODES,
    "Autoencoder": CODES,
    "VAE": CODES,
    "AAEClassifier": (*CODES, "predict", "predict_proba"),
    "AAECluster": (*CODES, "predict", "predict_proba"),
    "AAEOutlierDetector": (
        "predict",
        "decision_function",
        "score_samples",
        "score",
        "anomaly_score",
        "explain",
        "evidence",
        "reconstruct",
    ),
}
"""What takes rows; `inverse_transform` takes codes, here of as many dimensions as a row has columns."""
ONE_BY_ONE = ("fit", "partial_fit")
AT_ONCE = {"AAECluster": "fit_predict", "AAEOutlierDetector": "fit_predict"}
"""What fits and uses in one call; `fit_transform` for the others."""
LABELS = np.arange(N) % 2


def good() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, D))


def but(value: Any, dtype: Any = float) -> np.ndarray:
    """Good rows with one other value in row 5, column 2."""
    x = good().astype(dtype)
    x[5, 2] = value
    return x


def readonly() -> np.ndarray:
    x = good()
    x.flags.writeable = False
    return x


PLACE = "row 5, column 2"
FINE: dict[str, Callable[[], Any]] = {
    "float64": good,
    "float32": lambda: good().astype(np.float32),
    "float16": lambda: good().astype(np.float16),
    "long double": lambda: good().astype(np.longdouble),
    "int8": lambda: (good() * 10).astype(np.int8),
    "int64": lambda: (good() * 1e6).astype(np.int64),
    "uint8": lambda: np.abs(good() * 50).astype(np.uint8),
    "uint64": lambda: np.abs(good() * 1e6).astype(np.uint64),
    "bool": lambda: good() > 0,
    "objects that are numbers": lambda: good().astype(object),
    "nested lists": lambda: good().tolist(),
    "big-endian": lambda: good().astype(">f8"),
    "read-only": readonly,
    "Fortran order": lambda: np.asfortranarray(good()),
    "strided": lambda: np.repeat(good(), 2, axis=0)[::2],
    "reversed": lambda: good()[::-1, ::-1],
    "constant": lambda: np.full((N, D), 7.0),
    "all zero": lambda: np.zeros((N, D)),
    "denormal": lambda: good() * 1e-310,
    "huge": lambda: good() * 1e29,
    "negative zero": lambda: but(-0.0),
    "masked, nothing hidden": lambda: np.ma.masked_array(good(), mask=False),
    "torch": lambda: torch.from_numpy(good()),
    "torch with gradients": lambda: torch.from_numpy(good()).requires_grad_(),
    "torch bfloat16": lambda: torch.from_numpy(good()).bfloat16(),
    "data frame of mixed types": lambda: pd.DataFrame({"a": good()[:, 0], "b": np.arange(N), "c": good()[:, 1] > 0}),
}
WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "NaN": (lambda: but(np.nan), f"NaN in {PLACE}"),
    "infinity": (lambda: but(np.inf), f"infinity in {PLACE}"),
    "minus infinity": (lambda: but(-np.inf), f"infinity in {PLACE}"),
    "too large": (lambda: but(1e31), f"1e\\+31 in {PLACE}"),
    "largest double": (lambda: but(np.finfo(float).max), f"308 in {PLACE}"),
    "None": (lambda: but(None, object), f"NaN in {PLACE}"),
    "text": (lambda: but("blue", object), f"{PLACE} holds 'blue'"),
    "array of text": (lambda: good().astype(str).astype("U8"), r"dtype='numeric' is not compatible|could not convert"),
    "dates": (lambda: np.zeros((N, D), "datetime64[s]"), "datetime64"),
    "time spans": (lambda: np.zeros((N, D), "timedelta64[s]"), "timedelta64"),
    "a date": (lambda: but(pd.Timestamp("2020-01-01"), object), PLACE),
    "missing in a data frame": (lambda: pd.DataFrame(but(np.nan), columns=list("abc")), r"row 5, column 2 \('c'\)"),
    "nullable integers": (
        lambda: pd.DataFrame(np.arange(N * D).reshape(N, D), dtype="Int64").mask(lambda t: t == 17),
        f"NaN in {PLACE}",
    ),
    "text in a data frame": (lambda: pd.DataFrame(but("x", object), columns=list("abc")), r"row 5, column 2 \('c'\)"),
    "complex": (lambda: good() + 1j, "Complex data not supported"),
    "a dict": (lambda: but({"a": 1}, object), PLACE),
    "sparse": (lambda: sp.csr_matrix(good()), "[Ss]parse"),
    "sparse torch": (lambda: torch.from_numpy(good()).to_sparse(), "sparse"),
    "masked": (lambda: np.ma.masked_invalid(but(np.nan)), "masked values, the first in row 5"),
    "ragged": (lambda: [[1.0, 2.0, 3.0]] * 5 + [[1.0, 2.0]], "inhomogeneous|same length"),
    "one axis": (lambda: good()[:, 0], "Expected 2D array"),
    "a number": (lambda: 3.0, "Expected 2D array"),
    "a word": (lambda: "data", "Expected 2D array|numeric"),
    "None itself": (lambda: None, "None|NoneType|NaN|Expected 2D"),
    "no rows": (lambda: np.empty((0, D)), "0 sample"),
    "no columns": (lambda: np.empty((N, 0)), r"0 feature"),
}


CODE_PLACE = r"row 5, (dimension|column) 2"
CODE_WORDS = {
    "array of text": "holds values of type",
    "complex": "holds values of type complex",
    "one axis": r"shape \[n, 3\], got \[24\]",
    "a number": r"shape \[n, 3\], got \[\]",
    "a word": "codes",
    "None itself": "codes",
    "no columns": r"got \[24, 0\]",
    "ragged": "not a rectangular array",
    "masked": "masked values, the first in row 5",
    "sparse": "sparse",
    "sparse torch": "sparse",
    "dates": "datetime64",
    "time spans": "timedelta64",
}
"""How `inverse_transform` says what is wrong; what is not here names the place, row and dimension."""


def model(name: str) -> Any:
    own = {"n_clusters": 2} if name == "AAECluster" else {}
    return getattr(aae, name)(n_components=D, hidden=(8,), epochs=1, random_state=0, **own)


def called(own: Any, method: str, x: Any) -> Any:
    """The method with these rows, and with labels where it needs some."""
    needs = isinstance(own, aae.AAEClassifier) and method in ("fit", "partial_fit", "fit_transform", "score")
    return getattr(own, method)(x, LABELS) if needs else getattr(own, method)(x)


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    """One of each, fitted to good rows."""
    return {name: called(model(name), "fit", good()) for name in METHODS}


def same(a: Any, b: Any) -> bool:
    """Whether two pieces of data hold the same, NaN for NaN."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a.detach(), b.detach())
    if isinstance(a, np.ma.MaskedArray):
        return bool((np.ma.getmaskarray(a) == np.ma.getmaskarray(b)).all())
    return pd.DataFrame(a).equals(pd.DataFrame(b))


@pytest.mark.parametrize("kind", FINE)
@pytest.mark.parametrize("name", METHODS)
def test_an_unusual_array_gives_a_finite_result(name: str, kind: str, fitted: dict[str, Any]) -> None:
    x = FINE[kind]()
    if not isinstance(x, pd.DataFrame):  # whose names of columns are not those of the fit
        for method in METHODS[name]:
            assert np.isfinite(called(fitted[name], method, x)).all(), method
    for fit in ONE_BY_ONE:
        own = called(model(name), fit, x)
        for method in METHODS[name]:
            if (kind, method) == ("huge", "inverse_transform"):  # 1e29 units of 1e29
                with pytest.raises(ValueError, match="row 0 of the codes decodes to values beyond"):
                    called(own, method, x)
            else:
                assert np.isfinite(called(own, method, x)).all(), (fit, method)
    assert same(x, FINE[kind]())


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("name", METHODS)
def test_a_wrong_array_is_refused_with_the_place(name: str, kind: str, fitted: dict[str, Any]) -> None:
    make, words = WRONG[kind]
    for fit in (*ONE_BY_ONE, AT_ONCE.get(name, "fit_transform")):
        with pytest.raises((ValueError, TypeError), match=words):
            called(model(name), fit, make())
    own = fitted[name]
    if isinstance(make(), pd.DataFrame):  # names of columns have to match before values are looked at
        own = called(model(name), "fit", pd.DataFrame(good(), columns=make().columns))
    for method in METHODS[name]:
        if method == "inverse_transform" and kind == "no rows":
            assert called(own, method, make()).shape == (0, D)
            continue
        said = CODE_WORDS.get(kind, CODE_PLACE) if method == "inverse_transform" else words
        with pytest.raises((ValueError, TypeError), match=f"{said}|X has 0 features"):
            called(own, method, make())


@pytest.mark.parametrize("name", METHODS)
def test_one_row_is_too_few_to_fit_and_enough_to_use(name: str, fitted: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="1 sample"):
        called(model(name), "fit", good()[:1])
    with pytest.raises(ValueError, match="1 sample"):
        called(model(name), "partial_fit", good()[:1])
    for method in METHODS[name]:
        if method != "score" or name != "AAEClassifier":
            assert np.isfinite(called(fitted[name], method, good()[:1])).all()
    with pytest.raises(ValueError, match="X has 2 features"):
        fitted[name].score_samples(good()[:, :2])


def test_codes_are_checked_too(fitted: dict[str, Any]) -> None:
    for wrong, words in ((np.full((2, 3), np.nan), "row 0, dimension 0"), (np.zeros((2, 5)), r"shape \[n, 3\]")):
        with pytest.raises(ValueError, match=words):
            fitted["AAE"].inverse_transform(wrong)
    for n in (0, -1, 1.5, "2", True):
        with pytest.raises(ValueError, match="n must be a whole number"):
            fitted["AAE"].sample(n)
