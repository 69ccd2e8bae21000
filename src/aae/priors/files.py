"""Shapes from files: pictures, point clouds and mixtures, and the text in which they travel with a run.

What was read is small, so it goes into `prior.content`, beside the other settings: a run that was trained on a picture
can be loaded, resumed and trained again when the picture has gone.
"""

from __future__ import annotations

import base64
import binascii
import json
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from aae.errors import ConfigError, DataError
from aae.priors.checked import numbers
from aae.priors.clouds import cloud
from aae.priors.gaussians import Mixture
from aae.priors.reach import in_reach
from aae.priors.sheets import read_sheet
from aae.serialize import arrays_bytes, read_arrays

Array = np.ndarray
Arrays = dict[str, Array]

SIDE = 128
"""Most pixels along the longer side of a picture; a larger one is averaged down."""
FAINTEST = 0.02
"""Ink below this share of the darkest pixel counts as none: what compression leaves on blank paper."""
MOST_NUMBERS = 200_000
"""Most numbers in a point cloud that travels with a run: about 1 MB in config.json."""
MOST_BYTES = 64 * 2**20
"""Most bytes that packed content may grow to."""

Ink = Literal["dark", "bright"]
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
CLOUDS = (".npy", ".npz", ".csv")
MIXTURES = (".json", ".npz")


def read_picture(path: str | Path, ink: Ink = "dark") -> Array:
    """The ink of each pixel of a picture, uint8 [h, w]: 255 where it is blackest, or whitest with `ink` bright.

    Transparent parts count as white paper. A picture of more than 128 pixels is averaged down. DataError for a file
    that is no picture, or has no ink at all; ConfigError for another kind of ink.
    """
    if ink not in get_args(Ink):
        raise ConfigError(f"ink must be {' or '.join(get_args(Ink))}, got {ink!r}")
    from PIL import Image, UnidentifiedImageError

    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                layered = opened.convert("RGBA")
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read as a picture: {_reason(error)}") from None
    except Image.DecompressionBombWarning as error:
        raise DataError(f"{path} is too large a picture: {error}") from None
    paper = Image.new("RGBA", layered.size, "white")
    grey = Image.alpha_composite(paper, layered).convert("L")
    grey.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    light = np.asarray(grey, dtype=np.float64)
    density = 255 - light if ink == "dark" else light
    if density.max() == 0:
        paper_is = "white" if ink == "dark" else "black"
        raise DataError(f"{path} is all {paper_is}: there is no ink to draw samples from; see prior.ink")
    density[density < FAINTEST * density.max()] = 0
    return density.round().astype(np.uint8)


def read_points(path: str | Path) -> Arrays:
    """`points` float32 [n, latent] and, where the file has them, `labels` int64 [n].

    .npy: the points. .npz: arrays `points` and `labels`. .csv: numbers, a row for each point, under one line of
    names or none, between commas, semicolons or tabs; a column called `label` holds the labels. DataError names the
    file, and the row that is wrong.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in CLOUDS:
        raise DataError(f"{path}: expected a point cloud as {_or(CLOUDS)}")
    found, lines = read_sheet(path, _text(path)) if suffix == ".csv" else (_numpy(path), [])
    if "points" not in found:
        raise DataError(f"{path} has no array `points`; it has {', '.join(found) or 'none'}")
    points, labels = found["points"], found.get("labels")
    if points.dtype.kind not in "iuf" or points.ndim not in (1, 2):
        raise DataError(f"{path}: points must be numbers [n, latent], got {points.dtype} {list(points.shape)}")
    if points.size > MOST_NUMBERS:
        raise DataError(
            f"{path} holds {points.size:,} numbers; up to {MOST_NUMBERS:,} travel with a run. Keep a random part of it."
        )
    if labels is not None and labels.dtype.kind not in "iu":
        raise DataError(f"{path}: labels must be whole numbers, got {labels.dtype}")
    if lines:
        _, classes = cloud(points, labels, str(path), lambda row, column: f"line {lines[row]}, number {column + 1}")
    else:
        _, classes = cloud(points, labels, str(path))
    kept = {"points": np.ascontiguousarray(points, dtype=np.float32)}
    return kept if labels is None else kept | {"labels": classes}


def read_mixture(path: str | Path) -> Arrays:
    """`means` [k, d], `covariances` [k, d, d] or [d, d] and, where given, `weights` [k], from .json or .npz.

    DataError names the file and what is wrong in it.
    """
    path = Path(path)
    if path.suffix.lower() not in MIXTURES:
        raise DataError(f"{path}: expected a mixture as {_or(MIXTURES)}")
    found: Any = _numpy(path) if path.suffix.lower() == ".npz" else _json(path)
    names = {"means", "covariances"}
    if not isinstance(found, dict) or not names <= set(found) <= names | {"weights"}:
        held = ", ".join(map(str, found)) or "nothing" if isinstance(found, dict) else f"a {type(found).__name__}"
        raise DataError(
            f"{path}: expected `means` [k, d], `covariances` [k, d, d] and perhaps `weights` [k], found {held}"
        )
    arrays = {name: numbers(value, f"{path}: {name}").astype(np.float64) for name, value in found.items()}
    try:
        made = Mixture(arrays["means"], arrays["covariances"], arrays.get("weights"))
    except ConfigError as error:
        raise DataError(f"{path}: {error}") from None
    in_reach(made, str(path), DataError, "scale the means and the covariances")
    return arrays


def is_mixture(path: Path) -> bool:
    """Whether a file that may hold points or a mixture holds a mixture."""
    return path.suffix.lower() == ".json" or (path.suffix.lower() == ".npz" and "means" in _numpy(path))


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as a mixture: {_reason(error)}") from None


def _or(endings: tuple[str, ...]) -> str:
    return f"{', '.join(endings[:-1])} or {endings[-1]}"


def _reason(error: Exception) -> str:
    """What went wrong; of a file that the system does not give, its words without number and name."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _numpy(path: Path) -> Arrays:
    try:
        loaded: Any = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"points": loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read: {_reason(error)}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {_reason(error)}") from None


def pack(name: str, arrays: Arrays) -> str:
    """Arrays as one line of text, `NAME:BASE64`; the same arrays give the same text."""
    return f"{name.replace(':', '_')}:{base64.b64encode(zlib.compress(arrays_bytes(arrays), 9)).decode()}"


def unpack(content: str) -> tuple[str, Arrays]:
    """The name and the arrays of `pack`. ConfigError for text that it did not write."""
    name, _, text = content.partition(":")
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(base64.b64decode(text, validate=True), MOST_BYTES)
        if not inflate.eof:
            raise ValueError("it is cut off, or too large")
        return name, read_arrays(data)
    except (binascii.Error, zlib.error, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ConfigError(f"prior.content is damaged ({error}); give the file again as prior.file") from None
