"""Trackers: a run's numbers and pictures to TensorBoard, Weights & Biases or MLflow, as callbacks.

They look at what the history holds anyway, and at codes once training is over, so they change no byte of a run.
"""

from __future__ import annotations

import importlib.util
import io
import math
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from aae.config import Config, flatten
from aae.data import Dataset, original
from aae.data import rows as as_rows
from aae.errors import ConfigError
from aae.inference import Run
from aae.tracking.callbacks import Callback, Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 2000
"""Most codes in the projector."""
SPRITE = 64
"""Largest side of a picture in the projector, in pixels."""
PROJECT = "aae"
"""The project or experiment that runs are put into."""


def trackers(config: Config) -> list[Callback]:
    """The trackers that `config.log` asks for. ConfigError that names the extra of one that is not installed."""
    return [TRACKERS[name]() for name in config.log]


def scalars(row: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers in a row of the history, under the names that they have there."""
    numbers = {name: value for name, value in row.items() if isinstance(value, (int, float)) and name != "epoch"}
    return {name: float(value) for name, value in numbers.items() if math.isfinite(value)}


def settings(config: Config) -> dict[str, str]:
    """Every setting by its dotted name, as text, but for what was in a prior's file."""
    return {name: str(value) for name, value in flatten(config).items() if name != "prior.content"}


def pictures(run: Run, data: Dataset) -> dict[int, Figure]:
    """The latent scatter at each epoch that the animation keeps codes of: codes of the first training rows."""
    from aae.plots import latent_scatter  # matplotlib, which training itself does without

    outline = None if run.config.model.kind == "autoencoder" else run.prior.outline()

    def scatter(codes: np.ndarray) -> Figure:
        y = None if data.y is None else data.y[data.splits.train[: len(codes)]].numpy()
        return latent_scatter(codes, codes[:0], y, None if y is None else y[:0], data.spec.classes, outline)

    return {epoch: scatter(codes) for epoch, codes in run.frames.items()}


def projected(run: Run, data: Dataset) -> tuple[np.ndarray, list[str] | None, torch.Tensor | None]:
    """Codes of held-out rows (training rows where there are none) for a projector, with their classes and pictures."""
    rows = (data.splits.test if len(data.splits.test) else data.splits.train)[:POINTS]
    x, spec = original(data.take(rows), data.spec), data.spec
    names = None
    if data.y is not None:
        known = spec.classes or ()
        names = [known[k] if 0 <= k < len(known) else "unlabelled" for k in data.y[rows].tolist()]
    images = None
    if spec.is_image and spec.shape[-1] == spec.shape[-2] <= SPRITE:
        flat = as_rows(x, spec)
        low = float(flat.min()) if spec.minimum is None else spec.minimum
        high = float(flat.max()) if spec.maximum is None else spec.maximum
        images = ((flat - low) / max(high - low, 1e-12)).clamp(0, 1).reshape(-1, *spec.shape[-3:])
        images = images[:, None] if images.ndim == 3 else images
        images = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images[:, :3]
    return run.encode(x), names, images


def _needs(package: str, name: str) -> None:
    """ConfigError unless the package is there. TensorBoard comes with this one, the others with extras."""
    if importlib.util.find_spec(package) is None:
        asked = package if package == "tensorboard" else f"'adversarial-autoencoder[{package}]'"
        raise ConfigError(f"log = {package} needs {name}, which is not installed: pip install {asked}")


class TensorBoard(Callback):
    """Event files in RUN/tensorboard: scalars as training goes; latent scatters and the projector at its end."""

    def __init__(self) -> None:
        _needs("tensorboard", "TensorBoard")

    def start(self, path: Path, config: Config, data: Dataset, epoch: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            from torch.utils.tensorboard import SummaryWriter

        # What an earlier, killed process wrote beyond its last checkpoint is taken back.
        self.data = data
        self.writer = SummaryWriter(str(path / "tensorboard"), purge_step=epoch + 1 if epoch else None)
        lines = [f"    {name} = {value}" for name, value in settings(config).items()]
        self.writer.add_text("settings", "\n".join(lines), epoch)

    def epoch(self, moment: Progress) -> None:
        assert moment.row is not None
        for name, value in scalars(moment.row).items():
            self.writer.add_scalar(name, value, moment.epoch)
        self.writer.flush()

    def end(self, run: Run) -> None:
        for epoch, figure in pictures(run, self.data).items():
            self.writer.add_figure("latent", figure, epoch)
        codes, names, images = projected(run, self.data)
        self.writer.add_embedding(codes, metadata=names, label_img=images, tag="codes", global_step=len(run.history))

    def close(self) -> None:
        if hasattr(self, "writer"):
            self.writer.close()


class WandB(Callback):
    """A run of Weights & Biases; $WANDB_MODE, $WANDB_PROJECT and the like mean what they always do."""

    def __init__(self) -> None:
        _needs("wandb", "Weights & Biases")
        self.run: Any = None

    def start(self, path: Path, config: Config, data: Dataset, epoch: int) -> None:
        import wandb

        self.data = data
        project = os.environ.get("WANDB_PROJECT", PROJECT)
        quiet = wandb.Settings(silent=True)
        self.run = wandb.init(project=project, name=path.name, dir=str(path), config=settings(config), settings=quiet)

    def epoch(self, moment: Progress) -> None:
        assert moment.row is not None
        self.run.log(scalars(moment.row), step=moment.epoch)

    def end(self, run: Run) -> None:
        import wandb
        from PIL import Image

        figures = pictures(run, self.data)
        if figures:
            drawn = io.BytesIO()  # as a picture: of a figure wandb asks for pyplot, which nobody may have imported
            figures[max(figures)].savefig(drawn, format="png")
            self.run.log({"latent": wandb.Image(Image.open(drawn))}, step=len(run.history) + 1)

    def close(self) -> None:
        if self.run is not None:
            self.run.finish()


class MLflow(Callback):
    """A run of MLflow, in $MLFLOW_TRACKING_URI, or else in RUN/mlflow.db with its pictures in RUN/mlartifacts."""

    def __init__(self) -> None:
        _needs("mlflow", "MLflow")
        self.client: Any = None

    def start(self, path: Path, config: Config, data: Dataset, epoch: int) -> None:
        from mlflow import MlflowClient

        self.data = data
        given = os.environ.get("MLFLOW_TRACKING_URI")
        self.client = MlflowClient(tracking_uri=given or f"sqlite:///{(path / 'mlflow.db').resolve()}")
        found = self.client.get_experiment_by_name(PROJECT)
        where = None if given else (path / "mlartifacts").resolve().as_uri()
        experiment = found.experiment_id if found else self.client.create_experiment(PROJECT, artifact_location=where)
        self.run, self.status = self.client.create_run(experiment, run_name=path.name).info.run_id, "KILLED"
        for name, value in settings(config).items():
            self.client.log_param(self.run, name, value[:6000])

    def epoch(self, moment: Progress) -> None:
        assert moment.row is not None
        for name, value in scalars(moment.row).items():
            self.client.log_metric(self.run, name, value, step=moment.epoch)

    def end(self, run: Run) -> None:
        for epoch, figure in pictures(run, self.data).items():
            self.client.log_figure(self.run, figure, f"latent/epoch-{epoch:05d}.png")
        self.status = "FINISHED"

    def close(self) -> None:
        if hasattr(self, "status"):
            self.client.set_terminated(self.run, status=self.status)


TRACKERS: dict[str, type[Callback]] = {"tensorboard": TensorBoard, "wandb": WandB, "mlflow": MLflow}
