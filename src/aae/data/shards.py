"""Tar shards in the layout of WebDataset: files of one name, but for what follows its first dot, are one sample.

    000001.png 000001.cls   000002.png 000002.cls ...     an image (or a .npy array) and its class

Two passes, each from one end of every shard to the other: sizes and labels first, then the rows. Many rows go to the
cache (`aae.data.spool`) as they are read, so memory is bounded by a block of them. Nothing is unpacked to the disk but
that, no link is followed, and the size of a member is looked at before it is read.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import math
import os
import tarfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aae.data.arrays import MAPPED_FROM, header_of, read_member
from aae.data.images import CHANNELS, ENDINGS, header, pixels
from aae.data.spool import AT_ONCE, kept_at, key_of, spool, stored
from aae.errors import DataError

Array = NDArray[Any]
ENDING = ".tar"
MOST_MEMBER = 256 << 20
"""Bytes that one member may have; more is refused before a byte of it is read."""
MOST_LABEL = 1 << 20
LABELS = ("label", "class", "cls", "y", "target")
"""Keys of a .json member under which a label is looked for."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample: the kind (ending) and the bytes of its content, its label or empty text, and where it lies."""

    where: str
    kind: str
    content: bytes
    label: str


@dataclass(frozen=True)
class Form:
    """What every row is: an image of a mode and a size (wide, high), or an array of a type and a shape."""

    mode: str
    size: tuple[int, ...]

    def row(self) -> tuple[int, ...]:
        """The shape of a row as it is stored, channels first."""
        if self.mode not in CHANNELS:
            return self.size
        wide, high = self.size
        return (high, wide) if self.mode == "L" else (CHANNELS[self.mode], high, wide)

    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8 if self.mode in CHANNELS else self.mode)


def shards_of(path: Path) -> list[Path]:
    """The shards of a folder, by name, or the one shard that the path is."""
    return sorted(p for p in path.glob(f"*{ENDING}") if p.name[0] not in "._") if path.is_dir() else [path]


def read_shards(path: Path, image_size: int | None, key: str | None) -> tuple[Array, Array | None, tuple[str, ...]]:
    """Rows [n, ...] (images as [n, h, w] or [n, h, w, c]), labels or None, and what was done.

    Images are cut and resized as in a folder (`aae.data.images.read_folder`). key: of the label in a .json member;
    None: one of LABELS. A .cls member goes before. DataError names the shard and the member.
    """
    shards = shards_of(path)
    form, labels = _survey(shards, image_size, key)
    n, row, dtype = len(labels), form.row(), form.dtype()
    size = n * math.prod(row) * dtype.itemsize
    blocks = _rows(shards, form, key)
    said = f"{n} samples from {len(shards)} shard{'s' * (len(shards) != 1)} of {path}"
    if size < MAPPED_FROM:
        x = np.concatenate(list(blocks))
    else:
        kept = kept_at(key_of(shards, "shards", form))
        said += f", unpacked to {kept} ({size / 2**30:.1f} GiB)"
        x = spool(blocks, kept, size)
    if len(row) == 3 and form.mode in CHANNELS:
        x = np.moveaxis(x, 1, -1)  # as images are known, and as a view: rows are laid out with channels first
    return x, np.array(labels) if any(labels) else None, (said,)


def _survey(shards: Sequence[Path], image_size: int | None, key: str | None) -> tuple[Form, list[str]]:
    """What all rows have in common, and the label of each."""
    labels: list[str] = []
    found: dict[Form, str] = {}
    for sample in itertools.chain.from_iterable(_samples(shard, key) for shard in shards):
        labels.append(sample.label)
        found.setdefault(_form(sample), sample.where)
    if not found:
        raise DataError(f"--data {shards[0].parent}: its shards hold no samples")
    forms = list(found)
    if all(form.mode in CHANNELS for form in forms):
        mode = max((form.mode for form in forms), key=lambda m: CHANNELS[m])
        sizes = {form.size: place for form, place in found.items()}
        if image_size is not None:
            return Form(mode, (image_size, image_size)), labels
        if len(sizes) == 1:
            return Form(mode, forms[0].size), labels
        (a, first), (b, other) = itertools.islice(sizes.items(), 2)
        a_, b_ = ("x".join(map(str, size)) for size in (a, b))
        raise DataError(f"{other}: is {b_} pixels, {first} is {a_}; set --image-size to bring all to one size")
    if len(forms) > 1:
        (one, at), (two, there) = itertools.islice(found.items(), 2)
        raise DataError(f"{there}: is {_words(two)}, {at} is {_words(one)}; every sample has to be of one kind")
    return forms[0], labels


def _words(form: Form) -> str:
    kind = "an image" if form.mode in CHANNELS else f"an array of {form.mode}"
    return f"{kind} of {'x'.join(map(str, form.size)) or 'one number'}"


def _form(sample: Sample) -> Form:
    if sample.kind == ".npy":
        dtype, shape = header_of(io.BytesIO(sample.content), len(sample.content), sample.where)
        if dtype.kind not in "biuf":
            raise DataError(f"{sample.where}: holds values of type {dtype}; expected numbers")
        return Form(stored(dtype).name, shape)
    return Form(*header(io.BytesIO(sample.content), sample.where))


def _rows(shards: Sequence[Path], form: Form, key: str | None) -> Iterator[Array]:
    """The rows of every sample in order, about AT_ONCE bytes at a time."""
    dtype, row = form.dtype(), form.row()
    many = max(1, AT_ONCE // (math.prod(row) * dtype.itemsize))

    def one(sample: Sample) -> Array:
        if sample.kind == ".npy":
            with np.errstate(over="ignore"):  # found as infinite, with its place
                return read_member(io.BytesIO(sample.content), len(sample.content), sample.where).astype(dtype)
        made = pixels(io.BytesIO(sample.content), sample.where, form.mode, (form.size[0], form.size[1]))
        return np.moveaxis(made, -1, 0) if made.ndim == 3 else made

    samples = itertools.chain.from_iterable(_samples(shard, key) for shard in shards)
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        while True:
            out, at = np.empty((many, *row), dtype), 0
            while some := list(itertools.islice(samples, min(many - at, 256))):  # whose bytes are held meanwhile
                for made in pool.map(one, some):
                    out[at] = made
                    at += 1
            if not at:
                return
            yield out[:at]


def _samples(shard: Path, key: str | None) -> Iterator[Sample]:
    """The samples of a shard, in order. DataError for one without content, or with two."""
    for (folder, base), members in itertools.groupby(_members(shard), lambda found: found[0]):
        where = f"{shard}: {folder}{base}"
        content: tuple[str, bytes] | None = None
        label = said = ""
        for _, ending, data in members:
            last = f".{ending.rpartition('.')[2]}"
            if last in (*ENDINGS, ".npy"):
                if content is not None:
                    raise DataError(f"{where}: has two contents, {content[0]} and .{ending}; keep one in each sample")
                content = (last, data)
            elif last == ".cls":
                label = _text(data, f"{where}.{ending}")
            elif last == ".json":
                said = _from_json(data, key, f"{where}.{ending}")
        if content is None:
            raise DataError(f"{where}: holds no image and no .npy array; expected {', '.join((*ENDINGS, '.npy'))}")
        yield Sample(f"{where}{content[0]}", *content, label or said)


def _members(shard: Path) -> Iterator[tuple[tuple[str, str], str, bytes]]:
    """Folder and name up to the first dot, ending, and bytes of each file in a shard that has a use here."""
    wanted = (*ENDINGS, ".npy", ".cls", ".json")
    with _opened(shard) as tar:
        for member in tar:
            tar.members = []  # type: ignore[attr-defined]  # which would otherwise grow with the shard
            folder, name = os.path.split(member.name)
            base, _, ending = name.partition(".")
            if member.isdir() or name.startswith(".") or not ending.lower().endswith(tuple(w[1:] for w in wanted)):
                continue
            most = MOST_LABEL if ending.lower().endswith(("cls", "json")) else MOST_MEMBER
            if not member.isreg() or member.issparse():
                raise DataError(f"{shard}: {member.name} is a link or no plain file; write the file itself")
            if member.size > most:
                raise DataError(
                    f"{shard}: {member.name} declares {member.size:,} bytes, more than {most:,}; make it smaller"
                )
            file = tar.extractfile(member)
            data = file.read() if file is not None else b""
            if len(data) < member.size:
                raise tarfile.ReadError(f"{member.name} ends after {len(data)} of {member.size} bytes")
            yield (f"{folder}/" if folder else "", base), ending.lower(), data


@contextlib.contextmanager
def _opened(shard: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(shard, "r:") as tar:
            yield tar
    except FileNotFoundError:
        raise DataError(f"{shard}: no such file") from None
    except DataError:
        raise
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise DataError(
            f"{shard}: is damaged, cut short or compressed ({error}); get it again, as plain .tar"
        ) from None


def _text(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: is no UTF-8 text ({error})") from None


def _from_json(data: bytes, key: str | None, where: str) -> str:
    """The label in a .json member, or empty text."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: is no JSON ({error})") from None
    fields = found if isinstance(found, dict) else {"label": found}
    value = next((fields[name] for name in ((key,) if key else LABELS) if name in fields), None)
    if value is not None and not isinstance(value, str | int):
        raise DataError(f"{where}: the label is {str(value)[:40]!r}; expected a whole number or text")
    return "" if value is None else str(value)
