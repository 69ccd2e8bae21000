"""The layers of docs/architecture.md, read from the imports themselves, and what importing must not load."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "aae"
ARCHITECTURE = Path(__file__).parents[1] / "docs" / "architecture.md"
UPWARDS = {("inference", "evaluation"), ("inference", "report")}
"""Run.evaluate and Run.report, the two conveniences that reach upwards."""


def rows() -> dict[str, int]:
    """The row of each module, from the table in the document, so that the document cannot drift from the code."""
    table = re.findall(r"^\| (\d+) \| (.+) \|$", ARCHITECTURE.read_text(), re.MULTILINE)
    return {name: int(row) for row, names in table for name in re.findall(r"`(\w+)`", names)}


def module_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """The parts of this package that a file imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "aae":
            found |= {alias.name for alias in node.names if not alias.name.startswith("__")}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aae."):
            found.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("aae.")}
    return found


FILES = [path for path in sorted(SOURCE.rglob("*.py")) if module_of(path) not in ("__init__", "__main__")]


def test_every_module_has_a_row() -> None:
    assert {module_of(path) for path in FILES} == set(rows())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_imports_only_from_rows_above(path: Path) -> None:
    mine, order = module_of(path), rows()
    wrong = {name for name in imports(path) if name != mine and order[name] >= order[mine]}
    assert {(mine, name) for name in wrong} <= UPWARDS


def test_only_the_game_takes_steps() -> None:
    pattern = re.compile(r"from aae\.phases import .*\bstep\b")
    assert [path.stem for path in FILES if pattern.search(path.read_text())] == ["game"]


def test_models_know_nothing_of_optimizers() -> None:
    assert not [path for path in FILES if module_of(path) == "models" and "torch.optim" in path.read_text()]


def test_nothing_is_unpickled() -> None:
    pattern = re.compile(r"\bimport pickle|(?<!safetensors\.)torch\.(load|save)\(|allow_pickle=True|weights_only=False")
    assert not [path for path in FILES if pattern.search(path.read_text())]


@pytest.mark.parametrize("module", ["aae", "aae.cli"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print([m for m in ('torch', 'matplotlib', 'sklearn', 'scipy') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"
