"""Fetching a data set's files into a folder, from whichever mirror has them whole."""

from __future__ import annotations

import hashlib
import http.client
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aae.data.files import PIECE, reading
from aae.errors import DataError
from aae.storage import make_folders, storing, write_atomic


@dataclass(frozen=True)
class Remote:
    """What a file must hold, after decompression."""

    size: int
    sha256: str


class _Unusable(Exception):
    """What a mirror sent cannot be used; the text says why."""


def fetch(
    folder: Path,
    files: Mapping[str, Remote],
    mirrors: Sequence[str],
    *,
    timeout: float = 20.0,
    rounds: int = 2,
    pause: float = 1.0,
) -> None:
    """Make `folder` hold every one of `files`, decompressed; what is there whole already is kept.

    A missing or damaged file NAME is read from MIRROR + NAME + ".gz", each mirror in turn, `rounds` times over
    with `pause` seconds between. It is held in memory until its size and SHA-256 are right and then written in
    one step, so a partial or wrong download never stays. `timeout` seconds without a byte give up a mirror.
    DataError if all fail, StorageError if the folder cannot be written.
    """
    missing = {name: file for name, file in files.items() if not _whole(folder / name, file)}
    if not missing:
        return
    with storing(folder, 0):
        make_folders(folder)
    with _progress() as advance:
        for name, file in missing.items():
            write_atomic(folder / name, _first(name, file, mirrors, timeout, rounds, pause, advance))


def _whole(path: Path, file: Remote) -> bool:
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    with reading(path), path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256


Advance = Callable[[str, int, int], None]
"""Called with a file's name, the bytes of it so far, and the bytes in all."""


def _first(
    name: str, file: Remote, mirrors: Sequence[str], timeout: float, rounds: int, pause: float, advance: Advance
) -> bytes:
    """The file from the first mirror that sends it right."""
    failures: dict[str, str] = {}
    for attempt in range(rounds):
        if attempt:
            time.sleep(pause)
        for mirror in mirrors:
            url = f"{mirror}{name}.gz"
            try:
                return _download(url, file, timeout, lambda done: advance(name, done, file.size))
            except _Unusable as error:
                failures[url] = str(error)
    reasons = "; ".join(f"{url}: {reason}" for url, reason in failures.items())
    raise DataError(
        f"could not download {name} ({reasons}). Check the connection, or get the data set's files by other means "
        "and name their folder with --data-dir DIR or the variable AAE_DATA_DIR"
    )


def _download(url: str, file: Remote, timeout: float, advance: Callable[[int], None]) -> bytes:
    """The decompressed file at `url`; never more than one byte beyond its size is held."""
    inflate, content = zlib.decompressobj(wbits=31), bytearray()  # 31: a gzip header around the stream
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:
            while not inflate.eof and (piece := response.read(PIECE)):
                content += inflate.decompress(piece, file.size + 1 - len(content))
                if len(content) > file.size:
                    raise _Unusable(f"sent more than the {file.size} bytes expected")
                advance(len(content))
    except (OSError, http.client.HTTPException, zlib.error) as error:
        raise _Unusable(str(error) or type(error).__name__) from None
    if not inflate.eof:
        raise _Unusable(f"was cut short after {len(content)} of {file.size} bytes")
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise _Unusable("sent other content than expected (wrong SHA-256)")
    return bytes(content)


@contextmanager
def _progress() -> Iterator[Advance]:
    """A bar for each file on standard error, where that is a terminal; else nothing is shown."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("downloading {task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        tasks = {}

        def advance(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total)
            progress.update(tasks[name], completed=done)

        yield advance
