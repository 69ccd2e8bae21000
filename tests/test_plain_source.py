"""What must not be in the source: pickles, code from files, swallowed errors, unfinished work, paths of one machine."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = sorted((ROOT / "src").rglob("*.py"))
FOLDERS = ("src", "tests", "docs", "examples", "benchmarks", ".ci")
BINARY = {".png", ".gif", ".npz", ".npy", ".gz", ".safetensors", ".ico"}

UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
RUNNERS = {"eval", "exec", "compile", "__import__"}
UNFINISHED = re.compile(rf"\b({'TO' + 'DO'}|{'FIX' + 'ME'}|{'XX' + 'X'}|{'HA' + 'CK'})\b")
MACHINE = re.compile(
    r"(?<![\w.~$:-])/(" + "|".join(["home", "root", "Users", "work", "mnt", "tmp", "private"]) + r")/\w"
)
WINDOWS = re.compile(r"\b[A-Z]:\\+(Users|Windows|Temp)", re.IGNORECASE)


def tracked() -> list[Path]:
    """The text files of the project: those that git tracks, or all in its folders where there is no git."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        files = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*") if "__pycache__" not in file.parts]
        files += ROOT.iterdir()
    return sorted(file for file in files if file.is_file() and file.suffix not in BINARY)


def unsafe(tree: ast.AST) -> Iterator[str]:
    """Whatever could run code that came with the data."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names]
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            yield from (name for name in names if name.split(".")[0] in UNPICKLERS)
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in ("torch.load", "torch.save", "torch.hub"):
            yield ast.unparse(node)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            safe = {k.arg: ast.unparse(k.value) for k in node.keywords}.get("allow_pickle")
            if called in RUNNERS:
                yield called
            if safe not in (None, "False") or (called in ("np.load", "numpy.load") and safe is None):
                yield f"{called} with allow_pickle = {safe}"


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "def f():\n    import joblib.numpy_pickle",
        "torch.load(path)",
        "save = torch.save",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "f(path, allow_pickle=trusted)",
        "eval(text)",
    ],
)
def test_the_check_sees_what_is_unsafe(text: str) -> None:
    assert list(unsafe(ast.parse(text)))


@pytest.mark.parametrize("text", ["np.load(path, allow_pickle=False)", "model.eval()", "re.compile(x)", "json.load(f)"])
def test_the_check_lets_pass_what_is_safe(text: str) -> None:
    assert not list(unsafe(ast.parse(text)))


NAMED = {"plugins.py": ["exec", "compile"]}
"""The one place that runs code: a file that its user has named, never one that came with a run (test_plugins.py)."""


@pytest.mark.parametrize("file", SOURCE, ids=lambda file: file.relative_to(ROOT / "src").as_posix())
def test_no_file_can_run_code_that_came_with_data(file: Path) -> None:
    assert list(unsafe(ast.parse(file.read_text(encoding="utf-8")))) == NAMED.get(file.name, [])


@pytest.mark.parametrize("file", SOURCE, ids=lambda file: file.relative_to(ROOT / "src").as_posix())
def test_no_error_is_swallowed_and_nothing_is_a_stub(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"line {node.lineno}: a bare except"
            assert not all(isinstance(inner, ast.Pass) for inner in node.body), f"line {node.lineno}: swallowed"
        if isinstance(node, ast.Raise) and node.exc is not None:
            assert "NotImplemented" not in ast.unparse(node.exc), f"line {node.lineno}: a stub"


def test_all_of_the_project_is_looked_at() -> None:
    names = {file.relative_to(ROOT).as_posix() for file in tracked()}
    assert {"pyproject.toml", "README.md", "Makefile", "src/aae/phases.py", "tests/test_plain_source.py"} <= names


def test_nothing_is_left_unfinished() -> None:
    assert UNFINISHED.search("# " + "TO" + "DO: later")
    assert lines_with(UNFINISHED) == []


def test_no_path_of_one_machine_is_written_down() -> None:
    assert MACHINE.search('open("' + "/ho" + 'me/somebody/x")')
    assert not MACHINE.search("https://example.org" + "/ho" + "me/page")
    assert WINDOWS.search("C:" + "\\Users\\somebody")
    assert lines_with(MACHINE) == []
    assert lines_with(WINDOWS) == []
    assert lines_with(re.compile(re.escape(str(ROOT)) + r"\b")) == []


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    """Where the pattern stands, as file:line."""
    return [
        f"{file.relative_to(ROOT)}:{number}"
        for file in tracked()
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
