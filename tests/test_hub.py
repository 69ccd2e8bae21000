"""The card, and the way to the Hub and back, through the real client against a stand-in on this machine."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np
import pytest

import aae
from aae import hub
from aae.card import card
from aae.cli import main
from aae.data import Dataset
from aae.errors import AAEError

huggingface_hub = pytest.importorskip("huggingface_hub")
SHA = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class StandIn:
    """As much of the Hub as a push and a pull need, for one repository."""

    files: dict[str, bytes] = field(default_factory=dict)
    address: str = ""

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        def said(value: Any) -> tuple[int, dict[str, str], bytes]:
            return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()

        if path == "/api/repos/create":
            return said({"url": f"{self.address}/somebody/digits"})
        if path == "/api/validate-yaml":
            return said({"errors": [], "warnings": []})
        if "/preupload/" in path:
            names = [file["path"] for file in json.loads(body)["files"]]
            return said({"files": [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]})
        if "/commit/" in path:
            for line in map(json.loads, body.decode().splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return said(
                {"success": True, "commitOid": SHA, "commitUrl": f"{self.address}/somebody/digits/commit/{SHA}"}
            )
        if "/tree/" in path:
            return said([{"type": "file", "path": n, "size": len(b), "oid": _oid(b)} for n, b in self.files.items()])
        if path.startswith("/api/models/somebody/digits"):
            siblings = [{"rfilename": name} for name in self.files]
            return said({"id": "somebody/digits", "sha": SHA, "siblings": siblings, "private": False, "tags": []})
        found = self.files.get(unquote(path.partition(f"/resolve/{SHA}/")[2]))
        if found is None:
            return 404, {"X-Error-Code": "RepoNotFound"}, b""
        return 200, {"ETag": f'"{_oid(found)}"', "X-Repo-Commit": SHA}, found


def _oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    repository = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            code, headers, content = repository.answer(self.command, urlparse(self.path).path, body)
            self.send_response(code)
            for key, value in ({"Content-Length": str(len(content))} | headers).items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_POST = do_HEAD = _serve

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    repository.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield repository
    server.shutdown()
    server.server_close()


@pytest.fixture
def api(stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.utils._tqdm.are_progress_bars_disabled", lambda *_: True)
    return huggingface_hub.HfApi(endpoint=stand_in.address, token=False)


def test_there_and_back(trained: aae.Run, digits: Dataset, stand_in: StandIn, api: Any, tmp_path: Path) -> None:
    trained.evaluate(data=digits)
    assert "somebody/digits" in trained.push_to_hub("somebody/digits", api=api)
    endings = {name.rpartition(".")[2] for name in stand_in.files}
    assert endings <= {"json", "safetensors", "npz", "csv", "md", "png"}
    assert b"# digits" in stand_in.files["README.md"]
    assert not any("lock" in name for name in stand_in.files)

    stand_in.files["evil.py"] = stand_in.files["evil.pkl"] = b"nothing"
    run = aae.Run.from_hub("somebody/digits", api=api)
    x = digits.x.numpy()[:50].reshape(-1, 8, 8)
    assert np.array_equal(run.encode(x), trained.encode(x))
    kept = aae.Run.from_hub("somebody/digits", tmp_path / "kept", api=api)
    assert np.array_equal(kept.sample(5), trained.sample(5))
    assert (tmp_path / "kept" / "README.md").read_bytes() == stand_in.files["README.md"]
    assert not list((tmp_path / "kept").rglob("evil*"))


def test_a_repository_that_is_not_there_or_damaged(trained: aae.Run, stand_in: StandIn, api: Any) -> None:
    with pytest.raises(hub.HubError, match="there is no folder no/such, and it cannot be fetched"):
        aae.Run.from_hub("no/such", api=api)
    for path in ("/no/such", "no/such/run", "./such"):
        with pytest.raises(hub.HubError, match=f"there is no folder {path}; give one"):
            aae.Run.from_hub(path, api=api)
    trained.push_to_hub("somebody/digits", api=api)
    name = next(n for n in stand_in.files if n.endswith("/weights.safetensors"))
    stand_in.files[name] = stand_in.files[name][:-8]
    with pytest.raises(AAEError, match="damaged"):
        aae.Run.from_hub("somebody/digits", api=api)


def test_a_folder_is_a_repository_too(
    trained: aae.Run, digits: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (trained.path / "figures").mkdir(exist_ok=True)
    (trained.path / "figures" / "latent.png").write_bytes(b"\x89PNG")
    assert main(["push", str(trained.path), "--folder", str(tmp_path / "repo")]) == 0
    assert "figures/latent.png" in (tmp_path / "repo" / "README.md").read_text()
    assert main(["pull", str(tmp_path / "repo"), "-o", str(tmp_path / "again")]) == 0
    assert "aae explore" in capsys.readouterr().out
    again = aae.Run.load(tmp_path / "again")
    assert np.array_equal(again.sample(3), trained.sample(3))
    assert (tmp_path / "again" / "figures" / "latent.png").is_file()
    size = sum(file.stat().st_size for file in (tmp_path / "repo").rglob("*.safetensors"))
    assert size < sum(file.stat().st_size for file in trained.path.rglob("*.safetensors"))  # without optimizers


def test_paths_stay_at_home(tmp_path: Path) -> None:
    from conftest import tiny

    np.save(tmp_path / "mine.npy", np.random.default_rng(0).random((80, 5), np.float32))
    run = aae.train(tiny(epochs=1, batch_size=32, data__source=str(tmp_path / "mine.npy")), tmp_path / "run")
    hub.write_folder(run, tmp_path / "repo")
    for file in (tmp_path / "repo").rglob("*"):
        if file.is_file():
            assert str(tmp_path).encode() not in file.read_bytes(), file
    assert aae.Run.load(tmp_path / "repo").config.data.source == "mine.npy"


def test_the_card_says_what_was_measured_and_what_was_not(trained: aae.Run, digits: Dataset) -> None:
    (trained.path / "metrics.json").unlink(missing_ok=True)
    said = card(trained)
    assert "Not measured yet" in said
    assert "Not checked yet" in said
    numbers = trained.evaluate(data=digits)
    said = card(trained, "somebody/digits", license="mit")
    assert f"{numbers['c2st']:.4g} | {numbers['c2st_floor']:.4g}" in said
    assert f"{numbers['empty_cells']:.1%} of the prior's cells" in said
    assert trained.directory.data["fingerprint"] in said
    assert 'aae.Run.from_hub("somebody/digits")' in said
    numbers |= {"memorisation": 0.01, "memorisation_floor": 0.98}
    (trained.path / "metrics.json").write_text(json.dumps(numbers))
    assert "expect copies" in card(trained)


def test_the_front_of_a_card_is_what_the_library_reads(trained: aae.Run, digits: Dataset) -> None:
    trained.evaluate(data=digits)
    read = huggingface_hub.ModelCard(card(trained, "somebody/digits", license="mit")).data
    assert read.license == "mit"
    assert read.library_name == "adversarial-autoencoder"
    assert {"prior-uniform", "safetensors"} <= set(read.tags)
    assert {result.metric_type for result in read.eval_results} >= {"c2st", "mse"}


def test_card_and_push_on_the_command_line(trained: aae.Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["card", str(trained.path)]) == 0
    assert (trained.path / "README.md").read_text().startswith("---\nlibrary_name")
    capsys.readouterr()
    assert main(["push", str(trained.path)]) == 2
    assert "say where to" in capsys.readouterr().err
    assert main(["push", str(trained.path), "me/digits", "--folder", "here"]) == 2
    assert "are two places" in capsys.readouterr().err
