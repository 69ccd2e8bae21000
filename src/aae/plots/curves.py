"""Curves of one measure, such as an error after each epoch, for several runs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import ArrayLike

from aae.errors import DataError
from aae.plots.style import LABEL, PALETTE, below_legend, blank_figure, dress, outline_white

WIDE, HIGH = 30.0, 1.25 * LABEL
"""Room for a written value, in points."""


def curves(runs: Mapping[str, tuple[ArrayLike, ArrayLike]], x: str, y: str) -> Figure:
    """One line for each run, `{name: (x values [n], y values [n])}`, both axes logarithmic; `x` and `y` name the axes.

    The last value of each curve is written at its end. Raises DataError if there is no run, or a run of other shapes.
    """
    if not runs:
        raise DataError("there is no run to draw; give one or more")
    figure = blank_figure(6.4, 4.2)
    axes = figure.add_subplot()
    for i, (name, (across, up)) in enumerate(runs.items()):
        first, second = np.asarray(across, dtype=np.float64), np.asarray(up, dtype=np.float64)
        if first.shape != second.shape or first.ndim != 1 or not len(first):
            raise DataError(f"{name}: x and y must be lists of one length, got {first.shape} and {second.shape}")
        axes.plot(first, second, color=PALETTE[i % len(PALETTE)], label=name, linewidth=1.4)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    dress(axes, "", x, y)
    below_legend(figure, axes.get_lines())
    _write_last_values(figure, axes)
    return figure


def _write_last_values(figure: Figure, axes: Axes) -> None:
    """The last value at the end of each curve, in its colour, moved up where two would lie on each other."""
    figure.draw_without_rendering()  # which settles where a value stands
    lines = axes.get_lines()
    ends = [[float(np.asarray(values, dtype=np.float64)[-1]) for values in line.get_data()] for line in lines]
    points = axes.transData.transform(ends) * 72 / figure.dpi
    free: list[tuple[float, float]] = []
    for i in np.argsort(points[:, 1], kind="stable"):
        line, (x, y) = lines[i], ends[i]
        across, up = map(float, points[i])
        for beside, top in free:  # from the lowest on, so one look at each is enough
            if abs(beside - across) < WIDE and up < top + HIGH:
                up = top + HIGH
        free.append((across, up))
        shift = (0, up - float(points[i, 1]))
        text = axes.annotate(
            f" {y:.2f}", (x, y), shift, textcoords="offset points", color=line.get_color(), fontsize=LABEL, va="center"
        )
        outline_white(text)  # where a longer curve passes behind it
