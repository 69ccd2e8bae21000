"""Puts a table that a script made between the two marks of its name in a page of the documentation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

PAGE = Path(__file__).parents[1] / "docs" / "estimators.md"


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation over runs."""
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}"


def table(columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    return "\n".join([*lines, *("| " + " | ".join((name, *cells)) + " |" for name, cells in rows.items())])


def put(name: str, text: str) -> None:
    """Write `text` between <!-- NAME --> and <!-- /NAME --> in docs/estimators.md, and print it."""
    print(text)
    page = PAGE.read_text(encoding="utf-8")
    inside = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    assert inside.search(page), f"{PAGE} has no place for {name}"
    PAGE.write_text(inside.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page), encoding="utf-8")
