"""Files that survive a crash: written whole or not at all, hashed, and checked before anything in them is used.

Two units. A *file* is replaced by `write_atomic`: temporary name in the same folder, flush, fsync, rename, fsync of
the folder. A *sealed folder* holds files plus MANIFEST.json, which gives the SHA-256 and the size of each;
`read_sealed` returns their bytes only when every one of them matches, so what is parsed is what was checked.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aae.errors import RunError, StorageError

MANIFEST = "MANIFEST.json"
TEMPORARY = ".tmp-"
"""How every name begins that a crash may leave behind; nothing ever reads such a file."""

FORMAT = 1
"""Version of the layout of run directories; a higher one comes from a newer program and is refused."""

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe in place of a file must not hang
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


def write_atomic(path: str | Path, data: bytes) -> None:
    """Replace the file at `path` by `data`: a crash at any moment leaves the old file or the new one, whole.

    Raises StorageError that names the path, the bytes needed and those free.
    """
    path = Path(path)
    temporary = path.with_name(f"{TEMPORARY}{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
    with storing(path, len(data)):
        try:
            _write_synced(temporary, data)
            temporary.replace(path)
        except BaseException:
            remove(temporary)
            raise
        sync_folder(path.parent)


def write_json(path: str | Path, value: Any) -> None:
    """`write_atomic` of `value` as indented JSON. Raises ValueError for NaN and infinity, which JSON lacks."""
    write_atomic(path, json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """`value` as indented UTF-8 JSON that ends in a newline; floats are written so that they read back the same."""
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make `folder` with these files in it, each of them and the folder flushed to the disk."""
    folder.mkdir()
    for name, data in files.items():
        _write_synced(folder / name, data)
    sync_folder(folder)


class FileInTheWay(StorageError):
    """There is a file where a folder has to be."""

    def __init__(self, file: Path) -> None:
        self.said = f"{file} is a file, where a folder is wanted; choose another"
        super().__init__(self.said)


def make_folders(path: Path) -> None:
    """Make `path` and its missing parents, each recorded on the disk in the folder above it.

    StorageError where a file is in the way, or a folder cannot be made.
    """
    if path.is_dir():
        return
    make_folders(path.parent)
    try:
        with storing(path):
            path.mkdir(exist_ok=True)  # a folder that another process has just made will do
    except StorageError:
        if path.exists():
            raise FileInTheWay(path) from None
        raise
    sync_folder(path.parent)


def remove(path: Path) -> None:
    """Remove a file or folder that nobody needs any more; one that will not go is left, since it does no harm."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


@contextlib.contextmanager
def storing(path: Path, size: int = 0) -> Iterator[None]:
    """Turn an OSError of the block into a StorageError about writing `size` bytes to `path`."""
    try:
        yield
    except FileInTheWay as error:  # told of a parent; what was to be written says more
        raise StorageError(f"cannot write {path}: {error.said}") from None
    except StorageError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            remedy = "free some space, or choose another folder"
        else:
            remedy = "choose a folder that can be written"
        raise StorageError(
            f"cannot write {path}: {reason} ({size:,} bytes needed, {_free(path)} free). "
            f"Nothing saved before is lost; {remedy} and try again."
        ) from error


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into a RunError about reading `path`; FileNotFoundError stays what it is."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error


def sync_folder(folder: Path) -> None:
    """Flush the names in `folder` to the disk, so that a rename before this call survives a loss of power."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network and shared folders cannot do it
            raise
    finally:
        os.close(handle)


def _write_synced(path: Path, data: bytes) -> None:
    handle = os.open(path, _WRITE, 0o666)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(handle, left) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _free(path: Path) -> str:
    try:
        folder = next(parent for parent in path.absolute().parents if parent.is_dir())
        return f"{shutil.disk_usage(folder).free:,}"
    except OSError:
        return "an unknown number"


def read_plain(path: Path, size: int | None = None) -> bytes:
    """The bytes of a plain file (not a link, folder or pipe) that is `size` bytes long, if a size is given.

    Raises FileNotFoundError, or RunError that says what stands there instead.
    """
    if path.is_symlink():
        raise RunError(f"{path} is a symbolic link, not a plain file")
    with reading(path):
        handle = os.open(path, _READ)
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise RunError(f"{path} is not a plain file")
            if size is not None and found.st_size != size:
                raise RunError(f"{path} is damaged: {found.st_size:,} bytes, expected {size:,}")
            with os.fdopen(handle, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(handle)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def seal(kind: str, files: Mapping[str, bytes], **facts: Any) -> bytes:
    """The bytes of a MANIFEST.json: what the folder is, `facts` about it, and the hash and size of each file."""
    listed = {name: {"sha256": sha256(data), "bytes": len(data)} for name, data in files.items()}
    return json_bytes({"kind": kind, "format": FORMAT, **facts, "files": listed})


def read_manifest(folder: Path, kind: str, names: tuple[str, ...], **facts: Any) -> dict[str, dict[str, Any]]:
    """The entries {name: {"sha256", "bytes"}} of a folder's manifest, which must list exactly `names`.

    Raises RunError for a manifest that is missing, altered, of another kind, or contradicts `facts`.
    """
    path = folder / MANIFEST
    if folder.is_symlink() or not folder.is_dir():
        raise RunError(f"{folder} is not a folder")
    try:
        data = read_plain(path)
    except FileNotFoundError:
        raise RunError(f"{path} is missing") from None
    try:
        found = json.loads(data)
        canonical = isinstance(found, dict) and json_bytes(found) == data
    except (ValueError, RecursionError):
        canonical = False
    # Only the exact bytes that `seal` writes are accepted: an altered blank is damage too.
    if not canonical:
        raise RunError(f"{path} is damaged: it is not as it was written")
    if found.get("kind") == kind and isinstance(found.get("format"), int) and found["format"] > FORMAT:
        raise RunError(f"{path} has format {found['format']}, this program knows up to {FORMAT}; update aae")
    expected = {"kind": kind, "format": FORMAT, **facts}
    for key, value in expected.items():
        if found.get(key) != value:
            raise RunError(f"{path} belongs elsewhere or is damaged: {key} {found.get(key)!r}, expected {value!r}")
    entries = found.get("files")
    # An exact list of names also shuts out names that lead out of the folder, such as ../../other.
    if set(found) != {*expected, "files"} or not isinstance(entries, dict) or list(entries) != list(names):
        raise RunError(f"{path} is damaged: it does not list exactly {', '.join(names)}")
    if not all(isinstance(e, dict) and isinstance(e.get("bytes"), int) and "sha256" in e for e in entries.values()):
        raise RunError(f"{path} is damaged: a file without its hash and size")
    return entries


def read_sealed(folder: Path, kind: str, names: tuple[str, ...], **facts: Any) -> dict[str, bytes]:
    """The bytes of every file of a sealed folder, each of them checked; RunError names the first that is wrong."""
    files = {}
    for name, entry in read_manifest(folder, kind, names, **facts).items():
        try:
            files[name] = read_plain(folder / name, entry["bytes"])
        except FileNotFoundError:
            raise RunError(f"{folder / name} is missing") from None
        if sha256(files[name]) != entry["sha256"]:
            raise RunError(f"{folder / name} is damaged: its SHA-256 differs from the one in {MANIFEST}")
    return files
