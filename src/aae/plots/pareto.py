"""Trials of a search by two objectives, and the front of those that none beats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from aae.errors import DataError
from aae.plots.style import FAINT, INK, PALETTE, SMALL, Array, below_legend, blank_figure, dress

MOST_NAMED = 12
"""Trials of the front whose names are written beside them."""


def pareto(
    points: ArrayLike,
    *,
    chosen: int | None = None,
    start: int | None = None,
    labels: Sequence[str] | None = None,
    floor: float | None = None,
    x: str = "",
    y: str = "",
) -> Figure:
    """Points [n, 2], lower is better on both axes: a dot each, those that no other beats joined by steps.

    chosen, start: the numbers of points to mark as chosen and as where the search began. labels: names [n], written
    beside the front. floor: the best possible value of the first objective, as a dashed line.

    Raises DataError for points of another shape, or that are not finite.
    """
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1:] != (2,) or not len(array) or not np.isfinite(array).all():
        raise DataError(f"points must be finite and have the shape [n, 2], n 1 or more; got {list(array.shape)}")
    figure = blank_figure(6.4, 4.8)
    axes = figure.add_subplot()
    on = front(array)
    axes.plot(*array[~on].T, "o", color=FAINT, alpha=0.45, markersize=4.5, linestyle="none")
    line = array[on][np.lexsort((-array[on][:, 1], array[on][:, 0]))]
    axes.plot(*line.T, color=PALETTE[0], drawstyle="steps-post", linewidth=1.2, marker="o", markersize=5)
    handles = [
        Line2D([], [], color=PALETTE[0], marker="o", markersize=5, label="front: beaten by none"),
        Line2D([], [], color=FAINT, alpha=0.45, marker="o", linestyle="none", markersize=4.5, label="other trials"),
    ]
    for i, (marker, name) in ((start, ("s", "the settings it began with")), (chosen, ("*", "chosen"))):
        if i is not None:
            size = 15 if marker == "*" else 9
            (mark,) = axes.plot(*array[i], marker, color=PALETTE[1], markersize=size, markeredgecolor=INK, zorder=3)
            handles.append(Line2D([], [], linestyle="none", marker=marker, markersize=size * 0.7,
                                  markeredgecolor=INK, color=mark.get_color(), label=name))  # fmt: skip
    if floor is not None:
        handles.append(axes.axvline(floor, color=FAINT, linestyle="--", linewidth=1.1, label="best possible match"))
    for i in np.flatnonzero(on)[:MOST_NAMED]:
        axes.annotate(
            "" if labels is None else labels[i], array[i], (5, 5), textcoords="offset points", fontsize=SMALL, color=INK
        )
    dress(axes, "", x, y)
    if array[:, 1].min() > 0 and array[:, 1].max() > 20 * array[:, 1].min():
        axes.set_yscale("log")
    axes.grid(color=INK, alpha=0.08, linewidth=0.6)
    below_legend(figure, handles)
    return figure


def front(points: Array) -> Array:
    """Which points [n, 2] no other beats in one coordinate without losing in the other: bool [n]."""
    a, b = points[:, None], points[None]
    beaten: Array = np.all(b <= a, axis=2) & np.any(b < a, axis=2)
    return ~np.any(beaten, axis=1)
