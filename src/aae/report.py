"""The page a person opens after training: the figures, the numbers with their floors, and what to do next.

Everything is inside the one file, so it can be mailed. The figures are also in RUN/figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from aae import comparison, metrics, plots
from aae.columns import Column
from aae.comparison import Compared
from aae.conditions import middle_condition, spelt_condition
from aae.config import WITH_DISCRIMINATOR
from aae.data import Dataset, Scaling, rows
from aae.evaluation import Rows, data_of, evaluate, known_classes, rows_of
from aae.evidence import Yardstick
from aae.figures import class_names, cluster_figure, style_figure
from aae.inference import Run
from aae.page import Section, page
from aae.storage import make_folders, storing, write_atomic, write_json
from aae.training import Listener

Array = np.ndarray
GRID, SAMPLES, PAIRS = 20, 64, 20
"""Codes along an axis of the manifold, random samples, and pairs of original and reconstruction."""
STYLES, CLASSES = 10, 40
"""Styles in the picture of styles and classes, and most classes that fit a picture."""


def write(run: Run, *, compare: bool = True, data: Dataset | None = None, listener: Listener | None = None) -> Path:
    """Measure the run on its test rows, draw every figure into RUN/figures, and write RUN/report.html.

    compare: also train the baselines that stand beside the run, if they are not there yet; see `aae.comparison`.
    Returns the path of the page. Raises RunError if the data has changed, StorageError if nothing can be written.
    """
    run, data = run.exact, data_of(run) if data is None else data
    numbers = evaluate(run, data=data)
    beside: list[Compared] = []
    if compare and run.config.model.kind != "autoencoder":  # which has no prior to hold anything against
        beside = comparison.compare(run, data, listener=listener)
        numbers["comparison"] = {one.name: {**one.numbers, "note": one.note} for one in beside}
        write_json(run.path / "metrics.json", numbers)
    folder = run.path / "figures"
    with storing(folder):
        make_folders(folder)
    drawing = _Drawing(run, data, beside)
    sections = [section for draw in drawing.all() for section in draw(folder)]
    write_atomic(run.path / "report.html", page(run, numbers, sections).encode())
    return run.path / "report.html"


def outside_prior(run: Run, n: int) -> Array:
    """Which codes of `run.grid(n)` lie where the prior is not, bool [rows, columns]."""
    codes = run.grid(n)
    inside = run.prior.contains(torch.from_numpy(codes.reshape(-1, run.latent)))
    return ~inside.numpy().reshape(codes.shape[:2])


class _Drawing:
    """The figures of one run; each method writes a file into the folder and says what is seen."""

    def __init__(self, run: Run, data: Dataset, beside: list[Compared]) -> None:
        self.run, self.data, self.beside = run, data, beside
        self.train, self.test = rows_of(data, "train"), rows_of(data, "test")
        self.has_prior = run.config.model.kind != "autoencoder"
        spec = run.spec
        self.shape, self.classes = spec.shape, spec.classes
        self.limits = (spec.minimum, spec.maximum) if spec.is_image else (None, None)

    def all(self) -> list[Callable[[Path], list[Section]]]:
        if self.run.spec.columns:
            found = [self.latent, self.columns, self.correlations, self.losses, self.health]
            return [*found, self.animation, self.compared]
        return [
            self.latent,
            self.manifold,
            self.holes,
            self.losses,
            self.health,
            self.pairs,
            self.samples,
            self.styles,
            self.clusters,
            self.animation,
            self.compared,
        ]

    def flat(self, x: Array) -> Array:
        """Rows in the data's layout as the plots take them: [n, features], channels first."""
        return rows(x, self.run.spec).numpy()

    def latent(self, folder: Path) -> list[Section]:
        prior = self.run.prior if self.has_prior else None
        figure = plots.latent_scatter(
            self.run.encode(self.train.x, sample=True),
            self.run.encode(self.test.x, sample=True),
            self.train.y,
            self.test.y,
            self.classes,
            None if prior is None else prior.outline(),
            "" if prior is None else _outline_name(prior.inside_mass),
            heads=self.run.heads,
            head_names=class_names(self.run),
        )
        plots.save(figure, folder / "latent.png")
        said = "Where the encoder puts the data: training rows as circles, test rows as crosses."
        if prior is not None:
            said += f" The line is the prior, {prior.describe()}."
        if self.run.heads is not None:
            said += (
                " Stars are the cluster heads; a code is a head plus a style, and the style alone is held to the prior."
            )
        return [Section("latent", "Latent space", said, folder / "latent.png")]

    def manifold(self, folder: Path) -> list[Section]:
        if not self.has_prior or self.run.model.beside:
            return []
        values, grid = self.run.traverse(GRID)
        cells = self.flat(grid.reshape(-1, *grid.shape[2:])).reshape(*grid.shape[:2], *self.shape)
        across = (values[0], values[1][::-1] if self.run.latent > 1 else np.zeros(1))
        outside = outside_prior(self.run, GRID)
        figure = plots.manifold(cells, self.shape, across, *self.limits, outside=outside)
        plots.save(figure, folder / "manifold.png")
        said = "What the decoder makes of codes along the prior's own quantiles, each cell equally probable."
        if not self.run.prior.separable:
            said = "What the decoder makes of an even grid of codes around the prior."
        if outside.all():
            said += " All of them lie outside the prior."
        elif outside.any():
            said += " Those that lie outside the prior are faded."
        if self.run.latent > 2:
            said += " The other dimensions of the code stay at the prior's centre."
        return [Section("manifold", "Manifold", said, folder / "manifold.png")]

    def holes(self, folder: Path) -> list[Section]:
        if not self.has_prior or self.run.model.beside:
            return []
        codes = self.run.encode(self.test.x, sample=True).astype(np.float64)
        yardstick = Yardstick(self.run.prior, len(codes))
        cells = yardstick.cell_map(codes)
        values, grid = self.run.traverse(GRID)
        images = self.flat(grid.reshape(-1, *grid.shape[2:])).reshape(*grid.shape[:2], *self.shape)
        across = [values[0], values[-1][::-1]][: min(self.run.latent, 2)]
        points = np.stack([axis.ravel() for axis in np.meshgrid(*across)], 1)  # row by row, the highest first
        figure = plots.hole_map(
            codes,
            cells.polygons,
            cells.ratio,
            cells.chance,
            self.run.prior.outline(),
            images,
            self.shape,
            cells.ratio_at(points).reshape(grid.shape[:2]),
            *self.limits,
        )
        plots.save(figure, folder / "holes.png")
        said = (
            f"The prior cut into {len(cells.polygons)} cells of equal probability, and how many of {len(codes):,} test "
            "codes each holds: what is decoded from a hole, no code of the data has taught the decoder."
        )
        return [Section("holes", "Holes and crowds", said, folder / "holes.png")]

    def losses(self, folder: Path) -> list[Section]:
        history = self.run.history
        names = dict.fromkeys(name for row in history for name in row)
        columns = {name: np.array([row.get(name, np.nan) for row in history], dtype=float) for name in names}
        splits = ("_train", "_validation", "_test")
        # The penalty is a means to an end, and its scale says nothing; it stays in history.csv.
        kept = {k: v for k, v in columns.items() if k.endswith(splits) and not k.startswith("gradient_penalty")}
        kept["epoch"] = columns["epoch"]
        plots.save(plots.losses(kept), folder / "losses.png")
        said = "Each loss on training and held-out rows."
        if self.run.config.model.kind in WITH_DISCRIMINATOR:
            said += (
                " A discriminator that cannot tell codes from prior samples scores log 2, and so does the generator "
                "it faces. That alone does not prove a match: see the two-sample test above."
            )
        return [Section("losses", "Losses", said, folder / "losses.png")]

    def health(self, folder: Path) -> list[Section]:
        """The doctor's verdict and figures, for a model that plays the game."""
        history = self.run.history
        names = list(dict.fromkeys(name for row in history for name in row))
        if not any(name.endswith("told_apart") for name in names):
            return []
        columns = {name: np.array([row.get(name, np.nan) for row in history], dtype=float) for name in names}
        plots.save(plots.health(columns), folder / "health.png")
        verdict = self.run.doctor()
        said = f"{verdict.code}: {verdict.sentence}"
        if verdict.setting:
            said += f" Change {verdict.setting} first."
        said += " Figures of held-out rows after each epoch."
        return [Section("health", "The doctor", said, folder / "health.png")]

    def pairs(self, folder: Path) -> list[Section]:
        x = self.test.x[:PAIRS]
        y = None if self.test.y is None else self.test.y[:PAIRS]
        names = None if y is None else [self.classes[i] if self.classes and i >= 0 else int(i) for i in y]
        told = None if self.test.conditions is None else self.test.conditions[:PAIRS]
        decoded = self.run.reconstruct(x, known_classes(self.run, Rows(x, y, told)))
        figure = plots.reconstructions(self.flat(x), self.flat(decoded), self.shape, names, *self.limits)
        plots.save(figure, folder / "reconstructions.png")
        said = f"The first {len(x)} test rows and what comes back from their codes."
        return [Section("reconstructions", "Reconstructions", said, folder / "reconstructions.png")]

    def styles(self, folder: Path) -> list[Section]:
        """The paper's figure 7 (of the model's own clusters, where it found them)."""
        classes, told = self.run.classes_told, self.run.spec.conditions
        if not classes or classes > CLASSES or self.run.spec.columns:  # rows of a table are no pictures
            return []
        said = "Each row of pictures is one style in every class: the style of zeros first, then draws from the prior."
        condition = None
        if told is not None:
            condition = middle_condition(self.run.directory.splits["conditions"], told.columns)
            said += f" All under the middle condition of training rows: {spelt_condition(condition, told.columns)}."
        plots.save(style_figure(self.run, STYLES, condition), folder / "styles.png")
        return [Section("styles", "Style and class", said, folder / "styles.png")]

    def clusters(self, folder: Path) -> list[Section]:
        """The paper's figure 9."""
        clusters = self.run.config.model.clusters or self.run.heads is not None
        if not clusters or self.run.spec.columns:
            return []
        plots.save(cluster_figure(self.run, self.test.x), folder / "clusters.png")
        said = (
            "Each cluster decoded with a style of zeros, and the first test rows that fall into it; in brackets the "
            "share of the test rows that do."
        )
        return [Section("clusters", "Clusters", said, folder / "clusters.png")]

    def samples(self, folder: Path) -> list[Section]:
        if not self.has_prior:
            return []
        figure = plots.samples(self.flat(self.run.sample(SAMPLES)), self.shape, *self.limits)
        plots.save(figure, folder / "samples.png")
        said = f"{SAMPLES} codes drawn from the prior at random and decoded, none picked by hand."
        return [Section("samples", "Random samples", said, folder / "samples.png")]

    def columns(self, folder: Path) -> list[Section]:
        """Of a table: the values of each column among held-out and generated rows."""
        if not self.has_prior:
            return []
        columns = self.run.spec.columns
        words = [("no", "yes") if c.kind == "boolean" else c.categories or None for c in columns]
        new = self.run.sample(max(len(self.test), SAMPLES))
        names = [f"{c.name} (year)" if c.kind == "time" else c.name for c in columns]
        figure = plots.columns(_in_years(self.test.x, columns), _in_years(new, columns), names, words)
        plots.save(figure, folder / "columns.png")
        said = (
            f"Each column among {len(self.test)} test rows and {len(new)} generated ones: decoded draws of the prior."
        )
        return [Section("columns", "Columns", said, folder / "columns.png")]

    def correlations(self, folder: Path) -> list[Section]:
        """Of a table: how features move together in held-out and generated rows."""
        if not self.has_prior:
            return []
        scaling, columns = Scaling(self.run.spec), self.run.spec.columns
        new = self.run.sample(max(len(self.test), SAMPLES))
        names = [f"{c.name}: {word}" for c in columns for word in (c.categories or ("",))]
        found = [
            metrics.correlations(scaling.apply(torch.from_numpy(x)).numpy()[:, : len(names)])
            for x in (self.test.x, new)
        ]
        names = [name.removesuffix(": ") for name in names]
        plots.save(plots.correlations(found[0], found[1], names), folder / "correlations.png")
        said = "Correlations between columns (each category a column of its own) in test rows and in generated ones."
        return [Section("correlations", "Correlations", said, folder / "correlations.png")]

    def animation(self, folder: Path) -> list[Section]:
        epochs = sorted(self.run.frames)
        frames = [self.run.frames[epoch] for epoch in epochs]
        labels = None if self.train.y is None else self.train.y[: len(frames[0])]
        outline = self.run.prior.outline() if self.has_prior else None
        path = folder / "training.gif"
        plots.animation(frames, epochs, labels, outline, path, self.classes)
        said = f"The codes of {len(frames[0])} training rows from the first weights to the last epoch."
        return [Section("training", "The latent space through training", said, path)]

    def compared(self, folder: Path) -> list[Section]:
        if not self.beside:
            return []
        panels = [
            plots.Panel(
                one.name, one.codes, self.test.y, one.prior.outline(), one.numbers.get("empty_cells"), _short(one)
            )
            for one in self.beside
        ]
        plots.save(plots.comparison(panels, self.classes), folder / "comparison.png")
        moved = ", ".join(one.name for one in self.beside if one.note == comparison.MATCHED)
        said = (
            "The same test rows under each method, with the share of the prior's equal-probability cells that no "
            f"code reaches. {moved} know no prior: their codes are shifted and scaled to this run's prior."
        )
        return [Section("comparison", "Side by side", said, folder / "comparison.png")]


def _in_years(values: Array, columns: Sequence[Column]) -> Array:
    """Values of a table with times as years, which a person can read off an axis."""
    times = np.array([column.kind == "time" for column in columns])
    return np.where(times, 1970 + values / (365.2425 * 86_400), values)


def _outline_name(mass: float) -> str:
    return "prior" if mass == 1 else f"{mass:.0%} of the prior"


def _short(one: Compared) -> str:
    """Against what a method's codes are held, short enough to stand above its panel."""
    if one.note == comparison.MATCHED:
        return "shifted and scaled"
    if one.note == comparison.STYLE_ALONE:
        return "of the style, without the head"
    return f"its prior: {type(one.prior).__name__}, deviation {one.prior.spread:.3g}"
