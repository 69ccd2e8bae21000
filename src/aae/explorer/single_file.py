"""The explorer as one file: page, points, decoder and as much else as fits, for a mail attachment or a shelf.

Nothing in it needs a network. The decoder's weights are stored in 16 bits; everything is one packed, compressed block.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aae.columns import Places
from aae.data import Dataset
from aae.data.table_scaling import DAY
from aae.errors import ConfigError
from aae.explorer.assemble import assemble
from aae.explorer.networks import Written, halved, quantised, write
from aae.explorer.pack import pack
from aae.explorer.scene import Scene, figures_of
from aae.inference import Run
from aae.storage import write_atomic

Array = np.ndarray
POINTS = 20_000
"""Most points in a file."""
BUDGET = 8_000_000
"""Bytes that a page keeps under by leaving out what it can do without: some mail servers refuse more."""
FIRST_ORIGINALS = 1000
"""Rows whose data a page keeps before it keeps anything else that is not needed."""
PRIOR = 10_000


@dataclass
class _Page:
    """The parts of the file, and an account of their size."""

    meta: dict[str, Any]
    arrays: dict[str, Array] = field(default_factory=dict)
    used: int = 0

    def add(self, arrays: dict[str, Array], text: str = "") -> None:
        self.arrays |= arrays
        self.used += _size(arrays) + len(text)

    def fits(self, arrays: dict[str, Array], text: str = "") -> bool:
        return self.used + _size(arrays) + len(text) <= BUDGET


def _size(arrays: dict[str, Array]) -> int:
    """Bytes that arrays take in the page: compressed, then written as text."""
    return len(gzip.compress(pack(arrays), 6)) * 4 // 3 + 4 if arrays else 0


def export(run: Run, path: Path, data: Dataset, points: int = POINTS) -> str:
    """Write the page to `path` and return what it holds, in a line.

    The decoder and the points are always there. As far as `BUDGET` allows, in this order: the data behind the first
    thousand points, the encoder (in 8 bits where 16 do not fit), the report's figures, the data behind more points.
    Raises ConfigError for a decoder that a page cannot run, StorageError where nothing can be written.
    """
    if points < 1:
        raise ConfigError(f"--points must be 1 or more, got {points}")
    scene = Scene(run, data, most=points)
    scene.refresh()
    page = _Page(scene.meta() | {"file": True, "live": False, "report": False, "figures": [], "pictures": []})
    page.used = len(assemble("", {}, "")[0].encode()) + 20_000  # and the settings, the history and the like
    _needed(page, scene)
    _originals(page, scene, FIRST_ORIGINALS)
    _encoder(page, scene)
    _figures(page, run)
    _originals(page, scene, len(scene.rows))
    page.meta["said"] = _said(page, len(figures_of(run.path)))
    payload = base64.b64encode(gzip.compress(pack(page.arrays), 9)).decode()
    text, _ = assemble(page.meta["title"], page.meta, payload)
    write_atomic(path, text.encode())
    return f"{len(text.encode()) / 1e6:.1f} MB: {page.meta['shown']:,} points. {page.meta['said']}"


def _needed(page: _Page, scene: Scene) -> None:
    run = scene.run
    decoder = run.model.get_submodule("decoder")
    sigmoid = bool(getattr(decoder, "sigmoid", False))
    whole = decoder if run.spec.columns else run.model.decode  # of a table the page makes values of the output
    more = run.model.beside - scene.beside

    def network(rows: Tensor) -> Tensor:
        return whole(torch.nn.functional.pad(rows, (0, more)))  # conditions at their mean

    written = write("decoder", decoder.get_submodule("body"), network, run.latent + scene.beside, sigmoid=sigmoid)
    page.meta |= {"decoder": written.layers, "table": _table(run)}
    spec, points = run.spec, scene.points()
    points |= {"prior": points["prior"][:PRIOR].astype(np.float16)}
    points |= {"offset": np.array(spec.offset, np.float32), "scale": np.array(spec.scale, np.float32)}
    for i, _ in enumerate(scene.columns()):
        points[f"column{i}"] = scene.column(i).astype(np.float32)
    page.add(halved(written.arrays) | points)


def _table(run: Run) -> list[dict[str, Any]] | None:
    """Where the features of each column stand, as front/networks.js reads it; None for rows of plain numbers."""
    columns = run.spec.columns
    places = Places.of(columns)
    return [
        {
            "kind": column.kind,
            "first": places.first[i],
            "width": column.width,
            "limits": [column.minimum, column.maximum],
            "step": DAY if column.dtype == "datetime64[D]" else 1 if column.kind == "integer" else 0,
            "flag": places.flags + places.flagged.index(i) if i in places.flagged else -1,
            "features": places.features,
        }
        for i, column in enumerate(columns)
    ] or None


def _encoder(page: _Page, scene: Scene) -> None:
    run = scene.run
    try:
        body = run.model.get_submodule("encoder").get_submodule("body")
        skip = scene.beside if scene.finds else 0  # an encoder that finds the class gives it before the style
        written = write("encoder", body, run.model.encode, run.spec.features, sigmoid=False, skip=skip)
    except (AttributeError, ConfigError):  # then the page has no card for rows of your own; everything else works
        return
    half = Written(written.layers, halved(written.arrays))
    for choice, note in ((half, ""), (quantised(written), "Its encoder is rounded to 8 bits. ")):
        if page.fits(choice.arrays):
            page.add(choice.arrays)
            page.meta |= {"encoder": choice.layers, "encoder_note": note, "style_at": skip}
            return


def _figures(page: _Page, run: Run) -> None:
    for title, file in figures_of(run.path):
        kind = "gif" if file.suffix == ".gif" else "png"
        text = f"data:image/{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"
        if page.fits({}, text):
            page.add({}, text)
            page.meta["figures"].append(title)
            page.meta["pictures"].append(text)


def _originals(page: _Page, scene: Scene, most: int) -> None:
    """Keep the data behind the first points: as many of `most` as fit."""
    page.meta.setdefault("originals", 0)
    page.used -= _size({"originals": page.arrays["originals"]}) if "originals" in page.arrays else 0
    for count in _halving(min(most, len(scene.rows)), page.meta["originals"]):
        arrays = {"originals": _stored(scene.originals(np.arange(count)))}
        if page.fits(arrays):
            page.add(arrays)
            page.meta["originals"] = count
            return
    page.used += _size({"originals": page.arrays["originals"]}) if "originals" in page.arrays else 0


def _halving(most: int, least: int) -> Iterator[int]:
    """Counts to try, from `most` down to more than `least`, in steps of a fifth."""
    count = most
    while count > least:
        yield count
        count = int(count * 0.8)


def _stored(rows: Array) -> Array:
    """Whole numbers of a byte as bytes, others as they are: in 32 bits, of a table in 64."""
    whole = rows.astype(np.uint8) if ((rows >= 0) & (rows <= 255)).all() else None
    return whole if whole is not None and (whole == rows).all() else rows


def _said(page: _Page, drawn: int) -> str:
    kept = page.meta["originals"]
    data = "the data behind all of them" if kept == page.meta["shown"] else f"the data behind {kept:,} of them"
    encoder = page.meta.get("encoder_note", "It has no encoder, so it cannot give a row of your own its code. ")
    missing = drawn - len(page.meta["figures"])
    figures = f"There was no room for {missing} of the report's {drawn} figures." if missing else ""
    return f"This file holds {data}. {encoder}{figures}".strip()
