"""Pictures that more than one experiment draws from its runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aae import plots
from aae.data import rows
from aae.evaluation import data_of, rows_of
from aae.figures import limits
from aae.inference import Run
from aae.reproduction.experiment import Experiment, Found, Picture

Array = np.ndarray


def error_curves(experiment: Experiment, found: Found, folder: Path) -> list[Picture]:
    """The validation error of every run after each epoch."""
    curves = {}
    for key, runs in found.items():
        for run in runs:
            error = np.array([100 * row["error_validation"] for row in run.history])
            curves[f"{experiment.name_of(key)}, seed {run.config.seed}"] = (np.arange(1, len(error) + 1), error)
    plots.save(plots.curves(curves, "epoch", "validation error (%)"), folder / "curves.png")
    return [Picture("curves.png", "Validation error after each epoch of the runs in the legend")]


def scatter(experiment: Experiment, found: Found, file: Path, most: int = 3000) -> Picture:
    """Held-out test codes under the first seed of each case, side by side, with the prior's outline."""
    panels, classes = [], None
    for key, (run, *_) in found.items():
        test, classes = rows_of(data_of(run), "test"), run.spec.classes
        codes = run.encode(test.x, sample=True)
        panels.append(plots.Panel(experiment.name_of(key), codes, test.y, run.prior.outline()))
    plots.save(plots.comparison(panels, classes, max_points=most), file)
    return Picture(file.name, "Codes of held-out test rows, coloured by class; the line holds 99 % of the prior")


def walks(run: Run, codes: Array, file: Path, title: str, down: str) -> None:
    """Decoded codes [steps, classes, latent]: a class to a column, a step to a row."""
    steps, classes, latent = codes.shape
    flat = rows(run.decode(codes.reshape(-1, latent)), run.spec).numpy()
    cells = flat.reshape(steps, classes, *run.spec.shape)
    figure = plots.style_by_class(cells, run.spec.shape, run.spec.classes, *limits(run), title=title, down=down)
    plots.save(figure, file)
