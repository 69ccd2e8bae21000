"""Folders of images: one class to a sub-folder, or a labels.csv, or no labels; read once, then kept in the cache.

photos/cat/1.png, photos/dog/2.jpg         classes by the sub-folder
photos/train/cat/..., photos/test/cat/...  the same, with test rows of their own
photos/1.png, ..., photos/labels.csv       a column with the files' names and one with their classes
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aae.data.arrays import read_npy
from aae.data.csvs import read_csv
from aae.data.files import expand, reading
from aae.errors import AAEError, DataError

Array = NDArray[Any]

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
MOST_PIXELS = 64_000_000
"""Pixels that one image may declare; more is refused before a byte of them is decoded."""
MOST_BYTES = 32 << 30
"""Bytes that all images together may take in memory."""
CACHED_FROM = 1000
"""Folders of fewer images are read again each time."""
CHANNELS = {"L": 1, "RGB": 3, "RGBA": 4}
SPLIT_NAMES = ("train", "test")
OTHER_PARTS = ("val", "valid", "validation", "dev")
"""Further parts that data is often laid out in; they are no names of classes beside `train`."""


@dataclass(frozen=True, eq=False)
class Images:
    """Images of one size [n, h, w] or [n, h, w, c] in bytes, with what the folder says about them."""

    x: NDArray[np.uint8]
    labels: Array | None
    own_test: int
    notes: tuple[str, ...]


def read_folder(folder: Path, size: int | None) -> Images:
    """Every image in a folder, cut to the middle square and resized to `size` x `size`, if that is given.

    Grey if all are grey, with opacity if any has it, else in colour. DataError names a file that is damaged, of another
    size than the first (without `size`), or declares more than 64 million pixels; and a folder without images.
    """
    files = _listed(folder)
    names, own_test = _ordered(folder, files)
    labels = _labels(folder, names)
    key = _key(folder, names, size)
    kept = expand(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "aae" / "images" / f"{key}.npy"
    said = f"{len(names)} images from {folder}"
    if kept.is_file():
        try:
            return Images(read_npy(kept).astype(np.uint8, copy=False), labels, own_test, (f"{said}, from the cache",))
        except AAEError:
            kept.unlink(missing_ok=True)  # damaged: made again
    x = decoded([_opener(folder / name) for name in names], [str(folder / name) for name in names], size)
    if len(names) >= CACHED_FROM:
        _keep(kept, x)
    return Images(x, labels, own_test, (said,))


def _listed(folder: Path) -> list[str]:
    """The images below a folder, by their paths from it, sorted."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inner = Path(place).relative_to(folder)
        found += [(inner / f).as_posix() for f in files if f.lower().endswith(ENDINGS) and not f.startswith(".")]
    if not found:
        raise DataError(
            f"--data {folder}: is a folder without images ({', '.join(ENDINGS)}); a folder of MNIST files goes to "
            "--data-dir"
        )
    return sorted(found)


def _ordered(folder: Path, files: list[str]) -> tuple[list[str], int]:
    """The files, test rows last if the folder has train and test parts, and the number of test rows."""
    tops = {name.split("/")[0] for name in files if "/" in name}
    if "train" in tops and tops & {*OTHER_PARTS} and tops <= {*SPLIT_NAMES, *OTHER_PARTS}:
        extra = min(tops & {*OTHER_PARTS})
        raise DataError(
            f"--data {folder}: its folders {', '.join(sorted(tops))} are parts of the data, and not classes; move the "
            f"images of {extra} to train (data.validation sets rows aside), or name the classes in labels.csv"
        )
    if tops == set(SPLIT_NAMES) and all("/" in name for name in files):
        test = [name for name in files if name.startswith("test/")]
        return [name for name in files if name.startswith("train/")] + test, len(test)
    return files, 0


def _labels(folder: Path, names: list[str]) -> Array | None:
    if (folder / "labels.csv").is_file():
        return _from_csv(folder / "labels.csv", names)
    split = all(name.split("/")[0] in SPLIT_NAMES for name in names)
    parts = [name.split("/")[1 if split else 0 : -1] for name in names]
    if not any(parts):
        return None
    if not all(parts):
        bare = names[[bool(part) for part in parts].index(False)]
        raise DataError(
            f"--data {folder}: {bare} lies beside sub-folders with images; put every image into the sub-folder of its "
            "class, or name the classes in labels.csv"
        )
    return np.array([part[0] for part in parts])


def _from_csv(path: Path, names: list[str]) -> Array:
    """The label of each file, by a table with the columns file and label (or its first two)."""
    table = read_csv(path)[0]
    if len(table.names) < 2:
        raise DataError(f"{path}: needs two columns, file and label")
    lower = {name.lower(): name for name in table.names}
    file = next((lower[n] for n in ("file", "filename", "image", "path") if n in lower), table.names[0])
    label = next((lower[n] for n in ("label", "class", "y", "target") if n in lower), table.names[1])
    labels, line = table.columns[label].labels(), dict[str, int]()
    for i, name in enumerate(table.columns[file].values.astype(str).tolist()):
        if str(labels[line.setdefault(name, i)]) != str(labels[i]):
            one, other = labels[line[name]], labels[i]
            raise DataError(f"{path}: {name} is {one} in one line and {other} in another; keep one of them")
    absent = [name for name in names if name not in line]
    if absent:
        raise DataError(f"{path}: has no line for {absent[0]}; every image needs one (empty if it has no label)")
    return labels[[line[name] for name in names]]


def _key(folder: Path, names: list[str], size: int | None) -> str:
    """Changes with any file's name, length, or time of change, and with the size asked for."""
    digest = hashlib.sha256(f"1 {folder.resolve()} {size}\n".encode())
    for name in names:
        with reading(folder / name):  # such as a link to nowhere
            status = (folder / name).stat()
        digest.update(f"{name}\0{status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def _keep(path: Path, x: Array) -> None:
    """Into the cache, whole or not at all; a cache that cannot be written is no error."""
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            np.save(file, x)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)


def _opener(path: Path) -> Callable[[], Any]:
    return lambda: path


def decoded(sources: Sequence[Callable[[], Any]], names: Sequence[str], size: int | None) -> NDArray[np.uint8]:
    """Images from paths or open files to one array of bytes: [n, h, w] if all are grey, else [n, h, w, 3 or 4]."""
    shapes = [header(source(), name) for source, name in zip(sources, names, strict=True)]
    mode = max((mode for mode, _ in shapes), key=lambda m: CHANNELS[m])
    sizes = {shape for _, shape in shapes}
    if size is None and len(sizes) > 1:
        other = next(i for i, (_, shape) in enumerate(shapes) if shape != shapes[0][1])
        a, b = ("x".join(map(str, shapes[i][1])) for i in (0, other))
        raise DataError(f"{names[other]}: is {b} pixels, {names[0]} is {a}; set --image-size to bring all to one size")
    wide, high = (size, size) if size is not None else shapes[0][1]
    whole = (len(sources), high, wide) if mode == "L" else (len(sources), high, wide, CHANNELS[mode])
    if np.prod(whole, dtype=object) > MOST_BYTES:
        raise DataError(
            f"{len(sources)} images of {wide}x{high} take {np.prod(whole, dtype=object) / 2**30:.0f} GiB; "
            "set a smaller --image-size"
        )
    out = np.empty(whole, np.uint8)

    def fill(i: int) -> None:
        out[i] = pixels(sources[i](), names[i], mode, (wide, high))

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for _ in pool.map(fill, range(len(sources)), chunksize=64):
            pass
    return out


def _open(source: Any, name: str) -> Any:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of bombs, which are refused below, and of odd metadata
            image = Image.open(source, formats=FORMATS)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise DataError(
            f"{name}: is not a whole image of a known kind ({_line(error)}); mend it or take it out"
        ) from None
    if image.mode == "F" or (image.mode == "I" and image.format == "TIFF"):
        image.close()
        raise DataError(
            f"{name}: holds {'fractions' if image.mode == 'F' else 'numbers of 32 bits'}, and which are black and "
            "white is not known; save it with 8 or 16 bits, or all images in one .npy file"
        )
    if image.width * image.height > MOST_PIXELS:
        raise DataError(
            f"{name}: declares {image.width}x{image.height} pixels, more than {MOST_PIXELS:,}; "
            "make it smaller or take it out"
        )
    return image


def header(source: Any, name: str) -> tuple[str, tuple[int, int]]:
    """The mode that keeps all of an image, and its size, from its header alone."""
    with _open(source, name) as image:
        alpha = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
        grey = image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;16")
        return "RGBA" if alpha else "L" if grey else "RGB", image.size


def pixels(source: Any, name: str, mode: str, size: tuple[int, int]) -> Array:
    from PIL import ImageOps

    with _open(source, name) as image:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if image.size != size:
                    image.draft(mode, (2 * size[0], 2 * size[1]))  # a JPEG is decoded no larger than is needed
                ready = _eight_bits(image).convert(mode)
                return np.asarray(ready if ready.size == size else ImageOps.fit(ready, size))
        except (OSError, ValueError, SyntaxError, EOFError, MemoryError, IndexError) as error:
            raise DataError(f"{name}: is damaged or cut short ({_line(error)}); mend it or take it out") from None


def _eight_bits(image: Any) -> Any:
    """16-bit grey values by their upper byte; everything else as it is."""
    from PIL import Image

    if image.mode == "I" or image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))
    return image


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
