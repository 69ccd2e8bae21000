"""Classes and clusters as pictures: one style in every class, and each cluster's head beside its members."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from aae.errors import DataError
from aae.plots.grids import Limit, cell_size, draw_grid
from aae.plots.style import SMALL, Array, as_rows, blank_figure, count, dress, fit


def style_by_class(
    cells: ArrayLike,
    shape: Sequence[int],
    classes: Sequence[str] | None = None,
    vmin: Limit = None,
    vmax: Limit = None,
    title: str | None = None,
    down: str = "style",
) -> Figure:
    """One style to a row, one class to a column: what changes down a column is style, and along a row the class alone.

    `cells` [styles, classes, *shape]; `classes` names the columns (default: their numbers), `down` what changes from
    row to row; `vmin` and `vmax` as in `samples`. The paper, figure 7. Raises DataError if the arrays do not fit
    together.
    """
    array = _grid(cells, shape, "cells")
    styles, columns = array.shape[:2]
    names = [str(k) for k in range(columns)] if classes is None else list(classes)
    if len(names) != columns:
        raise DataError(f"classes must name {columns} columns, got {len(names)} names")
    axes, figure, unit = _drawn(array, shape, vmin, vmax, 0.7)
    axes.set_xticks(np.arange(columns) + 0.5, [fit(name, SMALL, unit) for name in names])
    usual = f"{count(styles, 'style')} in {count(columns, 'class', 'classes')}"
    dress(axes, usual if title is None else title, "class", down)
    _unframed(axes)
    return figure


def cluster_heads(
    heads: ArrayLike,
    members: ArrayLike,
    shape: Sequence[int],
    names: Sequence[str] | None = None,
    vmin: Limit = None,
    vmax: Limit = None,
) -> Figure:
    """Each cluster's head, and to the right of it rows that belong to the cluster.

    `heads` [clusters, *shape]: decoded from the cluster alone, with a style of zero. `members` [clusters, m, *shape],
    NaN where a cluster has fewer. `names`: what stands before each row, such as the share of the rows that fall in
    the cluster. The paper, figure 9. Raises DataError if the arrays do not fit together.
    """
    first, rest = as_rows(heads, shape, "heads"), _grid(members, shape, "members")
    if len(first) != len(rest):
        raise DataError(f"heads has {len(first)} clusters and members {len(rest)}; expected the same")
    gap = np.full((len(first), 1, *shape), np.nan)
    axes, figure, _ = _drawn(np.concatenate([first[:, None], gap, rest], axis=1), shape, vmin, vmax, 0.9)
    numbers = [str(k) for k in range(len(first))] if names is None else list(names)
    axes.set_yticks(len(first) - np.arange(len(first)) - 0.5, numbers)
    axes.set_xticks([0.5, 2 + rest.shape[1] / 2], ["head", "members"])
    dress(axes, f"{count(len(first), 'cluster')}: head and members", "", "cluster")
    _unframed(axes)
    return figure


def _grid(cells: ArrayLike, shape: Sequence[int], name: str) -> Array:
    array, shape = np.asarray(cells, dtype=np.float64), tuple(shape)
    if array.ndim < 3 or 0 in array.shape[:2]:
        raise DataError(f"{name} must have the shape [rows, columns, *{shape}], got {list(array.shape)}")
    down, across = array.shape[:2]
    return as_rows(array.reshape(down * across, -1), shape, name).reshape(down, across, *shape)


def _drawn(cells: Array, shape: Sequence[int], vmin: Limit, vmax: Limit, room: float) -> tuple[Axes, Figure, float]:
    """The cells in a new figure with `room` inches beside them, and the width of a cell in inches."""
    height, width = cell_size(shape)
    rows, columns = cells.shape[:2]
    unit = min(7.0 / max(rows * height, columns * width), 0.8)
    figure = blank_figure(max(3.6, room + unit * columns * width), max(1.8, 1.0 + unit * rows * height))
    axes = figure.add_subplot()
    draw_grid(axes, cells, vmin, vmax, gap=1)
    axes.set_yticks([])
    return axes, figure, unit * width


def _unframed(axes: Axes) -> None:
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
