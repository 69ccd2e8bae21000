"""The figures of docs/tuning.md: a search on the bundled digits, then the chosen settings beside the recipe's own.

    python benchmarks/tuning.py STUDY.db

A study that exists is gone on with. The search chooses by validation rows; the table is of test rows, over three seeds
that the search has not used.
"""

from __future__ import annotations

import re
import statistics
import sys
from pathlib import Path

from aae import recipes, training
from aae.config import Config, replace
from aae.data import load
from aae.evaluation import measure, rows_of
from aae.tuning import tune

DOCS = Path(__file__).parents[1] / "docs"
TRIALS, SEEDS = 30, (1, 2, 3)
MEASURES = {"c2st": "C2ST", "energy": "energy distance", "mse": "squared error", "knn_accuracy": "5-NN accuracy"}


def block(name: str, text: str) -> None:
    """Write `text` between <!-- NAME --> and <!-- /NAME --> of the page."""
    page = DOCS / "tuning.md"
    inside = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    page.write_text(inside.sub(rf"\g<1>{text}\n\g<2>", page.read_text(encoding="utf-8")), encoding="utf-8")
    print(text)


def scores(config: Config) -> dict[str, str]:
    """Mean and spread over seeds of each measure on test rows."""
    data, found = load(config.data), []
    for seed in SEEDS:
        run = training.train_in_memory(replace(config, {"seed": seed}), data)
        train, held = rows_of(data, "train"), rows_of(data, "test")
        codes = run.encode(held.x)
        found.append(measure(data, train, held, run.encode(train.x), codes, run.reconstruct(held.x), prior=run.prior))
    floor = {key: f" (floor {found[0][f'{key}_floor']:.3f})" for key in MEASURES if f"{key}_floor" in found[0]}
    return {
        key: f"{statistics.mean(f[key] for f in found):.4f} ± {statistics.stdev(f[key] for f in found):.4f}"
        f"{floor.get(key, '')}"
        for key in MEASURES
    }


def main() -> None:
    study = Path(sys.argv[1])
    base = replace(recipes.recipe("digits-2d-uniform"), {"data.validation": 0.25})
    result = tune(base, study, trials=TRIALS, say=print)
    block("found", "\n".join(["```text", *result.lines(), "```"]))
    (DOCS / "images" / "tuning.png").write_bytes((study.with_suffix("") / "pareto.png").read_bytes())
    columns = {"the recipe": scores(base), "chosen": scores(result.best)}
    rows = [f"| {name} | {' | '.join(column[key] for column in columns.values())} |" for key, name in MEASURES.items()]
    block("beside", "\n".join([f"| | {' | '.join(columns)} |", "| --- | --- | --- |", *rows]))


if __name__ == "__main__":
    main()
