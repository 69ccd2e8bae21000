"""The figures of docs/tuning.md: a short search on the bundled digits.

    python benchmarks/tuning.py STUDY.db

A study that exists is gone on with.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from aae import recipes
from aae.config import replace
from aae.tuning import tune

DOCS = Path(__file__).parents[1] / "docs"
TRIALS = 16
SETTINGS = {"data.validation": 0.25, "epochs": 15}


def block(name: str, text: str) -> None:
    """Write `text` between <!-- NAME --> and <!-- /NAME --> of the page."""
    page = DOCS / "tuning.md"
    inside = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    page.write_text(inside.sub(rf"\g<1>{text}\n\g<2>", page.read_text(encoding="utf-8")), encoding="utf-8")
    print(text)


def main() -> None:
    study = Path(sys.argv[1])
    base = replace(recipes.recipe("digits-2d-uniform"), SETTINGS)
    result = tune(base, study, trials=TRIALS, say=print)
    block("found", "\n".join(["```text", *result.lines(), "```"]))
    (DOCS / "images" / "tuning.png").write_bytes((study.with_suffix("") / "pareto.png").read_bytes())


if __name__ == "__main__":
    main()
