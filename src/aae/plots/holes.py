"""Where codes leave holes in a prior and where they crowd, over the codes and over what is decoded there."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from aae.errors import DataError
from aae.plots.grids import Limit, draw_grid
from aae.plots.latent import Outline, draw_outline, draw_plane, plane, polygons, thin
from aae.plots.style import FAINT, INK, LABEL, SMALL, TITLE, Array, as_codes, as_rows, blank_figure, dress, percent

FEW, MANY, HOLE = "#2166AC", "#D95F0E", "#7B1FA2"
SCALE = LinearSegmentedColormap.from_list("crowding", [FEW, "#F7F7F7", MANY])
REACH = 2.0
"""Colours end at 2^-REACH and 2^REACH times the fair share of a cell."""


def hole_map(
    codes: ArrayLike,
    cells: Sequence[Array],
    ratio: ArrayLike,
    chance: tuple[float, float] | None = None,
    outline: Outline | None = None,
    images: ArrayLike | None = None,
    shape: Sequence[int] = (),
    tile_ratio: ArrayLike | None = None,
    vmin: Limit = None,
    vmax: Limit = None,
    max_points: int = 3000,
    seed: int = 0,
) -> Figure:
    """The prior's cells, coloured by how many codes they hold, under the codes and over the decoded manifold.

    `codes` [n, latent], of which the first two dimensions and at most `max_points` codes are drawn. `cells`: the border
    of each, [m, 2]; `ratio` [cells]: codes in each by its fair share, 0 for a hole. `chance`: the share of holes and
    the largest ratio that exact samples have, for the title. `images` [rows, cols, *shape] and `tile_ratio` [rows,
    cols], nan where a tile lies in no cell, add the second panel; see `manifold` for `images`, `vmin` and `vmax`.

    Raises DataError where the arrays do not fit together.
    """
    points, shares = as_codes(codes, "codes"), np.asarray(ratio, dtype=np.float64)
    if shares.shape != (len(cells),) or not len(cells) or not (shares >= 0).all():
        raise DataError(
            f"ratio must hold a number of 0 or more for each of {len(cells)} cells, got {list(shares.shape)}"
        )
    both = images is not None
    figure = blank_figure(11.4 if both else 6.4, 6.2 if points.shape[1] > 1 else 3.8)
    axes = figure.add_subplot(1, 2 if both else 1, 1)
    rng = np.random.default_rng(seed)
    drawn = plane(points, rng)[thin(len(points), max_points, rng)]
    shapes = polygons(outline, points.shape[1])
    draw_plane(axes, "Codes on the cells of the prior", [drawn, *cells, *shapes], points.shape[1])
    _cells(axes, cells, shares)
    axes.scatter(drawn[:, 0], drawn[:, 1], s=3, color=INK, alpha=0.35, linewidths=0, gid="codes")
    draw_outline(axes, shapes)
    if images is not None:
        _manifold(figure.add_subplot(1, 2, 2), images, tuple(shape), tile_ratio, vmin, vmax)
    holes = float(np.mean(shares == 0))
    by_chance = ("", "") if chance is None else (f" ({percent(chance[0])} by chance)", f" ({chance[1]:.1f} by chance)")
    parts = (
        f"{percent(holes)} of the cells are holes{by_chance[0]};",
        f"the fullest holds {shares.max():.1f} times its share{by_chance[1]}",
    )
    figure.suptitle((" " if both else "\n").join(parts), fontsize=TITLE + 1, color=INK)
    _key(figure)
    return figure


def _colours(ratio: Array) -> Array:
    """RGBA of each ratio; holes are clear, since a hatch marks them."""
    with np.errstate(divide="ignore"):
        found = SCALE(Normalize(-REACH, REACH)(np.clip(np.log2(ratio), -REACH, REACH)))
    found[~(ratio > 0)] = 0
    return found


def _cells(axes: Axes, cells: Sequence[Array], ratio: Array) -> None:
    empty = ratio == 0
    filled = [cell for cell, hole in zip(cells, empty, strict=True) if not hole]
    colours = _colours(ratio[~empty])
    drawn = PolyCollection(filled, facecolors=colours, edgecolors="white", linewidths=0.3, gid="cells")
    axes.add_collection(drawn, autolim=False)
    _holes(axes, [cell for cell, hole in zip(cells, empty, strict=True) if hole])


def _holes(axes: Axes, cells: Sequence[Array]) -> None:
    if cells:
        axes.add_collection(
            PolyCollection(
                list(cells), facecolors="none", edgecolors=HOLE, linewidths=0.9, hatch="///", gid="holes", zorder=2.5
            ),
            autolim=False,
        )


def _manifold(
    axes: Axes, images: ArrayLike, shape: tuple[int, ...], ratio: ArrayLike | None, low: Limit, high: Limit
) -> None:
    array, share = np.asarray(images, dtype=np.float64), np.asarray(ratio, dtype=np.float64)
    if array.ndim < 3 or share.shape != array.shape[:2]:
        raise DataError(
            f"images must have the shape [rows, cols, *{shape}] and tile_ratio [rows, cols]; "
            f"got {list(array.shape)} and {list(share.shape)}."
        )
    rows, cols = share.shape
    cells = as_rows(array.reshape(rows * cols, -1), shape, "images").reshape(rows, cols, *shape)
    reading = draw_grid(axes, cells, low, high, gap=1 if len(shape) > 1 and max(shape[-2:]) < 16 else 0)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    tiles = [corners + np.array([j, rows - 1 - i]) for i in range(rows) for j in range(cols)]
    flat = share.ravel()
    colours = _colours(flat)
    colours[:, 3] *= 0.45 * np.abs(np.clip(np.log2(np.where(flat > 0, flat, 1)), -REACH, REACH)) / REACH
    axes.add_collection(PolyCollection(tiles, facecolors=colours, edgecolors="none", gid="tint"), autolim=False)
    _holes(axes, [tile for tile, r in zip(tiles, flat, strict=True) if r == 0])
    dress(axes, "Decoded there, in the same colours", reading)
    axes.set_xticks([])
    axes.set_yticks([])


def _key(figure: Figure) -> None:
    scale = ScalarMappable(Normalize(-REACH, REACH), SCALE)
    bar = figure.colorbar(scale, ax=figure.axes, location="bottom", fraction=0.05, pad=0.03, aspect=45, shrink=0.6)
    ends = int(REACH)
    ticks = range(-ends, ends + 1)
    bar.set_ticks(list(ticks), labels=[f"1/{2**-t}" if t < 0 else str(2**t) for t in ticks])
    bar.ax.tick_params(labelsize=SMALL, colors=FAINT, labelcolor=INK)
    bar.set_label("codes in a cell, by its fair share; hatched: a hole, no code at all", fontsize=LABEL, color=INK)
    bar.outline.set_visible(False)
