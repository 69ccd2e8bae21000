"""The parts of a run as plain modules, from original units to original units, for another program to run.

Each graph is what the methods of `Run` do, scaling included, in one `forward` without Python around it: networks are
copies whose stacks of dense layers are PyTorch's own layers, so that an exporter sees nothing of ours.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aae.anomaly import FINE, FLAT, LEAST, Usual, discounts
from aae.config import DataSpec, plain
from aae.data import Scaling
from aae.inference import Run, judge
from aae.networks import MLP
from aae.phases import Model

ROWS = 4
"""Rows of the example that a graph is traced with; the number of rows stays free."""


@dataclass(frozen=True)
class Graph:
    """One file to be: a module, examples of its inputs by name, the names of its outputs, and what is said beside."""

    name: str
    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]
    metadata: dict[str, Any] = field(default_factory=dict)


def graphs(run: Run, usual: Usual | None = None) -> list[Graph]:
    """`encoder`, `decoder`, `classifier` where the model classifies, and `anomaly` where it is known what is usual."""
    model, spec = plain_model(run.model), run.spec
    rows, codes = example(run, ROWS)
    about = description(run)
    beside = told(run, ROWS)
    shown = ("rows", "features") if spec.columns else ("rows",)
    found = [
        Graph("encoder", Encode(model, spec), {"rows": rows}, ("codes",), about),
        Graph("decoder", Decode(model, spec, run.classes_told), {"codes": codes} | beside, shown, about),
    ]
    if run.model.classifies:
        names = run.class_names or [str(k) for k in range(run.model.classes)]
        said = about | {"classes": list(names)}
        found.append(Graph("classifier", Classify(model, spec), {"rows": rows}, ("probabilities", "predicted"), said))
    if usual is not None:
        said = about | {
            "evidence": list(usual.kinds),
            "threshold": usual.threshold,
            "false_alarm_rate": usual.false_alarm_rate,
        }
        outputs = ("score", "odd", "evidence")
        found.append(Graph("anomaly", Judge(model, spec, usual), {"rows": rows}, outputs, said))
    return found


def description(run: Run) -> dict[str, Any]:
    """What goes into the metadata of every file: where it comes from, and what its numbers mean."""
    spec, model = run.spec, run.config.model
    return {
        "model": model.kind,
        "latent": model.latent,
        "prior": None if model.kind == "autoencoder" else run.prior.describe(),
        "steps_trained": len(run.history),
        "fingerprint": run.directory.data["fingerprint"],
        "data": plain(spec),
    }


def example(run: Run, n: int) -> tuple[Tensor, Tensor]:
    """n rows as the graphs take them, and their codes: decoded codes of the prior, a value missing here and there."""
    if run.config.model.kind == "autoencoder":
        codes = torch.randn(n, run.latent, generator=torch.Generator().manual_seed(0)).numpy()
    else:
        codes = run.sample_prior(n)
    beside = told(run, n)
    rows = torch.from_numpy(run.decode(codes, beside.get("classes"), beside.get("conditions")))
    for i, column in enumerate(run.spec.columns):
        if column.missing:
            rows[i % n :: 3, i] = torch.nan
    return rows.to(input_type(run.spec)), torch.from_numpy(codes)


def told(run: Run, n: int) -> dict[str, Tensor]:
    """What the decoder is told beside n codes: `classes`, one after the other, and `conditions` of training rows."""
    found = {}
    if run.classes_told:
        found["classes"] = torch.eye(run.classes_told)[torch.arange(n) % run.classes_told]
    if run.spec.conditions is not None:
        kept = torch.from_numpy(run.directory.splits["conditions"]).to(torch.float64)
        found["conditions"] = kept[torch.arange(n) % len(kept)]
    return found


def input_type(spec: DataSpec) -> torch.dtype:
    """8-bit images as they are; the values of a table in float64, which holds large numbers exactly; else float32."""
    if spec.columns:
        return torch.float64
    return torch.uint8 if spec.dtype == "uint8" else torch.float32


def plain_model(model: Model) -> Model:
    """A copy, on the processor, whose dense layers are PyTorch's own and whose weights are numbers, not formulas."""
    copied = copy.deepcopy(model).cpu().eval()
    for part in list(copied.modules()):
        for name, child in part.named_children():
            if isinstance(child, MLP):
                setattr(part, name, _plain_layers(child))
    return copied


def _plain_layers(network: MLP) -> nn.Sequential:
    """The layers anew; a weight may have been computed, as under spectral normalisation, or be normalised after it."""
    layers: list[nn.Module] = []
    for weight, bias in network.linear():
        bare = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            bare.weight.copy_(weight)
            bare.bias.copy_(bias)
        layers += [bare.requires_grad_(False), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class _Part(nn.Module):
    """What the graphs share: the model, and the way in and out of the networks' units."""

    def __init__(self, model: Model, spec: DataSpec) -> None:
        super().__init__()
        self.model, self.spec = model, spec
        self.scaling = Scaling(spec)

    def features(self, rows: Tensor) -> Tensor:
        """Rows in original units and layout -> scaled features [batch, features]."""
        return self.scaling.apply(self.flat(rows))

    def flat(self, rows: Tensor) -> Tensor:
        if self.spec.columns:
            return rows
        if self.spec.channels_last and rows.ndim == 4:
            rows = rows.permute(0, 3, 1, 2)
        return rows.to(torch.float32).flatten(1)

    def original(self, features: Tensor) -> Tensor:
        """Scaled features -> rows in original units and layout."""
        flat = self.scaling.invert(features)
        if self.spec.columns:
            return flat
        if self.spec.channels_last and len(self.spec.shape) == 3:
            return flat.unflatten(1, self.spec.shape).permute(0, 2, 3, 1).contiguous()
        return flat.unflatten(1, self.spec.original_shape)

    def reconstructed(self, x: Tensor, codes: Tensor) -> Tensor:
        """Scaled features and their codes -> decoded features."""
        if self.model.beside:
            codes = torch.cat([codes, self.model.class_probabilities(x)], 1)
        return self.model.decode(codes)


class Encode(_Part):
    """rows -> codes."""

    def forward(self, rows: Tensor) -> Tensor:
        return self.model.encode(self.features(rows))


class Decode(_Part):
    """codes, and what the model is told beside them -> rows; of a table also the features behind them.

    Told are shares of classes, conditions in original units, or first the one and then the other.
    """

    def __init__(self, model: Model, spec: DataSpec, classes: int) -> None:
        super().__init__(model, spec)
        self.classes = classes
        self.conditions = None if spec.conditions is None else Scaling(spec.conditions)

    def forward(
        self, codes: Tensor, first: Tensor | None = None, second: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        beside = [] if first is None else [first]
        if second is not None:
            beside.append(second)
        if self.conditions is not None:
            beside[-1] = self.conditions.apply(beside[-1])
        features = self.model.decode(torch.cat([codes, *beside], 1))
        rows = self.original(features)
        return (rows, features) if self.spec.columns else rows


class Classify(_Part):
    """rows -> the probability of each class, and the number of the likeliest."""

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        probabilities = self.model.class_probabilities(self.features(rows))
        return probabilities, probabilities.argmax(1)


class Judge(_Part):
    """rows -> anomaly score, whether it is above the threshold, and the evidence behind it; see `aae.anomaly`."""

    code_centre: Tensor
    code_axes: Tensor
    row_centre: Tensor
    centre: Tensor
    spread: Tensor
    threshold: Tensor
    discount: Tensor

    def __init__(self, model: Model, spec: DataSpec, usual: Usual) -> None:
        super().__init__(model, spec)
        self.kinds = usual.kinds
        exact = {"code_centre": usual.code_centre, "code_axes": usual.code_axes, "centre": usual.centre}
        exact |= {"row_centre": usual.row_centre, "spread": usual.spread}
        exact |= {"threshold": np.array(usual.threshold)}  # an exporter rounds plain numbers
        for name, value in exact.items():
            self.register_buffer(name, torch.tensor(value, dtype=torch.float64))
        self.register_buffer("discount", torch.from_numpy(discounts(spec, usual.kinds)))
        self.discriminate = judge(model) if "discriminator" in usual.kinds else None

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.features(rows)
        codes = self.model.encode(x)
        values, weights = self.compared(rows, x)
        found: list[Tensor] = []
        if "residual" in self.kinds:
            error = self.decoded(x, codes)[:, : values.shape[1]] - values
            if self.spec.is_image:
                found.append(residual_of_images(error, values, self.spec.shape))
            else:
                found.append((_mean_square(error, weights) + LEAST).log())
        offset = (codes.to(torch.float64) - self.code_centre) @ self.code_axes.T
        found.append((offset.square().sum(1) + LEAST).log())
        if self.discriminate is not None:
            found.append(-self.discriminate(codes).to(torch.float64))
        found.append((_mean_square(values - self.row_centre, weights) + LEAST).log())
        evidence = (torch.stack(found, 1) - self.centre) / self.spread
        score = torch.logsumexp(evidence - self.discount, 1)
        return score, score > self.threshold, evidence

    def compared(self, rows: Tensor, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """The features that count, in float64, and what of them is known, as `aae.anomaly.features` has them."""
        if not self.spec.columns:
            return self.exact(self.flat(rows)), None
        wide = x.shape[1] - sum(column.missing for column in self.spec.columns)
        known = self.scaling.known(rows)
        return x.to(torch.float64)[:, :wide], None if known is None else known.to(torch.float64)[:, :wide]

    def decoded(self, x: Tensor, codes: Tensor) -> Tensor:
        decoded = self.reconstructed(x, codes)
        return decoded.to(torch.float64) if self.spec.columns else self.exact(self.scaling.invert(decoded))

    def exact(self, flat: Tensor) -> Tensor:
        """Values in original units in the networks' units, without rounding to float32."""
        return (flat.to(torch.float64) - self.scaling.offset) / self.scaling.scale


def residual_of_images(error: Tensor, values: Tensor, shape: Sequence[int]) -> Tensor:
    """`aae.anomaly.residual_of_images`."""
    planes = error.reshape(-1, *shape)
    if min(shape[-2:]) >= FINE:
        padded = F.pad(planes, (0, 0, 1, 1))
        planes = (padded[..., :-2, :] + 2 * planes + padded[..., 2:, :]) / 4
        padded = F.pad(planes, (1, 1))
        planes = (padded[..., :-2] + 2 * planes + padded[..., 2:]) / 4
    spread = planes.flatten(1).square().mean(1)
    return (spread + LEAST).log() - (values.var(1, correction=0) + FLAT).log() / 2


def _mean_square(offset: Tensor, weights: Tensor | None) -> Tensor:
    """The mean of the squares of each row, over what is known."""
    squares = offset.square()
    return squares.mean(1) if weights is None else (squares * weights).sum(1) / weights.sum(1).clamp(min=1)
