"""Where the codes lie: one latent space with its prior's outline, and several side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from aae.errors import DataError
from aae.plots.style import (
    FAINT,
    INK,
    LABEL,
    PALETTE,
    TITLE,
    Array,
    as_codes,
    as_labels,
    below_legend,
    blank_figure,
    class_colours,
    class_handles,
    count,
    dress,
    outline_white,
    percent,
    side_legend,
    text_width,
)

Outline = Array | Sequence[Any]
"""A polygon [m, 2] in the plane of the first two code dimensions, or a list of such polygons; for one-dimensional
codes the ends of an interval, [2] or [2, 1], or a list of such intervals."""

JITTER = 0.8  # height of the band over which one-dimensional codes are spread, of 1


@dataclass(frozen=True)
class Panel:
    """One latent space of a `comparison`.

    `codes` [n, latent]; `labels` [n], -1 or None for unlabelled; `outline` as in `latent_scatter`; `empty_share` is
    the share, 0 to 1, of the prior's area that no code reaches; `note` is one more line for the panel's title.
    """

    name: str
    codes: Array
    labels: Array | None = None
    outline: Outline | None = None
    empty_share: float | None = None
    note: str = ""


def latent_scatter(
    train_codes: ArrayLike,
    test_codes: ArrayLike,
    train_labels: ArrayLike | None = None,
    test_labels: ArrayLike | None = None,
    classes: Sequence[str] | None = None,
    outline: Outline | None = None,
    outline_label: str = "prior",
    max_points: int = 5000,
    seed: int = 0,
    heads: ArrayLike | None = None,
    head_names: Sequence[str] | None = None,
) -> Figure:
    """Codes of the training rows as circles and of the test rows as crosses, coloured by class.

    `train_codes` [n, latent] and `test_codes` [m, latent]: with more than two code dimensions the first two are
    drawn; a single one is drawn along x, with random heights that mean nothing. Labels are integers, -1 for
    unlabelled, and `classes` names them. `outline` (see `Outline`) is drawn as a dark line.

    `heads` [k, latent]: points that are marked by a star each, such as cluster heads, with `head_names` beside them.

    If there are more than `max_points` codes, each has the same chance of being drawn, so training and test keep
    their proportion, and the title says how many there are. The same `seed` draws the same ones.

    Raises DataError for codes that are not finite and for labels that do not fit the codes.
    """
    train, test = _of_one_model(train_codes, test_codes)
    labelled = train_labels is not None or test_labels is not None
    of_both = (train_labels, len(train), "train_labels"), (test_labels, len(test), "test_labels")
    labels = np.concatenate([as_labels(*given, classes) for given in of_both])
    rng = np.random.default_rng(seed)
    codes = plane(np.concatenate([train, test]), rng)  # [n + m, 2]
    chosen = thin(len(codes), max_points, rng)
    of_train, of_test = chosen[chosen < len(train)], chosen[chosen >= len(train)]
    # Without labels, colour tells training from test.
    colours = class_colours(labels if labelled else np.arange(len(codes)) >= len(train))

    figure = blank_figure(7.6, 6.4 if train.shape[1] > 1 else 3.6)
    axes = figure.add_subplot()
    title = f"Codes of {count(len(train), 'training row')} and {count(len(test), 'test row')}"
    if len(chosen) < len(codes):
        title += f"\n({len(chosen):,} of them, chosen at random)"
    shapes = polygons(outline, train.shape[1])
    marked = plane(as_codes(heads, "heads"), rng) if heads is not None else np.zeros((0, 2))
    draw_plane(axes, title, [codes[chosen], *shapes, marked], train.shape[1])
    _points(axes, codes[of_train], colours[of_train], "training", marker="o", size=16, alpha=0.55)
    _points(axes, codes[of_test], colours[of_test], "test", marker="x", size=20, alpha=1.0)
    draw_outline(axes, shapes)
    handles: list[Artist] = [
        _sample_of("training", "o", INK if labelled else PALETTE[0]),
        _sample_of("test", "x", INK if labelled else PALETTE[1]),
    ]
    if shapes:
        handles.append(_line(outline_label))
    if len(marked):
        _stars(axes, marked, head_names)
        handles.append(_sample_of("cluster head", "*", INK))
    side_legend(figure, handles + (list(class_handles(labels, classes)) if labelled else []))
    return figure


def _of_one_model(train_codes: ArrayLike, test_codes: ArrayLike) -> tuple[Array, Array]:
    """Both sets of codes, checked; DataError if they have not as many dimensions."""
    train, test = as_codes(train_codes, "train_codes"), as_codes(test_codes, "test_codes")
    if train.shape[1] != test.shape[1]:
        raise DataError(
            f"train_codes have {train.shape[1]} dimensions and test_codes {test.shape[1]}; encode both with one model."
        )
    return train, test


def _stars(axes: Axes, points: Array, names: Sequence[str] | None) -> None:
    """A star at each point [k, 2], with its name beside it, over everything else."""
    axes.scatter(
        points[:, 0], points[:, 1], marker="*", s=110, c=INK, edgecolors="white", linewidths=0.8, zorder=4, gid="heads"
    )
    for point, name in zip(points, names or (), strict=False):
        text = axes.annotate(
            name, tuple(point), (5, 4), textcoords="offset points", color=INK, fontsize=LABEL, zorder=5
        )
        outline_white(text)


def comparison(
    panels: Sequence[Panel], classes: Sequence[str] | None = None, max_points: int = 2000, seed: int = 0
) -> Figure:
    """The codes that several models give to the same data, side by side, with one legend for all.

    Each panel's title is its name and the share of the prior's area that no code reaches. Panels have their own
    axes, since only the outline ties their units together. At most `max_points` codes of each panel are drawn,
    chosen at random by `seed`; panels with equally many codes show the same rows.

    Raises DataError without panels, and as `latent_scatter` does.
    """
    if not panels:
        raise DataError("comparison needs one panel or more, got none.")
    columns = min(len(panels), 4)
    rows = -(-len(panels) // columns)
    lines = max(len(_title(panel)) for panel in panels)
    labelled = any(panel.labels is not None for panel in panels)
    figure = blank_figure(max(6.4, 0.4 + 3.2 * columns), 1.0 + (3.1 + 0.18 * lines) * rows)
    seen, thinned = [], False
    for i, panel in enumerate(panels):
        axes = figure.add_subplot(rows, columns, i + 1)
        codes = as_codes(panel.codes, f"codes of {panel.name}")
        labels = as_labels(panel.labels, len(codes), f"labels of {panel.name}", classes)
        seen.append(labels)
        rng = np.random.default_rng(seed)
        chosen = thin(len(codes), max_points, rng)
        thinned |= len(chosen) < len(codes)
        points = plane(codes, rng)[chosen]
        title = _title(panel)  # of equally many lines, so that all names stand at one height
        shapes = polygons(panel.outline, codes.shape[1])
        draw_plane(axes, "\n".join(title + [" "] * (lines - len(title))), [points, *shapes], codes.shape[1])
        colours = class_colours(labels[chosen] if labelled else np.zeros(len(chosen)))
        _points(axes, points, colours, panel.name, marker="o", size=6, alpha=0.8)
        draw_outline(axes, shapes)
    handles: list[Artist] = list(class_handles(np.concatenate(seen), classes)) if labelled else []
    if any(panel.outline is not None for panel in panels):
        handles.append(_line("prior"))
    below_legend(figure, handles)
    many = f" ({max_points:,} of its codes, chosen at random)" if thinned else ""
    room = int(figure.get_figwidth() / text_width("x", TITLE + 1))
    heading = textwrap.fill(f"The same data in the latent space of each model{many}", room)
    figure.suptitle(heading, fontsize=TITLE + 1, color=INK)
    return figure


def thin(n: int, most: int, rng: np.random.Generator) -> Array:
    """Indices of at most `most` of `n` points, in random order; every point has the same chance.

    The order is that in which points are painted, so no class always lies on top of the others.
    """
    if most < 1:
        raise DataError(f"max_points must be 1 or more, got {most}.")
    return rng.permutation(n)[:most]


def plane(codes: Array, rng: np.random.Generator) -> Array:
    """The first two dimensions of codes [n, latent]; random heights beside a single one."""
    if codes.shape[1] > 1:
        return codes[:, :2]
    heights = rng.uniform(-JITTER / 2, JITTER / 2, size=len(codes))
    return np.stack([codes[:, 0], heights], axis=1)


def draw_plane(axes: Axes, title: str, extent: Sequence[Array], latent: int) -> None:
    """Name the axes of a latent space and fit them to all points of `extent`, a list of arrays [m, 2].

    Both axes have one unit and the limits are set here, not by what is drawn later, so the layout is final.
    """
    corners = np.concatenate(extent)
    if not len(corners):
        raise DataError("there are no codes to draw; give one or more.")
    low, high = corners.min(axis=0), corners.max(axis=0)
    half = (high - low) / 2 if latent == 1 else np.full(2, (high - low).max() / 2)
    half = 1.06 * np.where(half > 0, half, 1.0)
    (left, bottom), (right, top) = (low + high) / 2 - half, (low + high) / 2 + half
    axes.set_xlim(left, right)
    if latent == 1:
        dress(axes, title, "code", "random heights")
        axes.set_yticks([])
        axes.set_ylim(-0.6, 0.6)
    else:
        dress(axes, title, "code dimension 1", "code dimension 2")
        axes.set_ylim(bottom, top)
        axes.set_aspect("equal")
    axes.locator_params(nbins=5, axis="x" if latent == 1 else "both")
    # Numbers in full: what matplotlib takes out of them it writes where the title is.
    axes.ticklabel_format(useOffset=False, scilimits=(-7, 7), axis="x" if latent == 1 else "both")
    axes.grid(color=FAINT, alpha=0.15, linewidth=0.6)
    axes.set_axisbelow(True)


def draw_outline(axes: Axes, shapes: Sequence[Array]) -> None:
    """Draw the prior's support, polygons [m, 2], over the points."""
    if shapes:
        axes.add_collection(
            PolyCollection(list(shapes), facecolors="none", edgecolors=INK, linewidths=1.5, gid="outline", zorder=3),
            autolim=False,
        )


def polygons(outline: Outline | None, latent: int) -> list[Array]:
    """The outline's polygons, each [m, 2]; an interval of a one-dimensional prior becomes a rectangle."""
    if outline is None:
        return []
    several = isinstance(outline, (list, tuple)) and np.asarray(outline[0]).ndim == (1 if latent == 1 else 2)
    found = []
    for shape in outline if several else [outline]:
        array = np.asarray(shape, dtype=np.float64)
        if latent == 1 and array.size >= 2 and np.isfinite(array).all():
            low, high, edge = array.min(), array.max(), 0.5
            array = np.array([[low, -edge], [high, -edge], [high, edge], [low, edge]])
        if array.ndim != 2 or array.shape[1] != 2 or not np.isfinite(array).all():
            raise DataError(
                f"an outline must be finite points [m, 2], or an interval for one-dimensional codes; "
                f"got shape {list(array.shape)}."
            )
        found.append(array)
    return found


def _points(axes: Axes, points: Array, colours: Array, name: str, marker: str, size: float, alpha: float) -> None:
    axes.scatter(
        points[:, 0],
        points[:, 1],
        c=colours,
        marker=marker,
        s=size,
        alpha=alpha,
        linewidths=0.9 if marker == "x" else 0.0,
        label=name,
        gid=name,
    )


def _title(panel: Panel) -> list[str]:
    """The lines above a panel."""
    share = [] if panel.empty_share is None else [f"{percent(panel.empty_share)} of the prior empty"]
    return [panel.name, *share, *([panel.note] if panel.note else [])]


def _sample_of(label: str, marker: str, colour: str) -> Line2D:
    return Line2D([], [], linestyle="none", marker=marker, color=colour, markersize=LABEL * 0.6, label=label)


def _line(label: str) -> Line2D:
    return Line2D([], [], color=INK, linewidth=1.5, label=label)
