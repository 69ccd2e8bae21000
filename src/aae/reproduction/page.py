"""A reproduction as Markdown: the table beside the paper's, pictures, and the command that made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from aae.config import pairs, show, to_dict
from aae.recipes import RECIPES
from aae.reproduction.experiment import Budget, Control, Experiment, Measure, Numbers, Picture

BY_SEED = ("recipe", "seed", "data.label_seed")
"""Settings in which the runs of a row differ."""


def page(
    name: str,
    experiment: Experiment,
    values: dict[str, list[Numbers]],
    budget: Budget,
    epochs: dict[str, int],
    controls: Sequence[Control] = (),
    pictures: Sequence[Picture] = (),
    machines: Sequence[Mapping[str, str]] = (),
) -> str:
    """The page. values: what was measured on the runs of each case, seed by seed; epochs: how long each trained.

    machines: for each run its device, the type of its products and the version of PyTorch.
    """
    measures, beside = experiment.measures, experiment.measures[1:]
    head = ["", "paper", f"ours: {measures[0].name}", *(m.name for m in beside), "seeds", "epochs", "best public"]
    rows = [head, ["---"] * len(head)]
    for case in experiment.cases:
        ours = values.get(case.key, [])
        cells = [_over_seeds(m, ours, said=m is measures[0]) for m in measures] if ours else _not_run(measures)
        trained = str(epochs.get(case.key, ""))
        rows.append([case.name, case.paper, *cells, str(len(ours)), trained, case.best])
    for row in controls:
        cells = [_over_seeds(m, [row.numbers], said=False) for m in measures]
        rows.append([row.name, row.paper, *cells, "", "", row.best])
    most = max((len(v) for v in values.values()), default=1)
    lines = [f"# {experiment.title}", "", *("| " + " | ".join(row) + " |" for row in rows), ""]
    seen = "one seed each, seed 0" if most == 1 else "mean and standard deviation over seeds, from 0 on"
    lines += [f"{experiment.legend} Ours: {seen}.", ""]
    lines += [line for note in experiment.notes for line in (note, "")]
    lines += [*_settings(experiment, budget), ""]
    for picture in pictures:
        lines += [f"![{picture.file.removesuffix('.png')}]({picture.file})", "", f"{picture.caption}.", ""]
    made = ", then ".join(f"`{command}`" for command in _commands(name, experiment, values, budget))
    on = sorted({f"{m['device']}, {m['precision']} products, torch {m['torch']}" for m in machines if m})
    trained = f" Trained on {'; '.join(on)}." if on else ""
    lines += [f"Made by {made}; settings of each run: `configuration.json`.{trained}", ""]
    return "\n".join(lines)


def _not_run(measures: Sequence[Measure]) -> list[str]:
    return ["not run", *("" for _ in measures[1:])]


def _settings(experiment: Experiment, budget: Budget) -> list[str]:
    """The recipe behind each row, and what the row and the budget change in it, by their settings' names."""
    lines = []
    for case in experiment.cases:
        config = case.settings(0, budget)
        names = [name for name in RECIPES if config.recipe.startswith(name)]
        if not names:
            continue
        name = max(names, key=len)
        base, own = (dict(pairs(to_dict(c))) for c in (RECIPES[name](), config))
        changed = [f"{key} = {show(value)}" for key, value in own.items() if base.get(key, ...) != value]
        beside = [said for said in changed if said.split(" = ")[0] not in BY_SEED]
        lines.append(f"- {case.name}: `{name}`{' with ' if beside else ''}{', '.join(beside)}")
    return (
        [f"Recipes (`aae recipes`), and what is changed in them with the {budget} budget:", "", *lines] if lines else []
    )


def _commands(name: str, experiment: Experiment, values: dict[str, list[Numbers]], budget: Budget) -> list[str]:
    """One for each number of seeds that some of the cases have, in one folder."""
    found = []
    for seeds in sorted({len(of) for of in values.values()} or {1}):
        cases = [key for key, of in values.items() if len(of) == seeds]
        some = "" if len(cases) in (0, len(experiment.cases)) else " --only " + " ".join(cases)
        found.append(f"aae reproduce {name} --budget {budget} --seeds {seeds}{some}")
    return found


def _over_seeds(measure: Measure, found: Sequence[Numbers], said: bool) -> str:
    values = [measure.of(numbers) for numbers in found]
    return spread([value for value in values if value is not None], measure.digits, said)


def spread(values: Sequence[float], digits: int = 2, said: bool = True) -> str:
    """Mean and deviation over seeds (n - 1), or one seed's value, and if so `said`, that it is one seed's."""
    if len(values) < 2:
        return "".join(f"{value:.{digits}f}{' (one seed)' if said else ''}" for value in values)
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}"
