"""How training went: a panel for each term of the loss."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from aae.errors import DataError
from aae.plots.style import FAINT, INK, PALETTE, Array, below_legend, blank_figure, dress

SPLITS: dict[str, dict[str, Any]] = {  # split: how its curve is drawn
    "train": {"color": PALETTE[0], "linewidth": 1.6},
    "validation": {"color": FAINT, "linewidth": 0.8},
    "test": {"color": PALETTE[1], "linewidth": 1.6},
}
NAMES = {"train": "training", "validation": "validation", "test": "test"}
LOG2: dict[str, Any] = {"color": FAINT, "linestyle": "--", "linewidth": 1.1}


def losses(history: Mapping[str, ArrayLike], log2_for: Collection[str] = ("discriminator", "generator")) -> Figure:
    """Each loss against the epoch, for training, validation and test rows, in a panel of its own.

    `history` maps `epoch` and columns such as `reconstruction_train`, `generator_test` to arrays [epochs], as in
    history.csv; other columns are left alone. A value that is not finite was not measured: the curve joins the
    values beside it, and a curve with a single value is drawn as a dot.

    Panels of the terms in `log2_for` have a dashed line at log 2 = 0.693: the cross-entropy in nats, averaged over
    rows, of a discriminator that answers 1/2 everywhere, which is where both players end when the codes match the
    prior (Goodfellow et al. 2014, section 4.1).

    Raises DataError without `epoch`, without a loss, or for columns that are not as long as `epoch`.
    """
    columns = _columns(history)
    epochs = columns.pop("epoch")
    terms = [t for t in _terms(columns) if any(np.isfinite(columns.get(f"{t}_{s}", [])).any() for s in SPLITS)]
    if not terms:
        raise DataError(
            "history holds no measured loss; expected columns such as reconstruction_train or generator_test, "
            f"got {', '.join(columns) or 'none'}."
        )
    width = min(len(terms), 3)
    rows = -(-len(terms) // width)
    figure = blank_figure(max(4.8, 3.6 * width), 0.5 + 3.0 * rows)
    used = set()
    for i, term in enumerate(terms):
        axes = figure.add_subplot(rows, width, i + 1)
        for split in SPLITS:
            if f"{term}_{split}" in columns and _curve(axes, epochs, columns[f"{term}_{split}"], split):
                used.add(split)
        if term in log2_for:
            axes.axhline(math.log(2), label="log 2", gid="log2", zorder=1, **LOG2)
        _finish(axes, epochs, term)
    dot = _marker(len(epochs))
    handles = [
        Line2D([], [], label=NAMES[s], marker=dot, markersize=3.5, **style) for s, style in SPLITS.items() if s in used
    ]
    if any(term in log2_for for term in terms):
        handles.append(Line2D([], [], label="log 2: the discriminator can only guess", **LOG2))
    below_legend(figure, handles)
    return figure


def _columns(history: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """The epochs and the losses of the history as float arrays of one length."""
    if "epoch" not in history:
        raise DataError(f"history has no column epoch; it has {', '.join(history) or 'no columns'}.")
    names = ["epoch", *(name for name in history if name.rpartition("_")[2] in SPLITS and "_" in name)]
    columns = {name: np.asarray(history[name], dtype=np.float64).ravel() for name in names}
    for name, values in columns.items():
        if len(values) != len(columns["epoch"]):
            raise DataError(
                f"history column {name} has {len(values)} values, but epoch has {len(columns['epoch'])}; "
                "every column needs one value for each epoch (NaN where it was not measured)."
            )
    return columns


def _terms(columns: Mapping[str, Array]) -> list[str]:
    """The names of the losses without their split, in the order of the columns."""
    return list(dict.fromkeys(name.rpartition("_")[0] for name in columns))


def _curve(axes: Axes, epochs: Array, values: Array, split: str) -> bool:
    """Draw one curve through its finite values; returns whether there is any."""
    finite = np.isfinite(values)
    x, y = epochs[finite], values[finite]
    axes.plot(x, y, marker=_marker(len(y)), markersize=3.5, label=NAMES[split], **SPLITS[split])
    return bool(finite.any())


def _marker(values: int) -> str:
    """Few values are drawn as dots; a single one could not be seen without."""
    return "o" if values <= 12 else ""


def _finish(axes: Axes, epochs: Array, term: str) -> None:
    name = term.replace("_", " ")
    title = name.upper() if len(name) <= 3 else name[:1].upper() + name[1:]  # KL and MMD are abbreviations
    dress(axes, f"{title} loss", "epoch", "loss")
    if len(epochs) == 1:
        axes.set_xticks(epochs)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.grid(color=INK, alpha=0.08, linewidth=0.6)
