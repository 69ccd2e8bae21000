"""`aae explore`, `aae export` and `aae train --live` on the command line."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import aae
from aae.cli import main


def test_export_writes_the_page_and_says_what_it_holds(
    trained: aae.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    assert main(["export", str(trained.path), "--explorer", str(page), "--points", "300"]) == 0
    assert "300 points" in capsys.readouterr().out
    assert page.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["export", "--explorer", "page.png"], "--explorer page.png: the name must end in .html"),
        (["export", "--explorer", "nowhere/page.html"], "the folder nowhere does not exist"),
        (["export", "--explorer", "page.html", "--points", "0"], "--points must be 1 or more"),
        (["explore", "--host", "0.0.0.0", "--no-browser"], "--allow-remote"),
        (["explore", "--points", "0", "--no-browser"], "--points must be 1 or more"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_served(
    arguments: list[str],
    said: str,
    trained: aae.Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("aae.explorer.server.Server.run", lambda *given: pytest.fail("served"))
    assert main([arguments[0], str(trained.path), *arguments[1:]]) == 2
    assert said in capsys.readouterr().err
    assert not Path("page.html").exists()


def test_without_its_packages_the_server_says_what_to_install(
    trained: aae.Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["explore", str(trained.path), "--no-browser"]) == 2
    assert "adversarial-autoencoder[explore]" in capsys.readouterr().err


@pytest.mark.slow
def test_a_live_run_prints_its_address_and_ends_when_nobody_looks(tmp_path: Path) -> None:
    small = ["--epochs", "2", "--model.encoder", "16", "--model.decoder", "16", "--model.discriminator", "16"]
    command = [
        sys.executable,
        "-m",
        "aae",
        "train",
        "--live",
        "--quiet",
        "--no-compare",
        "--out",
        str(tmp_path / "run"),
    ]
    with subprocess.Popen([*command, *small], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().removeprefix("live: ").strip()
        with urllib.request.urlopen(address, timeout=60) as answer:
            assert b"<!doctype html>" in answer.read()
        assert process.wait(120) == 0
    assert (tmp_path / "run" / "report.html").exists()
