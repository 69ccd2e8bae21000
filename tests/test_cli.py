"""The command as its users meet it: good input, bad input, exit codes, and nothing lost."""

from __future__ import annotations

import contextlib
import html
import io
import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aae
from aae.checkpoint import CheckpointWarning
from aae.cli import COMMANDS, main

SMALL = ["--threads", "1", "--epochs", "2", "--batch-size", "128"] + [
    word for part in ("encoder", "decoder", "discriminator") for word in (f"--model.{part}", "32")
]
FIGURES = ("latent", "manifold", "holes", "losses", "health", "reconstructions", "samples", "comparison")


def run(*words: str | Path) -> int:
    return main([str(word) for word in words])


def fails(capsys: pytest.CaptureFixture[str], code: int, *words: str | Path) -> str:
    """What the command says on standard error, having failed with this code."""
    capsys.readouterr()
    assert run(*words) == code
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert said
    return said


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run made by the command, with its report."""
    path = tmp_path_factory.mktemp("cli") / "run"
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert run("train", "--out", path, *SMALL) == 0
    (path.parent / "said.txt").write_text(said.getvalue())
    return path


def test_help_starts_fast_and_python_m_is_the_same() -> None:
    started = time.perf_counter()
    found = subprocess.run([sys.executable, "-m", "aae", "--help"], capture_output=True, text=True, check=True)
    assert time.perf_counter() - started < 1.0
    for word in (*COMMANDS, "exit codes", "130"):
        assert word in found.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(name, "--help") == 0
    assert "usage: aae" in capsys.readouterr().out


def test_train_help_shows_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    run("train", "mnist-2d-uniform-post", "--help")
    said = capsys.readouterr().out
    for key in aae.config.flatten(aae.Config()):
        filled_in = key in ("recipe", "prior.content", "plugin.name", "plugin.source")  # by a run, not by a person
        assert filled_in != (f"--{key.replace('_', '-')}" in said)


def test_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("recipes") == 0
    assert "mnist-2d-uniform-post" in capsys.readouterr().out


def test_a_run_has_everything(reported: Path) -> None:
    for name in ("config.json", "data.json", "weights.safetensors", "history.csv", "metrics.json", "report.html"):
        assert (reported / name).stat().st_size > 0
    for name in FIGURES:
        pixels = np.asarray(Image.open(reported / "figures" / f"{name}.png").convert("L"))
        assert pixels.std() > 5, name
    with Image.open(reported / "figures" / "training.gif") as film:
        assert film.n_frames == 3
    page = (reported / "report.html").read_text()
    assert page.count("data:image/png;base64,") == len(FIGURES)
    assert "data:image/gif;base64," in page
    assert "<script" not in page
    assert "http" not in page


def test_the_report_links_to_the_explorer_and_says_how_to_write_it(reported: Path) -> None:
    page = html.unescape((reported / "report.html").read_text())
    (link,) = re.findall(r"<a href='(explorer[^']*)'>", page)
    (command,) = (line for line in page.splitlines() if line.startswith("aae export "))
    written = Path(shlex.split(command)[-1])
    assert written == reported / link
    assert run(*shlex.split(command)[1:], "--points", "100") == 0
    assert written.read_text().startswith("<!doctype html>")
    written.unlink()


def test_the_report_compares_and_does_not_train_twice(reported: Path) -> None:
    beside = json.loads((reported / "metrics.json").read_text())["comparison"]
    assert list(beside) == ["PCA", "Autoencoder", "VAE", "AAE"]
    before = (reported / "baselines" / "vae" / "weights.safetensors").stat().st_mtime_ns
    assert run("report", reported, "--quiet") == 0
    assert (reported / "baselines" / "vae" / "weights.safetensors").stat().st_mtime_ns == before


def test_each_baseline_has_its_own_name_in_the_lines(reported: Path) -> None:
    lines = (reported.parent / "said.txt").read_text().splitlines()
    titles = [line.partition(": epoch 2/2")[0] for line in lines if ": epoch 2/2" in line]
    assert titles == ["training", "comparing: Autoencoder", "comparing: VAE"]


def test_resume_puts_a_damaged_copy_right(reported: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(reported, copy, ignore=shutil.ignore_patterns("baselines", "figures"))
    (copy / "weights.safetensors").write_bytes(b"spoilt")
    with pytest.raises(aae.errors.RunError, match="aae resume"):
        aae.Run.load(copy)
    with pytest.warns(CheckpointWarning, match="weights.safetensors was not what had been saved"):
        assert aae.resume(copy).finished
    assert (copy / "weights.safetensors").read_bytes() == (reported / "weights.safetensors").read_bytes()


def test_encode_decode_reconstruct_sample(reported: Path, tmp_path: Path, digits: aae.data.Dataset) -> None:
    loaded = aae.Run.load(reported)
    assert run("encode", reported, "digits", "-o", tmp_path / "codes.npz") == 0
    codes = np.load(tmp_path / "codes.npz")
    assert codes["codes"].shape == (1797, 2)
    assert np.array_equal(codes["labels"], digits.y.numpy())
    assert np.array_equal(codes["codes"], loaded.encode(digits.x.numpy().reshape(-1, 8, 8)))
    assert run("decode", reported, tmp_path / "codes.npz", "-o", tmp_path / "decoded.npz") == 0
    assert run("reconstruct", reported, "digits", "-o", tmp_path / "again.npz") == 0
    decoded, again = (np.load(tmp_path / name)["samples"] for name in ("decoded.npz", "again.npz"))
    assert decoded.shape == (1797, 8, 8)
    assert np.array_equal(decoded, again)
    assert decoded.min() >= 0
    assert 1 < decoded.max() <= 16
    assert run("sample", reported, "-n", "9", "-o", tmp_path / "s.npz") == 0
    assert np.array_equal(np.load(tmp_path / "s.npz")["samples"], loaded.sample(9))
    assert run("sample", reported, "-n", "9", "-o", tmp_path / "s.png") == 0
    assert np.asarray(Image.open(tmp_path / "s.png")).std() > 5


def test_evaluate_prints_what_it_saves(reported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run("evaluate", reported, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((reported / "metrics.json").read_text())
    assert {"inside", "empty_cells", "c2st", "c2st_floor", "mse", "knn_accuracy"} <= printed.keys()


def test_settings_come_from_recipe_file_and_line_in_this_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aae.cli.training.finish", lambda *_: None)  # the report has tests of its own
    (tmp_path / "s.toml").write_text('epochs = 3\nseed = 4\n[prior]\nkind = "gaussian"\nscale = 1.5\n')
    words = ["train", "--config", tmp_path / "s.toml", "--out", tmp_path / "run", "--no-compare", "--quiet", *SMALL]
    assert run(*words, "--prior.scale", "2.5") == 0
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    gaussian = {"kind": "gaussian", "scale": 2.5, "covariance": []}
    assert (saved["epochs"], saved["seed"], saved["prior"]) == (2, 4, gaussian)
    again = [
        "train",
        "--config",
        tmp_path / "run" / "config.json",
        "--out",
        tmp_path / "again",
        "--no-compare",
        "--quiet",
    ]
    assert run(*again) == 0
    first, second = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("run", "again"))
    assert first == second


def test_lines_are_plain_without_a_terminal_and_quiet_is_quiet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("train", "--out", tmp_path / "a", "--no-compare", *SMALL) == 0
    said = capsys.readouterr().out
    assert "epoch 2/2  reconstruction" in said
    assert str(tmp_path / "a" / "report.html") in said.replace("\n", "")
    assert "\x1b" not in said
    assert run("train", "--out", tmp_path / "b", "--no-compare", "--quiet", *SMALL) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("epochz = 3", "did you mean"),
        ("[model]\nlatnt = 3", "model.latent"),
        ("epochs = 'three'", "epochs"),
        ("epochs = -1", "epochs"),
        ("epochs = ", "TOML"),
        ("[adversarial]\nweight = 0.3\nphases = 'separate'", "would be ignored"),
        ("[model]\nkind = 'vae'\ndiscriminator = [3]", "would be ignored"),
    ],
)
def test_bad_files_of_settings(text: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.toml").write_text(text)
    said = fails(capsys, 2, "train", "--config", tmp_path / "bad.toml", "--out", tmp_path / "run")
    assert expected in said
    assert "bad.toml" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("code", "words", "expected"),
    [
        (2, ["trian"], "train"),
        (2, ["train", "digits-2d-unifrom"], "digits-2d-uniform"),
        (2, ["train", "--epoch", "3"], "--epochs"),
        (2, ["train", "--model.kind", "vea"], "vae"),
        (2, ["train", "--epochs", "-1"], "epochs"),
        (2, ["train", "--device", "tpu9"], "device"),
        (2, ["train", "--model.kind", "vae", "--adversarial.weight", "0.3"], "would be ignored"),
        (3, ["train", "--data", "nowhere.npy"], "nowhere.npy"),
        (3, ["train", "--data", "digitz"], "digits"),
        (4, ["resume", "nowhere"], "nowhere"),
        (4, ["evaluate", "."], "run directory"),
    ],
)
def test_mistakes_on_the_line(
    code: int,
    words: list[str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert expected in fails(capsys, code, *words)
    assert not list(tmp_path.iterdir())


def test_mistakes_with_a_run(reported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = np.zeros((20, 8, 8), np.float32)
    bad[7, 2, 3] = np.nan
    np.save(tmp_path / "bad.npy", bad)
    said = fails(capsys, 3, "encode", reported, tmp_path / "bad.npy", "-o", tmp_path / "c.npz")
    assert "row 7" in said
    np.save(tmp_path / "wide.npy", np.zeros((20, 9, 9), np.float32))
    assert "9" in fails(capsys, 3, "encode", reported, tmp_path / "wide.npy", "-o", tmp_path / "c.npz")
    assert ".npz" in fails(capsys, 2, "encode", reported, "digits", "-o", tmp_path / "c.csv")
    assert "nowhere" in fails(capsys, 2, "sample", reported, "-o", tmp_path / "nowhere" / "s.npz")
    assert "n must" in fails(capsys, 2, "sample", reported, "-n", "0", "-o", tmp_path / "s.npz")
    np.savez(tmp_path / "codes.npz", codes=np.zeros((3, 5)))
    assert "[n, 2]" in fails(capsys, 3, "decode", reported, tmp_path / "codes.npz", "-o", tmp_path / "d.npz")
    (tmp_path / "text.npz").write_text("no zip")
    assert "text.npz" in fails(capsys, 3, "decode", reported, tmp_path / "text.npz", "-o", tmp_path / "d.npz")
    assert "--out" in fails(capsys, 4, "train", "--out", reported, *SMALL)
    for words in (("recommend", reported), ("train", "--data", reported, "--out", tmp_path / "new", *SMALL)):
        assert "is the directory of a run, not data" in fails(capsys, 3, *words)
    assert not list(tmp_path.glob("[csd].npz"))


@pytest.mark.parametrize(
    "name", ["config.json", "data.json", "splits.npz", "MANIFEST.json", "weights.safetensors", "history.csv"]
)
def test_a_damaged_file_is_named(name: str, reported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "run"
    shutil.copytree(reported, copy, ignore=shutil.ignore_patterns("baselines", "figures"))
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 0x20
    (copy / name).write_bytes(bytes(data))
    assert name in fails(capsys, 4, "sample", copy, "-o", tmp_path / "s.npz")
    assert not (tmp_path / "s.npz").exists()


@pytest.mark.parametrize(
    "name",
    ["weights.safetensors", "training.safetensors", "frames.safetensors", "state.json", "history.csv", "MANIFEST.json"],
)
def test_a_damaged_checkpoint_falls_back_and_says_so(
    name: str, reported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(reported, copy, ignore=shutil.ignore_patterns("baselines", "figures"))
    newest = sorted((copy / "checkpoints").iterdir())[-1]
    data = bytearray((newest / name).read_bytes())
    data[len(data) // 2] ^= 0x20
    (newest / name).write_bytes(bytes(data))
    for stale in ("weights.safetensors", "history.csv"):
        (copy / stale).unlink()
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("always")  # as for a user; the tests turn warnings into errors
        assert run("sample", copy, "-o", tmp_path / "s.npz") == 0
    said = capsys.readouterr().err
    assert said.startswith("aae: warning: ")
    assert newest.name in said
    assert name in said


def start(*words: str | Path, **options: object) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "aae", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **options,
    )  # type: ignore[call-overload]  # fmt: skip


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_within_two_seconds_and_the_run_goes_on(number: int, code: int, tmp_path: Path) -> None:
    path = tmp_path / "run"
    process = start("train", "--out", path, "--no-compare", *SMALL, "--epochs", "60")
    deadline = time.monotonic() + 60
    while not (path / "weights.safetensors").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(number)
    asked = time.monotonic()
    _, said = process.communicate(timeout=30)
    assert time.monotonic() - asked < 2
    assert process.returncode == code
    assert f"aae resume {path}" in said
    assert "Traceback" not in said
    assert run("resume", path, "--no-compare", "--quiet") == 0
    assert aae.Run.load(path).finished


def test_a_run_in_use_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run"
    process = start("train", "--out", path, "--no-compare", *SMALL, "--epochs", "100000")
    try:
        deadline = time.monotonic() + 60
        while not (path / "weights.safetensors").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert str(process.pid) in fails(capsys, 4, "resume", path)
    finally:
        process.kill()
        process.communicate()


def test_a_full_disk(tmp_path: Path) -> None:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    process = start("train", "--out", tmp_path / "run", "--no-compare", *SMALL, preexec_fn=limit)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 6, said
    assert "Traceback" not in said
    assert "bytes needed" in said


@pytest.mark.parametrize("latent", [1, 3, 8])
@pytest.mark.parametrize("posterior", ["deterministic", "gaussian", "noise"])
def test_other_codes_and_posteriors_train_and_report(latent: int, posterior: str, tmp_path: Path) -> None:
    words = ["--model.latent", str(latent), "--model.posterior", posterior, "--no-compare", "--quiet"]
    assert run("train", "--out", tmp_path / "run", *SMALL, *words) == 0
    assert (tmp_path / "run" / "report.html").exists()


def test_an_autoencoder_reports_but_does_not_sample(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = list(SMALL)
    at = words.index("--model.discriminator")
    del words[at : at + 2]
    assert run("train", "--model.kind", "autoencoder", "--out", tmp_path / "run", "--quiet", *words) == 0
    assert "no prior" in fails(capsys, 2, "sample", tmp_path / "run", "-o", tmp_path / "s.npz")


def test_a_table_in_different_units(tmp_path: Path, vectors: np.ndarray) -> None:
    np.savez(tmp_path / "table.npz", x=vectors, y=np.arange(200) % 3)
    words = ["--data", tmp_path / "table.npz", "--out", tmp_path / "run", "--quiet", *SMALL, "--batch-size", "32"]
    assert run("train", *words, "--epochs", "100", "--model.latent", "3", "--no-compare") == 0
    assert run("reconstruct", tmp_path / "run", tmp_path / "table.npz", "-o", tmp_path / "again.npz") == 0
    again = np.load(tmp_path / "again.npz")["samples"]
    assert again.shape == vectors.shape
    for column in range(12):  # every column has its own unit, and comes back in it
        assert np.corrcoef(again[:, column], vectors[:, column])[0, 1] > 0.5
        assert 0.2 < again[:, column].std() / vectors[:, column].std() < 2


def test_colour_images_keep_their_layout(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 6, 5, 3), dtype=np.uint8)
    np.save(tmp_path / "colour.npy", pixels)
    words = ["--data", tmp_path / "colour.npy", "--out", tmp_path / "run", "--quiet", *SMALL, "--batch-size", "16"]
    assert run("train", *words, "--no-compare") == 0
    assert run("sample", tmp_path / "run", "-n", "4", "-o", tmp_path / "s.npz") == 0
    samples = np.load(tmp_path / "s.npz")["samples"]
    assert samples.shape == (4, 6, 5, 3)
    assert samples.max() > 16
    assert samples.max() <= 255
