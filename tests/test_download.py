"""Downloads from a server on this machine: mirrors that fail in every way, and a folder that stays clean."""

from __future__ import annotations

import gzip
import hashlib
import random
import threading
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from aae.data import mnist
from aae.data.download import Remote, fetch
from aae.errors import DataError

CONTENT = {name: random.Random(name).randbytes(size) for name, size in (("images", 10_240), ("labels", 300))}
FILES = {name: Remote(len(data), hashlib.sha256(data).hexdigest()) for name, data in CONTENT.items()}
BOMB = gzip.compress(bytes(50_000_000), 1)
ASKED: list[str] = []


class Handler(BaseHTTPRequestHandler):
    """/KIND/NAME.gz: the file as a mirror of that kind sends it."""

    def do_GET(self) -> None:
        ASKED.append(self.path)
        _, kind, name = self.path.split("/")
        content = CONTENT[name.removesuffix(".gz")]
        whole = gzip.compress(content)
        body = {
            "good": whole,
            "truncated": whole[: len(whole) // 2],
            "dropped": whole[: len(whole) // 2],
            "corrupt": whole[:40] + bytes([whole[40] ^ 1]) + whole[41:],
            "other": gzip.compress(bytes(len(content))),
            "short": gzip.compress(content[:-1]),
            "bomb": BOMB,
            "page": b"<html>sign in to the hotel's network</html>",
            "empty": b"",
        }.get(kind)
        if kind == "slow":
            RELEASE.wait(5)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(whole) if kind == "dropped" else len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


RELEASE = threading.Event()
BAD = ["missing", "truncated", "dropped", "corrupt", "other", "short", "bomb", "page", "empty"]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/"
        RELEASE.set()
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    ASKED.clear()


def held(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else {}


def test_good_mirror(server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "cache"
    fetch(folder, FILES, [server + "good/"])
    assert held(folder) == CONTENT
    assert ASKED == ["/good/images.gz", "/good/labels.gz"]
    assert capsys.readouterr() == ("", "")  # no bar where there is no terminal
    fetch(folder, FILES, [server + "good/"])
    assert len(ASKED) == 2  # nothing is fetched twice


@pytest.mark.parametrize("kind", BAD)
def test_bad_first_mirror_good_second(server: str, tmp_path: Path, kind: str) -> None:
    fetch(tmp_path, FILES, [f"{server}{kind}/", server + "good/"], pause=0)
    assert held(tmp_path) == CONTENT


@pytest.mark.parametrize("kind", BAD)
def test_all_mirrors_bad(server: str, tmp_path: Path, kind: str) -> None:
    with pytest.raises(DataError, match=r"could not download images .*--data-dir DIR or the variable AAE_DATA_DIR"):
        fetch(tmp_path, FILES, [f"{server}{kind}/", server + "missing/"], pause=0)
    assert held(tmp_path) == {}
    assert len(ASKED) == 4  # two mirrors, two rounds


def test_reasons_are_told(server: str, tmp_path: Path) -> None:
    kinds = {"missing": "404", "truncated": "cut short", "other": "SHA-256", "bomb": "more than the 10240 bytes"}
    with pytest.raises(DataError) as caught:
        fetch(tmp_path, FILES, [f"{server}{kind}/" for kind in kinds], pause=0)
    for kind, reason in kinds.items():
        assert f"/{kind}/images.gz: " in str(caught.value)
        assert reason in str(caught.value)


def test_bomb_is_not_expanded(server: str, tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="more than the 10240 bytes"):
            fetch(tmp_path, FILES, [server + "bomb/"], rounds=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 << 20


def test_silent_and_absent_servers(server: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"timed out.*refused"):
        fetch(tmp_path, FILES, [server + "slow/", "http://127.0.0.1:1/"], timeout=0.1, rounds=1)
    assert held(tmp_path) == {}


@pytest.mark.parametrize("damage", [b"", b"x", bytes(FILES["images"].size)])
def test_damaged_file_in_the_cache_is_fetched_again(server: str, tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "images").write_bytes(damage)
    (tmp_path / "labels").write_bytes(CONTENT["labels"])
    fetch(tmp_path, FILES, [server + "good/"])
    assert held(tmp_path) == CONTENT
    assert ASKED == ["/good/images.gz"]


def test_mnist_downloads_into_the_cache_and_says_what_it_tried(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("AAE_DATA_DIR", "/nowhere")
    monkeypatch.setattr(mnist, "FILES", FILES)
    found = mnist.locate(None, [server + "good/"])
    assert found == [tmp_path / "aae" / "mnist" / name for name in FILES]
    assert [path.read_bytes() for path in found] == list(CONTENT.values())
    found[0].unlink()
    monkeypatch.setattr("aae.data.download.time.sleep", lambda _: None)
    with pytest.raises(DataError, match=r"could not download images .*AAE_DATA_DIR was tried first: /nowhere"):
        mnist.locate(None, [server + "missing/"])


def test_mirrors_and_checksums_of_mnist() -> None:
    assert len(mnist.MIRRORS) >= 2
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in mnist.MIRRORS)
    sizes = [16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000]
    assert [file.size for file in mnist.FILES.values()] == sizes
