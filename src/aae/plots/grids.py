"""Rows of data as pictures in a grid: decoded along the prior, sampled, or beside their reconstructions.

Images are tiled into one array of pixels; vectors become filled profiles, all of a grid in one collection.
"""

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import ArrayLike
from PIL import Image

from aae.errors import DataError
from aae.plots.style import (
    FAINT,
    INK,
    PALETTE,
    SMALL,
    TITLE,
    UNLABELLED,
    Array,
    as_rows,
    below_legend,
    blank_figure,
    count,
    dress,
    fit,
    to_png_bytes,
)

Limit = float | ArrayLike | None
"""One end of the range of values shown: a number, for vectors also one for each column; None takes it from the data."""

MARGIN = 0.1  # free border of a vector's cell, as a share of the cell
VECTOR_CELL = (0.75, 1.0)  # its height and width, where the longer side of an image is 1
FADED = 0.25  # what is left of a tile whose code lies outside the prior; the rest is background
PICTURE = 640  # the longer side of a sample picture, in pixels, is enlarged to at most this


def manifold(
    images: ArrayLike,
    shape: Sequence[int],
    axes_values: tuple[ArrayLike, ArrayLike] | None = None,
    vmin: Limit = None,
    vmax: Limit = None,
    outside: ArrayLike | None = None,
) -> Figure:
    """What the decoder makes of a grid of codes laid over the prior.

    `images` [rows, cols, *shape], where row 0 is the top one and has the highest second coordinate;
    `axes_values` is (the first coordinate of each column [cols], the second coordinate of each row [rows]).
    `vmin` and `vmax` bound the values shown, see `samples`. `outside` [rows, cols] says which codes lie outside the
    prior: they are faded, and a note says so; where all of them do, the note alone says it.

    Raises DataError if the arrays do not fit together.
    """
    array, shape = np.asarray(images, dtype=np.float64), tuple(shape)
    if array.ndim < 3 or 0 in array.shape[:2]:
        raise DataError(f"images must have the shape [rows, cols, *{shape}], got {list(array.shape)}.")
    rows, cols = array.shape[:2]
    cells = as_rows(array.reshape(rows * cols, -1), shape, "images").reshape(rows, cols, *shape)

    height, width = cell_size(shape)
    unit = min(6.6 / max(rows * height, cols * width), 2.0)  # inches
    figure = blank_figure(max(4.4, 1.0 + unit * cols * width), max(1.7, 1.1 + unit * rows * height))
    axes = figure.add_subplot()
    off = np.zeros((rows, cols), dtype=bool) if outside is None else np.asarray(outside, dtype=bool)
    if off.shape != (rows, cols):
        raise DataError(f"outside must say of each of {rows} x {cols} codes whether it is, got {list(off.shape)}.")
    note = "" if not off.any() else "faded: codes outside the prior"
    if off.all():
        off, note = ~off, "all of these codes lie outside the prior"
    # Small pictures that fill their frame run into one another without a line between them.
    gap = 1 if len(shape) > 1 and max(shape[-2:]) < 16 else 0
    reading = draw_grid(axes, cells, vmin, vmax, gap, off)
    title = f"Decoded from a grid of {rows} × {cols} codes along the prior" + (f"\n{note}" if note else "")
    dress(axes, title, "\n".join(filter(None, ["code dimension 1", reading])), "code dimension 2")
    if axes_values is None:
        axes.set_xticks([])
        axes.set_yticks([])
        return figure
    first, second = (np.asarray(v, dtype=np.float64).ravel() for v in axes_values)
    if (len(second), len(first)) != (rows, cols):
        raise DataError(
            f"axes_values must hold {cols} values for the columns and {rows} for the rows, "
            f"got {len(first)} and {len(second)}."
        )
    across, down = _spread(cols, 7), _spread(rows, 7)
    axes.set_xticks(across + 0.5, [_number(first[i]) for i in across])
    axes.set_yticks(rows - down - 0.5, [_number(second[i]) for i in down])
    return figure


def samples(rows: ArrayLike, shape: Sequence[int], vmin: Limit = None, vmax: Limit = None) -> Figure:
    """Random samples in a grid that is about square, filled row by row.

    `rows` [n, *shape] or flat, with shape (h, w), (c, h, w) or (d,). Images: values from `vmin` (black) to `vmax`
    (white), the extremes of what is drawn if None; three channels are red, green and blue, any other number of
    them is averaged to grey. Vectors: a profile of d steps, one for each column from left to right, from `vmin` at
    the bottom to `vmax` at the top of its cell; if None, each column has its own range over the rows drawn, since
    the columns of a table need not share a unit (a single row has one range for all). Values beyond the limits are
    drawn at the limit.

    Raises DataError if the rows do not have that shape or there are none.
    """
    array, shape = _some_rows(rows, shape, "rows"), tuple(shape)
    height, width = cell_size(shape)
    cells = _in_grid(array, height / width)
    unit = min(6.4 / max(cells.shape[0] * height, cells.shape[1] * width), 1.6)  # inches
    least = 3.0 if len(shape) > 1 else 4.6  # room for the note below profiles
    figure = blank_figure(max(least, 0.2 + unit * cells.shape[1] * width), 0.7 + unit * cells.shape[0] * height)
    axes = figure.add_subplot()
    reading = draw_grid(axes, cells, vmin, vmax, gap=1)
    dress(axes, count(len(array), "random sample"))
    _bare(axes, reading)
    return figure


def reconstructions(
    originals: ArrayLike,
    decoded: ArrayLike,
    shape: Sequence[int],
    labels: Sequence[object] | Array | None = None,
    vmin: Limit = None,
    vmax: Limit = None,
) -> Figure:
    """Originals with their reconstructions: images in pairs one above the other, vectors laid over one another.

    `originals` and `decoded` [n, *shape] or flat; `labels` [n], numbers or names, are written beside each row, and
    -1 is left out. `vmin` and `vmax` as in `samples`, where None is the range of the originals for
    images, and of both for vectors.

    Raises DataError if the arrays do not fit together.
    """
    before, after = _some_rows(originals, shape, "originals"), _some_rows(decoded, shape, "decoded")
    if len(before) != len(after):
        raise DataError(f"{len(before)} originals but {len(after)} reconstructions; decode every original once.")
    if labels is not None and len(labels) != len(before):
        raise DataError(f"{len(labels)} labels for {len(before)} originals; give one for each.")
    names = ["" if str(label) == "-1" else str(label) for label in labels] if labels is not None else []
    vectors = len(shape) == 1
    # The originals say what black and white are; a profile must hold both, or errors would be cut off at its top.
    shown = np.concatenate([before, after]) if vectors else before
    # A single pair has one range for all columns: a column's own range would be nothing but its error.
    shown = shown.reshape(1, -1) if len(before) == 1 else shown
    low, high = _limits(shown, vectors, vmin, vmax)
    if vectors:
        return _overlaid(before, after, low, high, names, _reading(before.shape[1], len(before), vmin, vmax))
    return _paired(before, after, low, high, names)


def sample_picture(rows: ArrayLike, shape: Sequence[int], vmin: Limit = None, vmax: Limit = None) -> Image.Image:
    """Rows as one tight RGB picture without text, to be saved as a file; `rows`, `vmin` and `vmax` as in `samples`.

    Images are enlarged by a whole factor, so that every pixel keeps its value. Vectors are drawn as the figure
    that `samples` returns. Raises DataError as `samples` does.
    """
    if len(shape) == 1:
        return Image.open(io.BytesIO(to_png_bytes(samples(rows, shape, vmin, vmax)))).convert("RGB")
    array = _some_rows(rows, shape, "rows")
    low, high = _limits(array, False, vmin, vmax)
    pixels = tile(_in_grid(array, shape[-2] / shape[-1]), low, high, gap=1)
    factor = max(1, PICTURE // max(pixels.shape[:2]))
    return Image.fromarray(pixels.repeat(factor, axis=0).repeat(factor, axis=1))


def draw_grid(axes: Axes, cells: Array, vmin: Limit, vmax: Limit, gap: int = 0, faded: Array | None = None) -> str:
    """Draw `cells` [rows, cols, *shape], where cell (i, j) covers x in [j, j + 1] and y in [rows - 1 - i, rows - i].

    Returns how to read the cells, or an empty text for images. Cells that are NaN stay white; of those that are
    `faded` [rows, cols] a quarter is left.
    """
    rows, cols, *shape = cells.shape
    flat = cells.reshape(rows * cols, *shape)
    low, high = _limits(flat, len(shape) == 1, vmin, vmax)
    pale = np.zeros((rows, cols), dtype=bool) if faded is None else faded
    if len(shape) == 1:
        for chosen, alpha in ((~pale, 1.0), (pale, FADED)):
            if chosen.any():
                shown = np.where(chosen.reshape(-1, 1), flat, np.nan)
                style: dict[str, Any] = {"facecolors": PALETTE[2], "edgecolors": PALETTE[0], "alpha": alpha}
                axes.add_collection(_profiles(shown, cols, low, high, **style))
        axes.set_xlim(0, cols)
        axes.set_ylim(0, rows)
        axes.set_aspect(VECTOR_CELL[0] / VECTOR_CELL[1])
        return _reading(shape[0], len(flat), vmin, vmax)
    axes.imshow(tile(cells, low, high, gap, pale), extent=(0, cols, 0, rows), aspect=shape[-2] / shape[-1])
    return ""


def tile(cells: Array, low: Array, high: Array, gap: int = 0, faded: Array | None = None) -> Array:
    """Images [rows, cols, (c,) h, w] as one picture [rows * h, cols * w, 3] of bytes, with `gap` white pixels between.

    `low` becomes 0 and `high` 255; where they are equal, all is black. NaN is white. Of those that are `faded` [rows,
    cols] a quarter is left, over white.
    """
    if cells.ndim == 5:  # channels last, and grey unless they are red, green, blue
        cells = np.moveaxis(cells, 2, -1)
        cells = cells if cells.shape[-1] == 3 else cells.mean(axis=-1, keepdims=True)
    else:
        cells = cells[..., None]  # [rows, cols, h, w, 1]
    rows, cols, h, w, _ = cells.shape
    span = float(high - low)
    shades = np.rint(np.clip((cells - low) / (span if span > 0 else 1.0), 0, 1) * 255)
    if faded is not None:
        shades = np.where(faded[:, :, None, None, None], np.rint(255 - FADED * (255 - shades)), shades)
    canvas = np.full((rows, h + gap, cols, w + gap, 3), 255, dtype=np.uint8)
    canvas[:, :h, :, :w] = np.nan_to_num(shades, nan=255).astype(np.uint8).transpose(0, 2, 1, 3, 4)
    picture = canvas.reshape(rows * (h + gap), cols * (w + gap), 3)
    return picture[: len(picture) - gap, : picture.shape[1] - gap]


def _profiles(
    flat: Array, cols: int, low: Array, high: Array, height: float = 1 - 2 * MARGIN, **style: Any
) -> PolyCollection:
    """Vectors [n, d] as filled steps, each in its cell of a grid with `cols` columns; one collection for all."""
    n, d = flat.shape
    cells = np.flatnonzero(np.isfinite(flat).all(axis=1))
    span = np.where(high > low, high - low, 1.0)
    scaled = np.where(high > low, np.clip((flat[cells] - low) / span, 0, 1), 0.5)
    steps = np.pad(scaled.repeat(2, axis=1), ((0, 0), (1, 1)))  # [cells, 2 d + 2]: down to the floor at both ends
    edges = np.linspace(MARGIN, 1 - MARGIN, d + 1).repeat(2)  # [2 d + 2]
    x = cells[:, None] % cols + edges
    y = -(-n // cols) - 1 - cells[:, None] // cols + MARGIN + height * steps
    return PolyCollection(list(np.stack([x, y], axis=-1)), linewidths=0.7, **style)


def _overlaid(before: Array, after: Array, low: Array, high: Array, names: list[str], reading: str) -> Figure:
    n = len(before)
    cols = _columns_for(n, 0.5)
    rows = -(-n // cols)
    unit = min(8.0 / cols, 2.6)  # inches that a cell is wide
    height = 0.7 if names else 1 - 2 * MARGIN
    figure = blank_figure(max(4.8, 0.2 + unit * cols), 1.3 + 0.5 * unit * rows)
    axes = figure.add_subplot()
    axes.add_collection(_profiles(before, cols, low, high, height, facecolors=UNLABELLED, edgecolors="none"))
    axes.add_collection(_profiles(after, cols, low, high, height, facecolors="none", edgecolors=PALETTE[1]))
    for i, name in enumerate(names):
        axes.text(
            i % cols + MARGIN,
            rows - i // cols - 0.01,
            fit(name, SMALL, 0.9 * unit),
            fontsize=SMALL,
            color=INK,
            va="top",
        )
    axes.set_xlim(0, cols)
    axes.set_ylim(0, rows)
    axes.set_aspect(0.5)
    dress(axes, f"{count(n, 'original')} and {_their(n)}")
    _bare(axes, reading)
    outlined = Patch(edgecolor=PALETTE[1], facecolor="none", label="reconstruction")
    below_legend(figure, [Patch(color=UNLABELLED, label="original"), outlined])
    return figure


def _paired(before: Array, after: Array, low: Array, high: Array, names: list[str]) -> Figure:
    n = len(before)
    cols = min(n, 10)
    blocks = -(-n // cols)
    h, w = before.shape[-2:]
    unit = min(7.0 / cols, 1.4)  # inches that one image is wide
    strip = 0.4 if names else 0.2
    figure = blank_figure(max(4.2, 0.9 + unit * cols), 0.6 + blocks * (2 * unit * h / w + strip))
    for block in range(blocks):
        part = slice(block * cols, (block + 1) * cols)
        axes = figure.add_subplot(blocks, 1, block + 1)
        pair = np.stack([_padded(before[part], cols), _padded(after[part], cols)])  # [2, cols, *shape]
        axes.imshow(tile(pair, low, high, gap=1), extent=(0, cols, 0, 2), aspect=h / w)
        dress(axes)
        _bare(axes)
        axes.set_yticks([1.5, 0.5], ["original", "decoded"])
        axes.set_xticks(np.arange(len(names[part])) + 0.5, [fit(name, SMALL, unit) for name in names[part]])
        axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    figure.suptitle(f"{count(n, 'original')} above {_their(n)}", fontsize=TITLE, color=INK)
    return figure


def _limits(rows: Array, by_column: bool, vmin: Limit, vmax: Limit) -> tuple[Array, Array]:
    """The range of values shown, where none was given for each column of several vectors."""
    finite = np.where(np.isfinite(rows), rows, np.nan)
    if (vmin is None or vmax is None) and np.isnan(finite).all():
        raise DataError("none of the values to be drawn is finite, so there is nothing to see.")
    axis = 0 if by_column and len(rows) > 1 else None
    # Rows that are not finite are not drawn at all; fmin and fmax pass over NaN without a warning.
    low = np.fmin.reduce(finite, axis=axis) if vmin is None else np.asarray(vmin, dtype=np.float64)
    high = np.fmax.reduce(finite, axis=axis) if vmax is None else np.asarray(vmax, dtype=np.float64)
    return np.asarray(low), np.asarray(high)


def _some_rows(rows: ArrayLike, shape: Sequence[int], name: str) -> Array:
    array = as_rows(rows, shape, name)
    if not len(array):
        raise DataError(f"{name} is empty; give one row or more.")
    return array


def cell_size(shape: Sequence[int]) -> tuple[float, float]:
    """Height and width of one cell; the longer side of an image is 1."""
    if len(shape) == 1:
        return VECTOR_CELL
    h, w = shape[-2:]
    return h / max(h, w), w / max(h, w)


def _columns_for(n: int, ratio: float) -> int:
    """Columns that make a grid of n cells, each `ratio` times as high as wide, about square."""
    return max(1, min(n, math.ceil(math.sqrt(n * ratio))))


def _padded(rows: Array, n: int) -> Array:
    return np.concatenate([rows, np.full((n - len(rows), *rows.shape[1:]), np.nan)])


def _in_grid(rows: Array, ratio: float) -> Array:
    """Rows [n, *shape] as cells [lines, cols, *shape], the last ones NaN where n does not fill the grid."""
    cols = _columns_for(len(rows), ratio)
    lines = -(-len(rows) // cols)
    return _padded(rows, lines * cols).reshape(lines, cols, *rows.shape[1:])


def _spread(n: int, most: int) -> Array:
    """At most `most` of the indices of n cells, equally far apart and centred."""
    step = -(-n // most)
    return np.arange((n - 1) % step // 2, n, step)


def _number(value: float) -> str:
    text = f"{value:.2f}" if abs(value) < 100 else f"{value:.3g}"
    return text.replace("-", "−")  # the minus sign of matplotlib's own ticks


def _their(n: int) -> str:
    return "its reconstruction" if n == 1 else "their reconstructions"


def _reading(columns: int, rows: int, vmin: Limit, vmax: Limit) -> str:
    """How to read a profile."""
    if vmin is not None and vmax is not None:
        span = "on the range given"
    else:
        span = "each on its own range" if rows > 1 else "all on one range"
    return f"Each profile: {count(columns, 'column')} from left to right, {span}"


def _bare(axes: Axes, note: str = "") -> None:
    """Take away the frame and the ticks; leave the title, and a note below."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_xlabel(note, fontsize=SMALL, color=FAINT)
