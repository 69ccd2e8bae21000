"""The explorer as one file: what is in it, what is left out when there is no room, and networks written down."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import tiny
from explorer_kit import unpack
from torch import nn

import aae
from aae.convolution import ConvolutionalDecoder, ConvolutionalEncoder
from aae.data import Dataset
from aae.errors import ConfigError
from aae.explorer import export
from aae.explorer.assemble import SCRIPTS, assemble, plain
from aae.explorer.networks import Written, halved, quantised, run, write
from aae.networks import MLP

BODIES = {
    "dense": lambda: (MLP((3, 16, 5)), 3),
    "noise-fed": lambda: (MLP((7, 16, 2)), 5),
    "doubling": lambda: (ConvolutionalDecoder(3, (16,), (8, 4), (3, 9, 7)), 3),
    "halving": lambda: (ConvolutionalEncoder((2, 9, 7), (4, 8), (16,), 3), 126),
    "halving-noise-fed": lambda: (ConvolutionalEncoder((1, 8, 8), (4,), (), 3, extra=2), 64),
}


def padded(body: nn.Module, wide: int, takes: int) -> Any:
    return lambda rows: body(nn.functional.pad(rows, (0, takes - wide)))


def contents(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    text = path.read_text()
    meta = re.search(r"<script type=application/json id=meta>(.*?)</script>", text)
    payload = re.search(r"<script type=application/octet-stream id=payload>(.*?)</script>", text)
    assert meta
    assert payload
    return json.loads(meta[1]), unpack(gzip.decompress(base64.b64decode(payload[1])))


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("sigmoid", [False, True])
def test_a_network_is_written_down_as_it_is(name: str, sigmoid: bool) -> None:
    torch.manual_seed(0)
    body, wide = BODIES[name]()
    takes = {"noise-fed": 7, "halving-noise-fed": 66}.get(name, wide)

    def network(rows: torch.Tensor) -> torch.Tensor:
        out = padded(body, wide, takes)(rows)
        return out.sigmoid() if sigmoid else out

    written = write("net", body, network, wide, sigmoid=sigmoid)
    rows = torch.randn(4, wide)
    torch.testing.assert_close(run(written, rows), network(rows).detach(), atol=1e-5, rtol=1e-4)


def test_part_of_what_a_network_gives_can_be_meant() -> None:
    body = MLP((3, 8, 6))
    written = write("net", body, lambda rows: body(rows)[:, 4:], 3, sigmoid=False, skip=4)
    assert run(written, torch.zeros(1, 3)).shape == (1, 6)
    with pytest.raises(ConfigError, match="cannot run this net"):
        write("net", body, lambda rows: body(rows)[:, 4:], 3, sigmoid=False)


def test_what_cannot_be_written_down_is_refused() -> None:
    with pytest.raises(ConfigError, match="GRUCell"):
        write("net", nn.GRUCell(2, 2), lambda rows: rows, 2, sigmoid=False)
    body = MLP((2, 4, 2))
    with pytest.raises(ConfigError, match="cannot run this net"):
        write("net", body, lambda rows: body(rows) + rows, 2, sigmoid=False)


def test_weights_in_fewer_bits_are_close() -> None:
    torch.manual_seed(0)
    body = MLP((20, 64, 3))
    written = write("net", body, body, 20, sigmoid=False)
    rows = torch.randn(50, 20)
    exact, spread = run(written, rows), run(written, rows).std()
    half = Written(written.layers, halved(written.arrays))
    assert (run(half, rows) - exact).abs().max() < 5e-3 * spread
    eight = quantised(written)
    name = next(layer["weight"] for layer in eight.layers if layer["kind"] == "linear")
    assert eight.arrays[name].dtype == np.uint8
    restored = {
        layer["weight"]: (eight.arrays[layer["weight"]].astype(np.float32) - 128)
        * eight.arrays[layer["steps"]][:, None]
        for layer in eight.layers
        if layer["kind"] == "linear"
    }
    error = (run(Written(written.layers, written.arrays | restored), rows) - exact).abs().max()
    assert 0 < error < 5e-2 * spread
    assert halved({"x": np.array([1e6], np.float32)})["x"].dtype == np.float32


def test_a_file_holds_a_fair_sample_and_says_so(trained: aae.Run, digits: Dataset, tmp_path: Path) -> None:
    said = export(trained, tmp_path / "page.html", digits, points=500)
    meta, arrays = contents(tmp_path / "page.html")
    assert "500 points" in said
    assert (meta["shown"], meta["total"], meta["originals"], meta["file"]) == (500, 1797, 500, True)
    shares = np.bincount(arrays["split"], minlength=3) / 500
    sizes = np.array([len(part) for part in (digits.splits.train, digits.splits.validation, digits.splits.test)])
    np.testing.assert_allclose(shares, sizes / 1797, atol=0.06)
    np.testing.assert_array_equal(arrays["originals"], digits.x.numpy()[arrays["row"]])
    np.testing.assert_array_equal(arrays["codes"], trained.encode(digits.x.numpy()[arrays["row"]].reshape(-1, 8, 8)))
    with pytest.raises(ConfigError, match="--points"):
        export(trained, tmp_path / "none.html", digits, points=0)
    assert not (tmp_path / "none.html").exists()


def test_what_does_not_fit_is_left_out_in_order(
    trained: aae.Run, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, path = tmp_path / "full.html", tmp_path / "page.html"
    export(trained, full, digits)
    meta, _ = contents(full)
    assert meta["originals"] == 1797
    assert meta["encoder"]
    least = None
    for budget in (300_000, 230_000, 200_000, 10_000):
        monkeypatch.setattr("aae.explorer.single_file.BUDGET", budget)
        export(trained, path, digits)
        smaller, kept = contents(path)
        assert len(path.read_bytes()) <= max(budget, 250_000)
        assert {"codes", "labels", "split", "row", "prior"} <= set(kept)
        assert smaller["decoder"] == meta["decoder"]
        if least is not None:
            assert smaller["originals"] <= least
        least = smaller["originals"]
    assert least == 0
    assert "encoder" not in smaller
    assert "no encoder" in smaller["said"]


def test_figures_that_find_no_room_are_counted(
    trained: aae.Run, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("latent.png", "styles.png"):
        (tmp_path / name).write_bytes(np.random.default_rng(0).bytes(200_000 if name == "styles.png" else 100))
    files = [("Latent space", tmp_path / "latent.png"), ("Style and class", tmp_path / "styles.png")]
    monkeypatch.setattr("aae.explorer.single_file.figures_of", lambda path: files)
    monkeypatch.setattr("aae.explorer.single_file.BUDGET", 300_000)
    said = export(trained, tmp_path / "page.html", digits, points=100)
    meta, _ = contents(tmp_path / "page.html")
    assert meta["figures"] == ["Latent space"]
    assert "no room for 1 of the report's 2 figures" in said


def test_the_page_trusts_only_itself() -> None:
    meta = {"title": "</script><script>alert(1)</script>", "x": float("nan")}
    page, policy = assemble("<b>title</b>", meta, "")
    assert "<script>alert(1)" not in page
    assert "<title>&lt;b&gt;title&lt;/b&gt;</title>" in page
    assert policy.count("sha256-") == len(SCRIPTS) + 1
    assert "connect-src" not in policy
    assert "unsafe" not in policy
    assert plain({"a": [float("inf"), 1.0, ("x",)]}) == {"a": [None, 1.0, ["x"]]}


def test_a_small_convolutional_run_can_be_exported(tmp_path: Path, digits: Dataset) -> None:
    chosen = tiny(epochs=1, model__network="conv", model__channels=(4, 8))
    made = aae.train(chosen, tmp_path / "run", data=digits)
    export(made, tmp_path / "page.html", digits, points=50)
    meta, _ = contents(tmp_path / "page.html")
    assert [layer["kind"] for layer in meta["decoder"]].count("conv_transpose") == 2
    assert [layer["kind"] for layer in meta["encoder"]].count("conv") == 2
