"""What the documentation shows is run: Python blocks in order, page by page; commands and settings held to the program.

A block of commands is marked `console` or left plain where it takes minutes, needs MNIST or shows what a shell prints:
of those the commands and options are checked, not run. Names that a page takes for granted (your `X`) are in SETUP.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from aae import plugins, recipes
from aae.cli import COMMANDS, main
from aae.config import from_file
from aae.diagnosis import MEANINGS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

SETUP = {
    "priors.md": """
        import numpy as np
        from PIL import Image
        array = np.random.default_rng(0).normal(size=(200, 2))
        Image.fromarray(np.pad(np.zeros((20, 20), np.uint8), 6, constant_values=255)).save("star.png")
    """,
    "classes.md": """
        import aae.data, numpy as np
        from conftest import tiny
        from sklearn.datasets import load_digits
        X, config = load_digits().images[:50], tiny(model__kind="supervised")
        C, codes = np.random.default_rng(0).normal(size=(50, 2)), np.zeros((5, 2))
        C_new = C[:5]
        aae.train(tiny(model__kind="semi-supervised", data__labelled=100), "runs/semi")
    """,
    "data.md": """
        import numpy as np, pandas
        from conftest import tiny
        random = np.random.default_rng(0)
        X = pandas.DataFrame(random.normal(size=(200, 4)), columns=list("abcd"))
        X["e"] = random.choice(["u", "v"], 200)
        X.loc[::9, "b"] = np.nan
        y, frame, config = random.integers(0, 3, 200), X.head(20), tiny(prior__kind="gaussian")
    """,
    "estimators.md": """
        import numpy as np
        from sklearn.datasets import load_digits
        X, y = load_digits(return_X_y=True)
        X, y = X[:150], y[:150].copy()
        X_new, y_unknown = X[:20], np.arange(150) % 3 > 0
    """,
    "export.md": """
        import aae
        from conftest import tiny
        from aae.cli import main
        from sklearn.datasets import load_digits
        images = load_digits().images[:9].astype("uint8")
        assert aae.train(tiny(), "runs/digits") and main(["export", "runs/digits", "--onnx", "digits"]) == 0
    """,
}
QUICK = ("priors.md", "extending.md")
"""Pages whose blocks take a few seconds; the others are slow."""


def blocks(page: Path | str, *languages: str) -> list[str]:
    """The fenced blocks of these languages, in order; "" is a plain fence."""
    text = page if isinstance(page, str) else page.read_text(encoding="utf-8")
    found = re.findall(r"^```([a-z]*)[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [body for language, body in found if language in languages]


def undented(text: str) -> str:
    return re.sub(r"^ {8}", "", text, flags=re.MULTILINE)


def execute(parts: list[str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Run blocks in one namespace in an empty folder. `# save: NAME` on top of a block: it is also written there."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(plugins, "_named", {})
    names: dict[str, Any] = {"__name__": "page"}
    for part in parts:
        if name := re.match(r"# save: (\S+)\n", part):
            (folder / name[1]).write_text(part)
        if part.startswith("# new process\n"):
            plugins._named.clear()
        exec(compile(part, "a block of the page", "exec"), names)


ELSEWHERE = ("hub.md",)
"""Pages whose calls need an account on another server; tests/test_hub.py makes them to a local folder."""
WITH_PYTHON = [page for page in PAGES if blocks(page, "python") and page.name not in ELSEWHERE]


def marked(page: Path) -> Any:
    return pytest.param(page, id=page.name, marks=() if page.name in QUICK else pytest.mark.slow)


@pytest.mark.parametrize("page", [marked(page) for page in WITH_PYTHON])
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page.name == "tuning.md":
        pytest.importorskip("optuna")
    if page.name == "export.md":
        pytest.importorskip("onnxruntime")
    execute([undented(SETUP.get(page.name, "")), *blocks(page, "python")], monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def site() -> ModuleType:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import site_pages
    finally:
        sys.path.remove(str(ROOT / "docs"))
    return site_pages


def test_every_module_of_the_reference_is_there(site: ModuleType) -> None:
    for name in (name for names in site.API.values() for name in names):
        assert importlib.util.find_spec(name) is not None, name
        assert isinstance(importlib.import_module(name), ModuleType)


@pytest.mark.slow
def test_the_python_of_every_models_page_runs(
    site: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in site.kinds():
        (tmp_path / kind).mkdir()
        execute(blocks(site.model_page(kind), "python"), monkeypatch, tmp_path / kind)
        assert (tmp_path / kind / "runs" / kind / "history.csv").exists()


def commands(page: Path) -> list[list[str]]:
    """Every call of `aae` in the plain, console and shell blocks of a page, comments and prompts taken off."""
    lines = [line for body in blocks(page, "", "console", "sh", "bash") for line in body.splitlines()]
    calls = (
        shlex.split(line.strip().removeprefix("$ "), comments=True)
        for line in lines
        if re.match(r"\s*(\$ )?aae ", line)
    )
    return [call[1:] for call in calls]


CALLS = {(page.name, tuple(call)) for page in PAGES for call in commands(page)}


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    """The help of every command that a page shows, read once."""
    import contextlib
    import io

    found = {}
    for command in sorted({call[0] for _, call in CALLS if call and call[0] in COMMANDS}):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            assert main([command, "--help"]) == 0
        found[command] = said.getvalue()
    return found


def test_every_command_and_option_that_a_page_shows_exists(helps: dict[str, str]) -> None:
    assert len(CALLS) > 20, "the reader of pages has gone blind"
    for page, (command, *rest) in sorted(CALLS):
        if command.startswith("-") or command == "COMMAND":
            continue
        assert command in COMMANDS, f"{page}: aae {command}"
        for option in (word.partition("=")[0] for word in rest if re.match(r"--[a-z]", word)):
            known = option in helps[command] or option in ("--help", "--plugin")
            assert known, f"{page}: aae {command} has no {option}"
        if command in ("train", "tune") and rest and re.fullmatch(r"[a-z0-9-]+", rest[0]) and rest[0][0] != "-":
            assert rest[0] in recipes.RECIPES, f"{page}: no recipe {rest[0]}"


def test_settings_in_toml_are_taken(tmp_path: Path) -> None:
    seen = 0
    for page in PAGES:
        for body in blocks(page, "toml"):
            name, seen = re.match(r"# (\w+)\.toml", body), seen + 1
            assert name, f"{page.name}: say on its first line what file a block is"
            file = tmp_path / "file.toml"
            file.write_text(body)
            if name[1] == "space":
                pytest.importorskip("optuna")
                from aae.tuning import read_space

                assert read_space(file, recipes.recipe("table-8d-gaussian"))
            else:
                assert from_file(file, recipes.recipe(recipes.DEFAULT))
    assert seen >= 2


def test_pages_are_made_from_the_code(site: ModuleType) -> None:
    text = site.troubleshooting()
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == list(MEANINGS)
    page = site.model_page("semi-supervised")
    assert "| classification | encoder |" in page
    assert "--data.labelled 100" in page


def test_links_between_pages_lead_somewhere(site: ModuleType) -> None:
    """Relative links of every page, the README's too; the site's build checks them again, with anchors."""
    made = set(site.pages()) | set(site.OUTSIDE)
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md"]:
        for target in re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" in target:
                continue
            there = (page.parent / target).exists() or target in made
            assert there, f"{page.name} links to {target}, which is not there"
