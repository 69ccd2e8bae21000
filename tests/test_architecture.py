"""The layout that docs/architecture.md describes, held to by reading the code itself."""

from __future__ import annotations

import ast
import graphlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import aae

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "aae"
FILES = sorted(SRC.rglob("*.py"))
EXEMPT = {"__init__.py", "__main__.py"}
"""The two files of the package itself: public names, loaded when first used, and `python -m aae`."""
UPWARDS = {
    ("inference", "evaluation", "Run.evaluate"),
    ("inference", "report", "Run.report"),
    ("inference", "hub", "Run.push_to_hub"),
    ("inference", "hub", "Run.from_hub"),
}
"""The only imports from a higher row: methods for convenience, which import when they are called."""


def name_of(file: Path) -> str:
    return file.relative_to(SRC).as_posix()


PARTS = sorted({name_of(file).split("/")[0].removesuffix(".py") for file in FILES if name_of(file) not in EXEMPT})
"""What has a row of its own: the files and folders of the package."""


def rows() -> dict[str, int]:
    """The row of each part, as the table in the documentation has it."""
    found: dict[str, int] = {}
    for line in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"\| (\d+) \| (.+?) \| .+ \|", line):
            for part in re.findall(r"`(\w+)`", match[2]):
                assert part not in found, f"{part} stands in two rows"
                found[part] = int(match[1])
    return found


def imports(tree: ast.AST, scope: str = "") -> Iterator[tuple[str, str]]:
    """(dotted module or name, class and function around it) of everything that is imported, at any depth."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, scope) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write imports in full: from aae.data import ..."
            yield from ((f"{node.module}.{alias.name}", scope) for alias in node.names)
        named = isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        inner = f"{scope}.{node.name}".lstrip(".") if named else scope  # type: ignore[attr-defined]
        yield from imports(node, inner)


def part_of(dotted: str) -> str | None:
    """The part of the package that an import reaches: aae.data.rows -> data; None for other packages."""
    names = dotted.split(".")
    return names[1] if names[0] == "aae" and len(names) > 1 and names[1] in PARTS else None


def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def reached(file: Path) -> set[tuple[str, str]]:
    """(part, class and function around the import) of everything in another part that a file imports."""
    own = name_of(file).split("/")[0].removesuffix(".py")
    found = {(part_of(dotted), scope) for dotted, scope in imports(tree_of(file))}
    return {(part, scope) for part, scope in found if part is not None and part != own}


def test_imports_are_found_wherever_they_stand() -> None:
    """The reader on which the other tests rest."""
    inside = "  from aae import data, __version__\n  if 1:\n   from aae.data.idx import x"
    text = "import aae.cli\nclass A:\n def f(self):\n" + inside
    assert list(imports(ast.parse(text))) == [
        ("aae.cli", ""),
        ("aae.data", "A.f"),
        ("aae.__version__", "A.f"),
        ("aae.data.idx.x", "A.f"),
    ]
    assert [part_of(d) for d in ("aae.cli", "aae.data.idx.x", "aae.__version__", "numpy.data")] == [
        "cli",
        "data",
        None,
        None,
    ]


def test_every_part_has_a_row_and_every_row_its_parts() -> None:
    assert sorted(rows()) == PARTS
    assert sorted(set(rows().values())) == list(range(max(rows().values()) + 1))


@pytest.mark.parametrize("file", [file for file in FILES if name_of(file) not in EXEMPT], ids=name_of)
def test_a_file_imports_only_from_rows_above_its_own(file: Path) -> None:
    own, row = name_of(file).split("/")[0].removesuffix(".py"), rows()
    for part, scope in reached(file):
        if (own, part, scope) not in UPWARDS:
            assert row[part] < row[own], f"{own} (row {row[own]}) imports {part} (row {row[part]}) {scope}"


def test_the_upward_imports_are_where_they_are_said_to_be() -> None:
    row = rows()
    found = {
        (own, part, scope)
        for file in FILES
        if (own := name_of(file).removesuffix(".py")) in row
        for part, scope in reached(file)
        if row[part] >= row[own]
    }
    assert found == UPWARDS


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Within a folder too, where the rows say nothing."""
    modules = {"aae." + name_of(f).removesuffix(".py").removesuffix("/__init__").replace("/", "."): f for f in FILES}
    graph = {}
    for module, file in modules.items():
        found = {dotted for dotted, scope in imports(tree_of(file)) if not scope}
        ends = {d if d in modules else d.rpartition(".")[0] for d in found}
        graph[module] = (ends & modules.keys()) - {module}
    del graph["aae.__init__"]
    assert any(graph.values())
    graphlib.TopologicalSorter(graph).prepare()


# One home for each thing


def uses(file: Path, name: str, home: str) -> bool:
    """Whether a file imports `name` from the module `home`, or takes it from there as an attribute."""
    tree = tree_of(file)
    short = home.rpartition(".")[2]
    taken = any(
        isinstance(node, ast.Attribute) and node.attr == name and ast.unparse(node.value) in (home, short)
        for node in ast.walk(tree)
    )
    return taken or any(dotted == f"{home}.{name}" for dotted, _ in imports(tree))


def calls(file: Path) -> set[str]:
    """Names of the methods that a file calls."""
    nodes = (node.func for node in ast.walk(tree_of(file)) if isinstance(node, ast.Call))
    return {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def test_only_the_game_takes_steps() -> None:
    assert [name_of(file) for file in FILES if uses(file, "step", "aae.phases")] == ["game.py"]


def test_only_the_step_computes_gradients_of_weights_and_moves_optimizers() -> None:
    """Beside the plain loop that the benchmark runs ours against, which is there to do it the usual way.

    A sharded optimizer moves the optimizer of its part.
    """
    found = [name_of(file) for file in FILES if {"backward", "step", "zero_grad"} & calls(file)]
    assert found == ["bench/plain.py", "phases.py", "sharding.py"]


@pytest.mark.parametrize("file", [file for file in FILES if name_of(file).startswith("models/")], ids=name_of)
def test_a_model_says_nothing_about_optimizers(file: Path) -> None:
    names = {ast.unparse(node) for node in ast.walk(tree_of(file)) if isinstance(node, (ast.Name, ast.Attribute))}
    names |= {dotted for dotted, _ in imports(tree_of(file))}
    assert names
    assert not [name for name in names if "optim" in name.lower()]


def test_no_model_inherits_from_another() -> None:
    bases = {
        ast.unparse(base)
        for file in FILES
        if name_of(file).startswith("models/")
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    }
    assert bases == {"Model"}


def test_the_algorithm_in_one_file_needs_nothing_of_ours() -> None:
    found = {dotted.split(".")[0] for dotted, _ in imports(tree_of(ROOT / "examples" / "aae_in_one_file.py"))}
    assert "torch" in found
    assert "aae" not in found


# A package that is quick to import

HEAVY = ("torch", "matplotlib", "sklearn", "scipy")


@pytest.mark.parametrize(
    "statement",
    [
        "import aae",
        "import aae.cli",
        "import aae; aae.recipes.digits_2d_uniform(); aae.Config()",
        "import aae.cli; aae.cli.main(['--help']); aae.cli.main(['recipes']); aae.cli.main(['train', '--help'])",
    ],
)
def test_what_needs_no_torch_does_not_import_it(statement: str) -> None:
    code = f"import sys, json\n{statement}\nprint()\nprint(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_the_check_for_heavy_imports_would_notice_one() -> None:
    code = f"import sys, json, aae\naae.priors\nprint(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "torch" in json.loads(done.stdout)


@pytest.mark.parametrize("name", aae.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(aae, name) is not None
    assert name in dir(aae)


def test_a_name_that_is_not_public_is_refused() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        aae.nothing  # noqa: B018


def test_the_version_is_that_of_the_distribution() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{aae.__version__}"\n' in text
