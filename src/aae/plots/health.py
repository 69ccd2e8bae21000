"""How the game between encoder and discriminator went: the doctor's figures against the epoch."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation, MaxNLocator
from numpy.typing import ArrayLike

from aae.errors import DataError
from aae.plots.style import FAINT, INK, PALETTE, SMALL, Array, blank_figure, dress

LINE: dict[str, Any] = {"linewidth": 1.6, "markersize": 3.5}


def health(history: Mapping[str, ArrayLike]) -> Figure:
    """Prior match, discriminator, reconstruction and gradients against the epoch, on held-out rows, in four panels.

    `history` maps `epoch` and the figures of `aae.health.measure` to arrays [epochs]; with several discriminators each
    has a curve, named by its block. Values that are not finite are left out.

    Raises DataError without `epoch` or without `told_apart`.
    """
    blocks = [key.removesuffix("told_apart") for key in history if key.endswith("told_apart")]
    if "epoch" not in history or not blocks:
        raise DataError(f"history needs the columns epoch and told_apart; it has {', '.join(history) or 'none'}.")
    epochs = np.asarray(history["epoch"], dtype=np.float64)
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in history.items()}
    figure = blank_figure(9.6, 6.4)
    panels = [figure.add_subplot(2, 2, i + 1) for i in range(4)]
    match, players, rebuilt, pull = panels
    for i, block in enumerate(blocks):
        name, colour = block.removesuffix("_"), PALETTE[i % len(PALETTE)]
        apart, real, fake = (columns[f"{block}{key}"] for key in ("told_apart", "accuracy_real", "accuracy_fake"))
        _curve(match, epochs, apart, name or "codes and prior", colour)
        if len(blocks) == 1:
            _curve(players, epochs, real, "prior samples", PALETTE[0])
            _curve(players, epochs, fake, "codes", PALETTE[1])
        else:
            _curve(players, epochs, (real + fake) / 2, name, colour)
    for axes in (match, players):
        axes.axhline(0.5, color=FAINT, linestyle="--", linewidth=1.1, label="1/2: can only guess", zorder=1)
        axes.set_ylim(-0.03, 1.03)
    _curve(rebuilt, epochs, columns["r2"], "R2", PALETTE[0])
    rebuilt.axhline(0, color=FAINT, linestyle="--", linewidth=1.1, label="0: the mean row", zorder=1)
    lowest = np.min(columns["r2"], initial=0.0, where=np.isfinite(columns["r2"]))
    rebuilt.set_ylim(max(-1.0, lowest) - 0.03, 1.03)
    if "gradient_ratio" in columns:
        ratio = np.where(columns["gradient_ratio"] > 0, columns["gradient_ratio"], np.nan)
        _curve(pull, epochs, ratio, "generator / reconstruction", PALETTE[0])
        if np.isfinite(ratio).any():
            pull.set_yscale("log")
            pull.yaxis.set_major_formatter(_Plain())
            pull.yaxis.set_minor_formatter(_Plain(minor_thresholds=(1, 0.4)))
            pull.tick_params(which="minor", labelsize=SMALL, labelcolor=INK)
        pull.axhline(1, color=FAINT, linestyle="--", linewidth=1.1, label="1: equal pull", zorder=1)
    titles = (
        ("A fresh classifier on codes and prior", "share right"),
        ("The discriminator", "share right"),
        ("Reconstruction against the mean row", "R2"),
        ("Gradients on the encoder", "ratio"),
    )
    for axes, (title, label) in zip(panels, titles, strict=True):
        dress(axes, title, "epoch", label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.grid(color=INK, alpha=0.08, linewidth=0.6)
        axes.legend(facecolor="white", framealpha=0.9, edgecolor="none", fontsize=8, labelcolor=INK)
    return figure


class _Plain(LogFormatterSciNotation):
    """20 rather than 2 x 10^1, at the ticks that would have been labelled."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def _curve(axes: Axes, epochs: Array, values: Array, label: str, colour: str) -> None:
    kept = np.isfinite(values)
    marker = "o" if kept.sum() <= 12 else ""
    axes.plot(epochs[kept], values[kept], label=label, color=colour, marker=marker, **LINE)
