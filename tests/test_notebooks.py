"""The notebooks: one for each journey, small, without stored outputs, and run from the first cell to the last."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_there_is_one_for_each_journey() -> None:
    wanted = ["anomalies", "digits", "few_labels", "own_images", "table_with_gaps"]
    assert [path.stem for path in NOTEBOOKS] == wanted


@EACH
def test_a_notebook_is_small_readable_and_stripped(path: Path) -> None:
    book = json.loads(path.read_text(encoding="utf-8"))
    assert path.stat().st_size < 20_000
    assert book["cells"][0]["cell_type"] == "markdown", "it begins by saying what it is about"
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            assert not cell["outputs"], "clear the outputs before you save it"
            assert cell["execution_count"] is None
            ast.parse("".join(cell["source"]))


@EACH
@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the notebook machinery; those of the code appear in the notebook
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    book = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(book, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 1
    assert not [output for output in outputs if output.output_type == "error"]
