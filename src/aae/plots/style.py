"""What all figures share: colours, sizes of text, checked input, and writing to a file."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from aae.errors import DataError
from aae.palette import PALETTE as PALETTE
from aae.palette import UNLABELLED as UNLABELLED
from aae.storage import make_folders, storing, write_atomic

Array = NDArray[Any]

INK = "#262626"
FAINT = "#6B6B6B"
TITLE, LABEL, SMALL = 11.0, 9.5, 8.5  # points


def class_colours(labels: ArrayLike) -> Array:
    """The RGBA colour of each label: class k has `PALETTE[k % 10]`, a negative label (unlabelled) is grey.

    From eleven classes on, classes that differ by a multiple of ten share a colour; the legends then list them
    together, so that a colour is never read as one class when it stands for several.

    Returns an array [n, 4] of values in 0 to 1.
    """
    labels = np.asarray(labels, dtype=np.int64)  # [n]
    table = to_rgba_array([*PALETTE, UNLABELLED])  # [11, 4]
    return table[np.where(labels < 0, len(PALETTE), labels % len(PALETTE))]


def class_handles(labels: Array, classes: Sequence[str] | None = None) -> list[Line2D]:
    """Legend entries for the classes among `labels`, one for each colour in use, in the order of the classes."""
    present = np.unique(labels).astype(int)
    handles = []
    for k in range(len(PALETTE)):
        members = [int(c) for c in present if c >= 0 and c % len(PALETTE) == k]
        if members:
            names = [classes[c] if classes is not None else str(c) for c in members]
            handles.append(_dot(PALETTE[k], _list(names)))
    if (present < 0).any():
        handles.append(_dot(UNLABELLED, "unlabelled"))
    return handles


def _list(names: list[str], limit: int = 24) -> str:
    """The names in one line of about `limit` characters, and how many there was no room for."""
    shown = names[:1]
    for name in names[1:]:
        if len(", ".join([*shown, name])) > limit:
            break
        shown.append(name)
    first = ", ".join(name if len(name) <= limit else name[: limit - 1] + "…" for name in shown)
    return first if len(shown) == len(names) else f"{first} + {len(names) - len(shown)} more"


def _dot(colour: str, label: str) -> Line2D:
    return Line2D([], [], linestyle="none", marker="o", markersize=6, color=colour, label=label)


def blank_figure(width: float, height: float) -> Figure:
    """A white figure of that many inches, whose parts are laid out so that none covers another."""
    padded = ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.09)  # inches
    return Figure(figsize=(width, height), layout=padded, facecolor="white")


def dress(axes: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Give an axes its title, the names of its axes, and the look that all figures share."""
    axes.set_facecolor("white")
    axes.set_title(title, fontsize=TITLE, color=INK)
    axes.set_xlabel(x, fontsize=LABEL, color=INK)
    axes.set_ylabel(y, fontsize=LABEL, color=INK)
    axes.tick_params(labelsize=SMALL, colors=FAINT, labelcolor=INK)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(FAINT)


def side_legend(figure: Figure, handles: Sequence[Any]) -> None:
    """Put a legend to the right of all axes, where it covers nothing."""
    if handles:
        figure.legend(handles=list(handles), loc="outside right upper", frameon=False, fontsize=LABEL, labelcolor=INK)


def below_legend(figure: Figure, handles: Sequence[Any]) -> None:
    """Put a legend below all axes, in one row or in as many as its longest label asks for."""
    if handles:
        beside = 5 * LABEL / 72  # inches: the handle, and what the legend leaves between it, its label and the next
        widest = beside + text_width(max((str(handle.get_label()) for handle in handles), key=len), LABEL)
        rows = -(-len(handles) // max(1, int(figure.get_figwidth() / widest)))
        figure.legend(
            handles=list(handles),
            loc="outside lower center",
            ncols=-(-len(handles) // rows),  # columns of one height
            frameon=False,
            fontsize=LABEL,
            labelcolor=INK,
        )


def outline_white(drawn: Artist, width: float = 2.5) -> None:
    """A white edge of `width` points around text or marks, so that they are seen on any colour."""
    drawn.set_path_effects([withStroke(linewidth=width, foreground="white")])


def text_width(text: str, size: float) -> float:
    """About how many inches a line of text takes, in points of the default font."""
    return 0.6 * size * len(text) / 72


def fit(text: str, size: float, inches: float) -> str:
    """The text, cut short with an ellipsis where it would take more than that many inches."""
    room = max(2, int(inches / text_width("x", size)))
    return text if len(text) <= room else text[: room - 1].rstrip() + "…"


def as_codes(codes: ArrayLike, name: str) -> Array:
    """`codes` as an array [n, latent] of finite floats; a DataError names the row that is not."""
    array = np.asarray(codes, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] == 0:
        raise DataError(
            f"{name} must have the shape [rows, latent], got {list(array.shape)}; reshape one code to [1, latent]."
        )
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if bad.size:
        raise DataError(
            f"{name}: row {bad[0]} is {array[bad[0]].tolist()} ({bad.size} of {len(array)} rows are not finite); "
            "leave such rows out, or look for the loss that became infinite in history.csv."
        )
    return array


def as_labels(labels: ArrayLike | None, rows: int, name: str, classes: Sequence[str] | None = None) -> Array:
    """`labels` as an array [rows] of integers, all -1 for None; a DataError for a wrong number or an unnamed class."""
    if labels is None:
        return np.full(rows, -1, dtype=np.int64)
    array = np.asarray(labels)
    if array.shape != (rows,):
        raise DataError(f"{name} must hold one label for each of {rows} rows, got shape {list(array.shape)}.")
    if array.size and not np.array_equal(array, array.astype(np.int64)):
        raise DataError(f"{name} must be whole numbers, with -1 for unlabelled rows, got {array.dtype} values.")
    if classes is not None and array.size and array.max() >= len(classes):
        raise DataError(
            f"{name}: row {int(array.argmax())} has label {int(array.max())}, but classes names only "
            f"{len(classes)}; name every class."
        )
    return array.astype(np.int64)


def as_rows(rows: ArrayLike, shape: Sequence[int], name: str) -> Array:
    """`rows`, whether flat or not, as an array [n, *shape] of floats; a DataError if they cannot be that."""
    array, shape = np.asarray(rows, dtype=np.float64), tuple(shape)
    if not 1 <= len(shape) <= 3 or min(shape) < 1:
        raise DataError(f"shape must be (d,), (h, w) or (c, h, w), got {shape}.")
    size = int(np.prod(shape))
    if array.ndim < 2 or int(np.prod(array.shape[1:])) != size:
        raise DataError(
            f"{name} must have the shape [rows, {', '.join(map(str, shape))}] or [rows, {size}], "
            f"got {list(array.shape)}."
        )
    return array.reshape(len(array), *shape)


def count(n: int, one: str, many: str | None = None) -> str:
    """`count(1437, "code")` is "1,437 codes"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def percent(share: float) -> str:
    """A share of 0 to 1 in words: "0 %" and "100 %" only where they are exact."""
    if not 0 <= share <= 1:
        raise DataError(f"a share must lie in 0 to 1, got {share}.")
    text = f"{100 * share:.0f}"
    if text in ("0", "100") and share not in (0, 1):
        return "under 1 %" if share < 0.5 else "over 99 %"
    return f"{text} %"


def to_png_bytes(figure: Figure, dpi: float = 150) -> bytes:
    """The figure as the content of a PNG file, with a white background, `dpi` dots per inch."""
    figure.draw_without_rendering()  # a layout is measured before its ticks are final: the second one is right
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    return buffer.getvalue()


def save(figure: Figure, path: str | Path, dpi: float = 150) -> Path:
    """Write the figure as a PNG file, whole or not at all, and return its path.

    Raises DataError for another ending than .png, and StorageError if the folder cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise DataError(f"{path}: figures are written as PNG; give the file a name that ends in .png.")
    return write(path, to_png_bytes(figure, dpi))


def write(path: Path, content: bytes) -> Path:
    """Write a file, whole or not at all, in a folder that is made if need be; StorageError if that fails."""
    with storing(path, len(content)):
        make_folders(path.parent)
        write_atomic(path, content)
    return path
