"""Which recipe for which data: the shape, types, rows, labels and machine in; settings and the reasons for them out.

Rules, not a search: each says what it saw and what it chose, so that a person can disagree with one of them. Nothing is
trained, and nothing of the held-out rows is looked at.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from aae.config import Config, DataSpec, flatten, replace, resolve
from aae.data import Dataset
from aae.errors import ConfigError
from aae.hardware import device_of
from aae.recipes import recipe

Goal = Literal["auto", "look", "generate", "classify", "cluster", "anomalies"]
GOALS: dict[str, str] = {
    "look": "a map of two dimensions",
    "generate": "new rows",
    "classify": "a class for rows without a label",
    "cluster": "groups without labels",
    "anomalies": "rows unlike the others",
}
FEW_ROWS, MANY_ROWS = 1000, 200_000
"""Training rows below which networks are kept small and numbers uncertain, and above which an epoch is long."""
LARGE_SIDE, HUGE_SIDE = 32, 128
"""Sides of an image from which it is convolved, and from which it is better made smaller first (pixels)."""
RARE = 10
"""A class with fewer labelled training rows than this is hardly learnt."""


@dataclass(frozen=True)
class Advice:
    """recipe: its name. config: the resolved settings. changes: what is set on top of the recipe, by dotted name.

    reasons: one for each choice, in the order in which they were made. cautions: what the data may do to the result.
    """

    recipe: str
    config: Config
    goal: str
    changes: dict[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """The line that trains this."""
        words = ["aae", "train", self.recipe]
        for key, value in self.changes.items():
            name = "--data" if key == "data.source" else f"--{key.replace('_', '-')}"
            if isinstance(value, bool):
                words.append(name if value else f"--{name[2:].rpartition('.')[0]}.no-{name.rpartition('.')[2]}")
            else:
                words += [name, *map(str, value if isinstance(value, (tuple, list)) else (value,))]
        return shlex.join(words)

    def lines(self) -> list[str]:
        """For people, with the command first."""
        said = [self.command, "", f"for {GOALS[self.goal]}, because:"]
        said += [f"  - {reason}" for reason in self.reasons]
        if self.cautions:
            said += ["mind that:", *(f"  - {caution}" for caution in self.cautions)]
        return said


@dataclass
class _Choice:
    """What has been chosen so far."""

    recipe: str = "auto"
    changes: dict[str, Any] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    cautions: list[str] = field(default_factory=list)

    def set(self, reason: str, **settings: Any) -> None:
        self.changes |= {key.replace("__", "."): value for key, value in settings.items()}
        self.reasons.append(reason)


def recommend(config: Config, data: Dataset, goal: Goal = "auto") -> Advice:
    """Settings for this data, and why. config: whose `data` says how the data was read, which is kept.

    goal: what the model is for; "auto": a class where some rows have none, else new rows for a table, else a map.
    ConfigError for a goal that the data cannot serve.
    """
    chosen = goal if goal != "auto" else _goal(data)
    choice = _Choice()
    rules: Sequence[Callable[[_Choice, Dataset, str], None]] = (_model, _latent, _networks, _machine, _cautions)
    for rule in rules:
        rule(choice, data, chosen)
    named = {k: v for k, v in flatten(config.data).items() if v != flatten(Config().data)[k]}
    changes = {f"data.{key}": value for key, value in named.items()} | choice.changes
    base = recipe(choice.recipe)
    changes = {key: value for key, value in changes.items() if flatten(base)[key] != value}
    settled = resolve(base, replace(base, changes))
    return Advice(choice.recipe, settled, chosen, changes, tuple(choice.reasons), tuple(choice.cautions))


def described(data: Dataset) -> str:
    """The data in a line: rows, shape, types, labels."""
    spec, rows = data.spec, len(data.splits.train)
    if spec.columns:
        kinds = [column.kind for column in spec.columns]
        count = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        shape = f"a table of {len(kinds)} columns ({count})"
    elif spec.is_image:
        shape = f"images of {' x '.join(map(str, spec.original_shape))}"
    else:
        shape = f"vectors of {spec.features}"
    labelled = _labelled(data)
    said = "no labels" if not labelled else f"{len(spec.classes or ())} classes, {labelled:,} training rows labelled"
    return f"{spec.name}: {rows:,} training rows, {shape}, {said}"


def _labelled(data: Dataset) -> int:
    if data.y is None or not data.spec.classes:
        return 0
    return int((data.y[data.splits.train] >= 0).sum())


def _channels_and_side(spec: DataSpec) -> tuple[int, int]:
    """Channels of an image and its longer side in pixels."""
    return (spec.shape[0] if len(spec.shape) == 3 else 1), max(spec.shape[-2:])


def convolved(spec: DataSpec) -> bool:
    """Whether rows are images in colour or so large that dense layers would see too little of what is near."""
    if not spec.is_image:
        return False
    channels, side = _channels_and_side(spec)
    return channels > 1 or side >= LARGE_SIDE


def _goal(data: Dataset) -> str:
    if 0 < _labelled(data) < len(data.splits.train):
        return "classify"
    return "generate" if data.spec.columns else "look"


def _model(choice: _Choice, data: Dataset, goal: str) -> None:
    """The recipe and the kind of model."""
    labelled, classes = _labelled(data), len(data.spec.classes or ())
    if data.spec.columns:
        choice.recipe = "table-8d-gaussian"
        choice.reasons.append("a table: every column gets the likelihood of its type, and gaps are modelled")
    elif data.spec.name in ("digits", "mnist") and goal == "look":
        choice.recipe = f"{data.spec.name}-2d-uniform"
        choice.reasons.append(f"{data.spec.name} has a recipe that was tuned for it")
    elif convolved(data.spec):
        choice.recipe = "images-2d-uniform"
        channels, side = _channels_and_side(data.spec)
        choice.reasons.append(
            f"{side} pixels a side{' in colour' if channels > 1 else ''}: convolutions keep what is near together, and "
            "images-2d-uniform has them"
        )
    else:
        blocks = goal in ("classify", "cluster")
        why = "the size of the run follows the rows" if blocks else "the adversary's pull is measured, not tuned"
        choice.reasons.append(f"recipe auto: {why}")
    if goal == "classify":
        if classes < 2:
            raise ConfigError(
                f"{data.spec.name} has no labels to learn a class from; name their column with --label, "
                "or choose another goal"
            )
        choice.set(
            f"{labelled:,} of {len(data.splits.train):,} training rows have a label: semi-supervised learns the class "
            "from those and the shape of the data from all",
            model__kind="semi-supervised",
        )
    elif goal == "cluster":
        number = classes if classes >= 2 else 10
        why = f"as many clusters as there are classes ({number})" if classes >= 2 else "10 clusters to begin with"
        choice.set(f"{why}; more than you expect is safer than fewer", model__kind="clustering", model__clusters=number)
    if goal in ("classify", "cluster"):
        choice.set(
            f"learning rates as {'AAEClassifier' if goal == 'classify' else 'AAECluster'} has them",
            optimizer__discriminator__learning_rate=1e-3,
            optimizer__generator__learning_rate=1e-3,
        )
    elif labelled and goal in ("look", "generate"):
        choice.reasons.append(
            "labels are not used: they colour the map. --model.kind supervised separates class from style, and "
            f"--prior.kind mixture --prior.components {classes} --prior.labels gives each class its own place"
        )


def _latent(choice: _Choice, data: Dataset, goal: str) -> None:
    """Dimensions of the code, and the prior."""
    features = data.spec.features
    if goal == "look":
        choice.set(
            "two dimensions, to be looked at, on a square that fills the map", model__latent=2, prior__kind="uniform"
        )
        return
    most = max(2, features - 1)
    wanted = {"anomalies": round(1.5 * math.sqrt(features)), "classify": 5, "cluster": 5}.get(goal, 8)
    latent = max(2, min(wanted, most, 32))
    why = "1.5 times the root of the number of features" if goal == "anomalies" else "more than a map needs"
    if latent < wanted:
        why = f"the data has {features} features"
    choice.set(
        f"{latent} dimensions ({why}) on a Gaussian, which needs no boundary",
        model__latent=latent,
        prior__kind="gaussian",
        prior__scale=1.0,
    )
    if goal in ("classify", "cluster"):
        choice.reasons.append("the code is the style beside the class, so it may be small")


def _networks(choice: _Choice, data: Dataset, goal: str) -> None:
    """The networks, by the shape and the number of rows."""
    rows, spec = len(data.splits.train), data.spec
    if convolved(data.spec):
        if (side := _channels_and_side(data.spec)[1]) > HUGE_SIDE:
            choice.cautions.append(f"{side} pixels a side are slow; for a folder of images try --image-size 64")
        return
    if spec.is_image:
        choice.reasons.append(f"{max(spec.shape[-2:])} pixels a side, grey: dense layers are enough, and fast")
    if rows < FEW_ROWS:
        width = min(256, max(32, 2 ** math.ceil(math.log2(4 * spec.features))))
        choice.set(
            f"{rows:,} training rows: layers of {width} units are enough, and learn less by heart",
            model__encoder=(width, width),
            model__decoder=(width, width),
            model__discriminator=(width,) * len(recipe(choice.recipe).model.discriminator),
        )


def _machine(choice: _Choice, data: Dataset, goal: str) -> None:
    """What the machine asks for."""
    device = device_of("auto")
    if device.type == "cuda":
        choice.reasons.append("a CUDA GPU is found and used; the step is recorded as a graph (cuda_graphs)")
    elif convolved(data.spec):
        choice.reasons.append("no GPU: convolutions gain from all processor threads, and have them (threads = 0)")
        if len(data.splits.train) > MANY_ROWS // 10:
            choice.cautions.append("convolutions over so many rows take hours without a GPU")


def _cautions(choice: _Choice, data: Dataset, goal: str) -> None:
    """What the data may do to the result."""
    spec, train = data.spec, data.splits.train
    rows = len(train)
    if rows < FEW_ROWS:
        choice.cautions.append(
            f"{rows:,} training rows: every number is uncertain; repeat with --seed 1, 2, ... and use aae compare"
        )
    if rows > MANY_ROWS:
        choice.cautions.append(f"{rows:,} rows make long epochs; begin with --epochs 1 to see the time")
    if not len(data.splits.test):
        choice.cautions.append("there are no test rows, so nothing says how it does on new ones")
    if data.y is not None and goal in ("classify", "cluster"):
        y = data.y[train].numpy()
        counts = np.bincount(y[y >= 0], minlength=len(spec.classes or ()))
        rare = [name for name, count in zip(spec.classes or (), counts, strict=False) if count < RARE]
        if goal == "classify" and rare:
            choice.cautions.append(f"classes with fewer than {RARE} labelled rows: {', '.join(rare[:5])}")
        if len(counts) and counts.max() > 3 * max(1, counts.min()):
            choice.cautions.append(
                "classes of very different size: the class head is held to equally likely ones, which splits large ones"
            )
    if spec.columns and (gaps := [column.name for column in spec.columns if column.missing]):
        choice.cautions.append(f"gaps in {', '.join(gaps[:5])}: add --data.hide 0.1 if you want to fill gaps (impute)")
    if goal == "anomalies":
        choice.cautions.append(
            "aae export RUN --onnx DIR then has the score and its threshold, as AAEOutlierDetector does in Python; odd "
            "rows among the training rows raise it"
        )


def facts(advice: Advice, data: Dataset) -> dict[str, Any]:
    """The advice for a program."""
    return {
        "data": described(data),
        "goal": advice.goal,
        "recipe": advice.recipe,
        "settings": {key: list(v) if isinstance(v, tuple) else v for key, v in advice.changes.items()},
        "command": advice.command,
        "reasons": list(advice.reasons),
        "cautions": list(advice.cautions),
    }
