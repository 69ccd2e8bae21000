"""NumPy's files, read strictly: .npy holds one array, .npz (a zip) holds named ones.

Not `np.load`: it allocates whatever a header declares before looking at the file, and it can unpickle.
Format: NumPy enhancement proposal 1, "A simple file format for NumPy arrays".
"""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from aae.data.files import reading, take
from aae.data.streaming import map_file
from aae.errors import DataError

Array = NDArray[Any]

DATA_KEYS = ("x", "X", "data", "images", "samples", "arr_0")
LABEL_KEYS = ("y", "labels", "targets")
FREE_SIZE = 64 << 20
"""Bytes that a compressed array may expand to without question."""
FREE_RATIO = 200
"""How much a larger one may shrink by compression; images and tables stay far below."""
MAPPED_FROM = 256 << 20
"""Bytes from which a .npy file is mapped into memory."""
LONGEST_HEADER = 10_000
MOST_AXES = 8

_MAGIC = b"\x93NUMPY"
_ITEM = r"""['"](\w+)['"]\s*:\s*(?:['"]([^'"]*)['"]|(True|False)|\(([\d\s,]*)\))"""
_HEADER = re.compile(rf"\s*\{{\s*{_ITEM}\s*,\s*{_ITEM}\s*,\s*{_ITEM}\s*,?\s*\}}\s*", re.ASCII)


def read_npy(path: Path) -> Array:
    """The array in a .npy file; DataError if it is damaged, pickled, or larger than the file.

    A file from MAPPED_FROM bytes on is mapped into memory, not read: its pages come when they are first used, and
    nothing that is written to the array reaches the file.
    """
    with reading(path), path.open("rb") as file:
        size = path.stat().st_size
        if size < MAPPED_FROM:
            return _read_array(file, size, str(path))
        dtype, fortran, shape, at = _header(file, size, str(path))
        try:
            return map_file(file, dtype, at, shape, "F" if fortran else "C")
        except OSError:
            raise DataError(f"{path}: needs {size / 2**30:.1f} GiB of memory, more than there is") from None


def read_npz(path: Path) -> tuple[Array, Array | None]:
    """The one data array (a name of DATA_KEYS) and the labels, if any (LABEL_KEYS), in a .npz file.

    DataError if no array or more than one could be meant, or if the file is damaged or a decompression bomb.
    """
    try:
        with reading(path), zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if m.filename.endswith(".npy")]
            data = _member(members, DATA_KEYS, path)
            labels = _member(members, LABEL_KEYS, path)
            if data is None:
                keys = ", ".join(m.filename[:-4] for m in members) or "no arrays"
                raise DataError(
                    f"{path}: holds {keys}; expected one named {', '.join(DATA_KEYS)}. "
                    "Save it again with np.savez(file, x=..., y=...)"
                )
            return _unzip(archive, data, path), None if labels is None else _unzip(archive, labels, path)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is not a whole .npz file ({error}); save it again with np.savez") from None


def npz_names(path: Path) -> list[str]:
    """The names of the arrays in a .npz file; none if it is not one."""
    try:
        with reading(path), zipfile.ZipFile(path) as archive:
            return [name[:-4] for name in archive.namelist() if name.endswith(".npy")]
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError):
        return []


def npz_parts(path: Path, names: Iterable[str]) -> dict[str, Array]:
    """The named arrays of a .npz file; DataError as for `read_npz`."""
    try:
        with reading(path), zipfile.ZipFile(path) as archive:
            return {name: _unzip(archive, archive.getinfo(f"{name}.npy"), path) for name in names}
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is not a whole .npz file ({error}); save it again") from None


def _member(members: list[zipfile.ZipInfo], keys: tuple[str, ...], path: Path) -> zipfile.ZipInfo | None:
    found = [m for m in members if m.filename[:-4] in keys]
    if len(found) > 1:
        names = ", ".join(m.filename[:-4] for m in found)
        raise DataError(f"{path}: holds {names}, any of which could be meant; keep one of them")
    return found[0] if found else None


def header_of(stream: IO[bytes], size: int, where: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Type and shape of an array in .npy form that fills `size` bytes; DataError if it would not."""
    dtype, _, shape, _ = _header(stream, size, where)
    return dtype, shape


def read_member(stream: IO[bytes], size: int, where: str) -> Array:
    """The array in .npy form that fills the `size` bytes of `stream`; DataError as for `read_npy`."""
    return _read_array(stream, size, where)


def _unzip(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> Array:
    where = f"{path}: array {member.filename[:-4]}"
    if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{where} is encrypted or compressed in a way that NumPy does not write")
    packed = min(member.compress_size, path.stat().st_size)
    if member.file_size > max(FREE_SIZE, packed * FREE_RATIO):
        raise DataError(
            f"{where} claims to expand from {packed} to {member.file_size} bytes, more than {FREE_RATIO} times; "
            "if that is really so, save it with np.savez (not compressed)"
        )
    with archive.open(member) as stream:
        return _read_array(stream, member.file_size, where)


def _read_array(stream: IO[bytes], size: int, where: str) -> Array:
    """One array in .npy form that fills the `size` bytes of `stream`."""
    dtype, fortran, shape, _ = _header(stream, size, where)
    flat = take(stream, math.prod(shape) * dtype.itemsize, where).view(dtype)
    return flat.reshape(shape, order="F" if fortran else "C")


def _header(stream: IO[bytes], size: int, where: str) -> tuple[np.dtype[Any], bool, tuple[int, ...], int]:
    """Type, order of the axes, shape, and first byte of the values of an array in .npy form."""
    start = stream.read(8)
    if start[:6] != _MAGIC:
        raise DataError(f"{where}: is not in NumPy's .npy format; write it with np.save or np.savez")
    width = {b"\1\0": 2, b"\2\0": 4}.get(start[6:8])
    if width is None:
        raise DataError(f"{where}: is in a version of the .npy format used for tables with named columns only")
    length = int.from_bytes(stream.read(width), "little")
    if length > LONGEST_HEADER:
        raise DataError(f"{where}: has a header of {length} bytes; expected at most {LONGEST_HEADER}")
    dtype, fortran, shape = _parse(stream.read(length).decode("latin-1"), where)
    declared, held = math.prod(shape) * dtype.itemsize, size - 8 - width - length
    if declared != held:
        raise DataError(
            f"{where}: its header declares {'x'.join(map(str, shape))} values of {dtype}, {declared} bytes, "
            f"but {max(held, 0)} follow; it is damaged or cut short, get it again"
        )
    return dtype, fortran, shape, 8 + width + length


def _parse(header: str, where: str) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    """Type, order of the axes, and shape that a .npy header declares.

    A regular expression, because evaluating the header as Python (even as literals) has more ways to fail.
    """
    match = _HEADER.fullmatch(header)
    groups = match.groups() if match else ()
    values = {groups[i]: groups[i + 1 : i + 4] for i in range(0, len(groups), 4)}
    descr, order, sizes = (
        values.get(key, (None, None, None))[i] for i, key in enumerate(("descr", "fortran_order", "shape"))
    )
    if descr is None or order is None or sizes is None:
        raise DataError(
            f"{where}: its header was not understood; expected a plain array of numbers (or text, for labels), "
            "not one with named columns"
        )
    return _dtype(descr, where), order == "True", _shape(sizes, where)


def _dtype(descr: str, where: str) -> np.dtype[Any]:
    if "O" in descr:
        raise DataError(
            f"{where}: holds pickled Python objects, which could run code when read; "
            "convert it first, such as with .astype(float) or .astype(str)"
        )
    known = re.fullmatch(r"[<>|=]?(b1|[iu][1248]|f(2|4|8|12|16)|[SU][1-9]\d{0,5})", descr, re.ASCII)
    try:
        dtype = np.dtype(descr) if known else None
    except TypeError:  # a long double of another machine
        dtype = None
    if dtype is None:
        raise DataError(f"{where}: holds values of type {descr[:40]!r}; expected numbers (or text, for labels)")
    return dtype


def _shape(sizes: str, where: str) -> tuple[int, ...]:
    parts = [part.strip() for part in sizes.split(",") if part.strip()]
    if len(parts) > MOST_AXES or any(not part.isdigit() or len(part) > 18 for part in parts):
        raise DataError(f"{where}: its header declares an impossible shape, ({sizes.strip()[:60]})")
    shape = tuple(map(int, parts))
    if 0 in shape:
        raise DataError(f"{where}: is empty: its shape is {shape}")
    return shape
