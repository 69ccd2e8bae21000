"""Real and generated rows of a table, column by column and pair by pair."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

from aae.errors import DataError
from aae.plots.style import LABEL, PALETTE, SMALL, Array, below_legend, blank_figure, dress, fit

MOST_COLUMNS, MOST_BARS, BINS = 24, 8, 24
"""Most columns in one figure, most categories of one column, and bars of a histogram."""
REAL, GENERATED = PALETTE[0], PALETTE[1]


def columns(
    real: ArrayLike, generated: ArrayLike, names: Sequence[str], categories: Sequence[Sequence[str] | None]
) -> Figure:
    """The values of each column among real and generated rows, [n, columns] with NaN where missing.

    categories: for a column of categories the words of the numbers 0, 1, ..., else None. The first 24 columns are
    shown; of a column with more than eight categories the commonest eight. Raises DataError where shapes disagree.
    """
    a, b = _values(real, names, "real"), _values(generated, names, "generated")
    shown = min(len(names), MOST_COLUMNS)
    wide = min(4, shown)
    rows = -(-shown // wide)
    figure = blank_figure(2.6 * wide + 0.4, 2.1 * rows + 0.5)
    for i in range(shown):
        axes = figure.add_subplot(rows, wide, i + 1)
        words = categories[i]
        if words is None:
            _histogram(axes, a[:, i], b[:, i])
        else:
            _bars(axes, a[:, i], b[:, i], words)
        dress(axes)
        axes.set_title(fit(names[i], LABEL, 2.3), fontsize=LABEL)
        axes.set_yticks([])
    below_legend(figure, [Patch(color=REAL, alpha=0.55, label="real"), Patch(color=GENERATED, label="generated")])
    return figure


def _values(table: ArrayLike, names: Sequence[str], which: str) -> Array:
    array = np.asarray(table, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != len(names):
        raise DataError(f"{which} must have the shape [rows, {len(names)}], got {list(array.shape)}")
    return array


def _histogram(axes: Axes, real: Array, generated: Array) -> None:
    real, generated = real[~np.isnan(real)], generated[~np.isnan(generated)]
    both = np.concatenate([real, generated])
    if not len(both):
        return
    low, high = both.min(), both.max()
    edges = np.linspace(low, high, BINS + 1).tolist() if high > low else [low - 0.5, low + 0.5]
    weights = [np.full(len(part), 1 / max(1, len(part))) for part in (real, generated)]
    axes.hist(real, edges, weights=weights[0], color=REAL, alpha=0.55)
    axes.hist(generated, edges, weights=weights[1], histtype="step", color=GENERATED, linewidth=1.6)


def _bars(axes: Axes, real: Array, generated: Array, words: Sequence[str]) -> None:
    real, generated = real[~np.isnan(real)], generated[~np.isnan(generated)]
    counts = [np.bincount(part.astype(int), minlength=len(words)) / max(1, len(part)) for part in (real, generated)]
    order = np.argsort(-counts[0], kind="stable")[:MOST_BARS]
    places = np.arange(len(order))
    axes.bar(places - 0.2, counts[0][order], 0.4, color=REAL, alpha=0.55)
    axes.bar(places + 0.2, counts[1][order], 0.4, color=GENERATED)
    turned = len(order) > 3 or max(len(words[k]) for k in order) > 8
    labels = [fit(words[k], SMALL, 0.8) for k in order]
    axes.set_xticks(places, labels, rotation=35 if turned else 0, ha="right" if turned else "center")


def correlations(real: ArrayLike, generated: ArrayLike, names: Sequence[str]) -> Figure:
    """Correlations between features, [features, features] each: real, generated, and their difference, all on -1 to 1.

    Raises DataError where shapes disagree.
    """
    a, b = (np.asarray(matrix, dtype=np.float64) for matrix in (real, generated))
    if a.shape != b.shape or a.shape != (len(names), len(names)):
        raise DataError(f"correlations must be [{len(names)}, {len(names)}] both, got {a.shape} and {b.shape}")
    figure = blank_figure(11.0, 4.3)
    axes = [figure.add_subplot(1, 3, i + 1) for i in range(3)]
    for axis, matrix, title in zip(axes, (a, b, b - a), ("real", "generated", "difference"), strict=True):
        drawn = axis.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
        dress(axis, title)
        places = list(range(len(names))) if len(names) <= 16 else []
        labels = [fit(name, 7, 1.0) for name in names] if len(names) <= 16 else []
        axis.set_xticks(places, labels, rotation=90, fontsize=7)
        axis.set_yticks(places, labels if axis is axes[0] else [""] * len(labels), fontsize=7)
    figure.colorbar(drawn, ax=axes, shrink=0.8)
    return figure
