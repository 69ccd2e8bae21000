"""Curves of several configurations against the epoch, each with its spread over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from aae.errors import DataError
from aae.plots.style import FAINT, INK, LABEL, PALETTE, blank_figure, dress


def spread_curves(
    groups: Mapping[str, Sequence[Mapping[str, ArrayLike]]], measures: Mapping[str, str], columns: int = 2
) -> Figure:
    """A panel for each measure: the mean of each group's runs as a line, and every run as a thin one behind it.

    groups: name of the configuration -> history of each of its runs, which maps `epoch` and measures to arrays
    [epochs]. measures: key in the history -> title of its panel. A mean is drawn as far as all runs of the group go;
    with few runs a band of deviations would promise more than there is, so the runs themselves are drawn.

    Raises DataError where no run has any of the measures.
    """
    shown = {
        key: title for key, title in measures.items() if any(key in run for runs in groups.values() for run in runs)
    }
    if not shown:
        raise DataError(f"no run has any of {', '.join(measures)}; give runs that were trained with this version")
    lines = -(-len(shown) // columns)
    figure = blank_figure(4.8 * min(columns, len(shown)), 3.1 * lines + 0.5)
    for place, (key, title) in enumerate(shown.items()):
        axes = figure.add_subplot(lines, min(columns, len(shown)), place + 1)
        for i, (name, runs) in enumerate(groups.items()):
            having = [run for run in runs if key in run]
            if not having:
                continue
            colour = PALETTE[i % len(PALETTE)]
            curves = [(np.asarray(run["epoch"], float), np.asarray(run[key], float)) for run in having]
            for epochs, values in curves if len(curves) > 1 else ():
                axes.plot(epochs, values, color=colour, linewidth=0.7, alpha=0.4)
            short = min(len(epochs) for epochs, _ in curves)
            mean = np.mean([values[:short] for _, values in curves], axis=0)
            count = f"{len(curves)} seed" + ("s" if len(curves) > 1 else "")
            marker = "o" if short <= 12 else ""
            axes.plot(
                curves[0][0][:short],
                mean,
                color=colour,
                linewidth=1.8,
                marker=marker,
                markersize=3.5,
                label=f"{name} ({count})",
            )
        dress(axes, title, "epoch", "")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.grid(color=INK, alpha=0.08, linewidth=0.6)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=min(2, len(labels)),
        frameon=False,
        fontsize=LABEL,
        labelcolor=FAINT,
    )
    return figure
