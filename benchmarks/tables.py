"""What the scripts share: numbers that are kept as they are measured, and tables put into the documentation."""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "estimators.md"


class Kept:
    """Numbers by what they were measured on, in a CSV file: a row as soon as it is there.

    A script that is started again goes on where it was stopped; remove the file to measure anew.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[tuple[str, ...], tuple[float, ...]] = {}
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                for *key, values in csv.reader(file):
                    self.rows[tuple(key)] = tuple(map(float, values.split()))

    def once(self, *key: object, measure: Callable[[], Sequence[float]]) -> tuple[float, ...]:
        """The numbers of this key: those in the file, or those that `measure` gives, which are added to it."""
        name = tuple(map(str, key))
        if name not in self.rows:
            values = tuple(float(value) for value in measure())
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow((*name, " ".join(map(repr, values))))
            self.rows[name] = values
            print(*name, *(f"{value:.4f}" for value in values), flush=True)
        return self.rows[name]


def kept(name: str) -> Kept:
    """The numbers of a script, in runs/benchmarks/NAME.csv."""
    return Kept(ROOT / "runs" / "benchmarks" / f"{name}.csv")


def seeds_asked_for(what: str | None) -> range:
    """The seeds named on the line of a script that says `what` it does: --seeds of them, from --first on."""
    parser = argparse.ArgumentParser(description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    given = parser.parse_args()
    return range(given.first, given.first + given.seeds)


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation over runs."""
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}"


def table(columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    return "\n".join([*lines, *("| " + " | ".join((name, *cells)) + " |" for name, cells in rows.items())])


def put(name: str, text: str, page: Path = PAGE) -> None:
    """Write `text` between <!-- NAME --> and <!-- /NAME --> in a page of the documentation, and print it."""
    print(text)
    written = page.read_text(encoding="utf-8")
    inside = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    assert inside.search(written), f"{page} has no place for {name}"
    page.write_text(inside.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", written), encoding="utf-8")
