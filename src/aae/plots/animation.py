"""The latent space through training, as an animated GIF."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import ArrayLike
from PIL import Image

from aae.errors import DataError
from aae.plots.latent import Outline, draw_outline, draw_plane, plane, polygons
from aae.plots.style import (
    INK,
    PALETTE,
    TITLE,
    UNLABELLED,
    Array,
    as_codes,
    as_labels,
    blank_figure,
    class_colours,
    class_handles,
    side_legend,
    write,
)

SIZE, DPI = (5.4, 4.6), 100
FRAME_MS, LAST_MS = 130, 2500


def animation(
    frames: Sequence[ArrayLike] | Array,
    epochs: Sequence[int] | Array,
    labels: ArrayLike | None = None,
    outline: Outline | None = None,
    path: str | Path = "training.gif",
    classes: Sequence[str] | None = None,
    seed: int = 0,
) -> Path:
    """Write the codes of the same rows after each of several epochs as a GIF that repeats; returns its path.

    `frames` [frames, n, latent], of which the first two dimensions are drawn; `epochs` [frames]; `labels` [n], -1
    for unlabelled. The axes stand still: they hold the last frame, the outline, and the middle 95 % of all the
    codes, and the title counts the codes that lie out of view. The last frame stays longest.

    1,500 codes make about 15 kB a frame. Raises DataError if the arrays do not fit together and StorageError if
    the file cannot be written.
    """
    clouds = [as_codes(frame, f"frame {i}") for i, frame in enumerate(frames)]
    if not clouds or len({cloud.shape for cloud in clouds}) > 1 or len(clouds) != len(epochs):
        raise DataError(
            "an animation needs one frame or more, the same codes in each, and as many epochs; got "
            f"{len(clouds)} frames of the shapes {sorted({cloud.shape for cloud in clouds})} and {len(epochs)} epochs."
        )
    latent = clouds[0].shape[1]
    ids = as_labels(labels, len(clouds[0]), "labels", classes)
    # The same random heights and order in every frame, or one-dimensional codes would flicker.
    points = np.stack([plane(cloud, np.random.default_rng(seed)) for cloud in clouds])  # [frames, n, 2]
    order = np.random.default_rng(seed).permutation(points.shape[1])
    shapes = polygons(outline, latent)

    figure, dots, title = _stage(points, ids, order, shapes, latent, classes)
    pictures = _indexed(_paint(figure, dots, title, points[:, order], epochs))
    buffer = io.BytesIO()
    pictures[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=[FRAME_MS] * (len(pictures) - 1) + [LAST_MS],
        loop=0,
        optimize=True,
    )
    return write(Path(path), buffer.getvalue())


def _stage(
    points: Array, ids: Array, order: Array, shapes: list[Array], latent: int, classes: Sequence[str] | None
) -> tuple[Figure, PathCollection, Text]:
    """The figure with all that stands still, and the two artists that change."""
    figure = blank_figure(*SIZE)
    figure.set_dpi(DPI)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    middle = np.quantile(points.reshape(-1, 2), [0.025, 0.975], axis=0)
    draw_plane(axes, " ", [points[-1], middle, *shapes], latent)
    draw_outline(axes, shapes)
    labelled = bool((ids >= 0).any())
    colours = class_colours(ids[order]) if labelled else PALETTE[0]
    x, y = points[-1][order].T
    dots = axes.scatter(x, y, c=colours, s=7, linewidths=0)
    if labelled:
        side_legend(figure, class_handles(ids, classes))
    figure.draw_without_rendering()  # settles the layout
    figure.set_layout_engine("none")
    title = axes.title
    title.set_fontsize(TITLE)
    for artist in (dots, title):
        artist.set_animated(True)
    return figure, dots, title


def _paint(
    figure: Figure, dots: PathCollection, title: Text, points: Array, epochs: Sequence[int] | Array
) -> Iterator[Image.Image]:
    """A picture for each frame: the background is drawn once, then only the codes and the title change."""
    canvas, axes = figure.canvas, dots.axes
    assert isinstance(canvas, FigureCanvasAgg)
    assert axes is not None
    canvas.draw()
    background = canvas.copy_from_bbox(figure.bbox)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    for cloud, epoch in zip(points, epochs, strict=True):
        inside = (cloud >= [left, bottom]).all(axis=1) & (cloud <= [right, top]).all(axis=1)
        away = f": {(~inside).sum():,} of {len(cloud):,} codes out of view" if not inside.all() else ""
        canvas.restore_region(background)
        dots.set_offsets(cloud)
        title.set_text(f"Epoch {epoch}{away}")
        axes.draw_artist(dots)
        axes.draw_artist(title)
        yield Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def _indexed(pictures: Iterator[Image.Image]) -> list[Image.Image]:
    """The pictures in a palette for all of them: white, greys, and each colour at three strengths for soft edges."""
    colours = to_rgba_array([*PALETTE, UNLABELLED, INK])[:, :3]  # [12, 3]
    strengths = np.array([1.0, 2 / 3, 1 / 3])[:, None, None]
    shades = np.concatenate([np.ones((1, 3)), (1 - strengths * (1 - colours)).reshape(-1, 3)])
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.rint(255 * shades).astype(np.uint8).tobytes())
    return [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
