"""A prior as a picture: its density, samples, outline and grid."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from aae.errors import DataError
from aae.plots.latent import Outline, draw_outline, draw_plane, plane, polygons, thin
from aae.plots.style import (
    INK,
    PALETTE,
    Array,
    as_codes,
    as_labels,
    blank_figure,
    class_colours,
    class_handles,
    outline_white,
    side_legend,
)


def prior_picture(
    samples: ArrayLike,
    title: str,
    labels: ArrayLike | None = None,
    outline: Outline | None = None,
    grid: ArrayLike | None = None,
    density: Array | None = None,
    extent: tuple[float, float, float, float] | None = None,
    max_points: int = 4000,
) -> Figure:
    """Samples of a prior in the plane of its first two dimensions, over its density.

    samples: [n, latent], coloured by `labels` [n] where they are given. outline: as in `latent_scatter`. grid: codes
    [m, latent] of the manifold figure, drawn as small crosses over the samples. density: [h, w], row 0 at the bottom,
    over `extent` = (left, right, bottom, top), drawn in grey. At most `max_points` samples are drawn, the first ones.

    Raises DataError for arrays that do not fit together.
    """
    codes = as_codes(samples, "samples")
    if (density is None) != (extent is None):
        raise DataError("density and extent go together; give both or neither.")
    rng = np.random.default_rng(0)
    chosen = np.sort(thin(len(codes), max_points, rng))
    points = plane(codes, rng)[chosen]
    shapes = polygons(outline, codes.shape[1])
    figure = blank_figure(6.6, 5.4 if codes.shape[1] > 1 else 3.2)
    axes = figure.add_subplot()
    crosses = np.zeros((0, 2)) if grid is None else plane(as_codes(grid, "grid"), rng)
    crosses = crosses if codes.shape[1] > 1 else crosses * [1, 0]
    draw_plane(axes, title, [points, crosses, *shapes], codes.shape[1])
    limits = axes.axis()
    if density is not None and extent is not None:
        most = 3 * float(density.max())  # light enough for the samples to stand out
        axes.imshow(density, extent=extent, origin="lower", cmap="Greys", vmin=0, vmax=most, zorder=0)
    known = as_labels(labels, len(codes), "labels")
    colours = class_colours(known)[chosen] if labels is not None else PALETTE[0]
    axes.scatter(points[:, 0], points[:, 1], s=4, c=colours, alpha=0.5, linewidths=0, gid="samples")
    dot = INK if labels is not None else PALETTE[0]  # of no colour of their own where each class has one
    handles: list[Line2D] = [Line2D([], [], linestyle="none", marker="o", markersize=4, color=dot, label="samples")]
    if len(crosses):
        drawn = axes.scatter(
            crosses[:, 0], crosses[:, 1], s=11, c=INK, marker="+", linewidths=0.8, zorder=2.5, gid="grid"
        )
        outline_white(drawn, 1.8)
        handles.append(Line2D([], [], linestyle="none", marker="+", color=INK, label="grid of codes"))
    draw_outline(axes, shapes)
    axes.axis(limits)  # where a picture would have moved them
    if shapes:
        handles.append(Line2D([], [], color=INK, linewidth=1.5, label="outline"))
    side_legend(figure, [*handles, *(class_handles(known) if labels is not None else [])])
    return figure
