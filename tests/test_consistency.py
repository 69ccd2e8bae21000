"""The class of a row that is changed in ways that do not matter: pictures moved, rows changed where it counts most."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from aae.config import Config, Consistency, DataSpec, Model, check, replace
from aae.errors import ConfigError
from aae.models import build, consistency
from aae.networks import Encoder
from aae.phases import Batch, evaluate

STILL = Consistency("moved", rotation=0.0, shift=0.0, zoom=0.0)
IMAGES = DataSpec("images", (6, 8), "float32", scaling="range")
VECTORS = DataSpec("vectors", (5,), "float32", scaling="range")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def centre(images: Tensor) -> Tensor:
    """Centre of mass of each picture, [n, (y, x)], in pixels from the middle of the picture."""
    h, w = images.shape[-2:]
    y = torch.arange(h) - (h - 1) / 2
    x = torch.arange(w) - (w - 1) / 2
    mass = images.sum((-2, -1))
    return torch.stack([(images.sum(-1) * y).sum(-1), (images.sum(-2) * x).sum(-1)], 1) / mass[:, None]


def blob(h: int, w: int, y: float, x: float, n: int = 200) -> Tensor:
    """A smooth spot, `y` and `x` pixels from the middle."""
    rows = torch.arange(h) - (h - 1) / 2 - y
    columns = torch.arange(w) - (w - 1) / 2 - x
    return torch.exp(-(rows[:, None] ** 2 + columns**2) / 4).expand(n, h, w)


def test_pictures_that_are_not_moved_stay_as_they_are() -> None:
    images = torch.rand(4, 3, 6, 8, generator=generator())
    torch.testing.assert_close(consistency.moved(images, STILL, generator()), images)


@pytest.mark.parametrize("size", [(28, 28), (24, 40)])
def test_a_turn_keeps_the_distance_from_the_middle_and_reaches_the_angle_asked_for(size: tuple[int, int]) -> None:
    """In pixels, so also for a picture that is not square."""
    turned = consistency.moved(blob(*size, 0.0, 6.0), Consistency("moved", rotation=30.0, shift=0, zoom=0), generator())
    y, x = centre(turned).unbind(1)
    assert torch.hypot(y, x) == pytest.approx(6.0, abs=0.15)
    angles = torch.atan2(y, x).rad2deg()
    assert 27 < angles.max() < 31
    assert -31 < angles.min() < -27
    assert abs(angles.mean()) < 5


def test_a_shift_is_in_pixels_and_a_zoom_a_share_of_the_size() -> None:
    shifted = centre(
        consistency.moved(blob(30, 20, 0, 0), Consistency("moved", rotation=0, shift=3, zoom=0), generator())
    )
    assert shifted.abs().amax(0).tolist() == pytest.approx([3, 3], abs=0.15)
    assert shifted.mean(0).abs().max() < 0.4
    zoomed = centre(
        consistency.moved(blob(40, 40, 0, 8), Consistency("moved", rotation=0, shift=0, zoom=0.2), generator())
    )
    distance = torch.hypot(*zoomed.unbind(1))
    assert distance.max() == pytest.approx(8 / 0.8, abs=0.2)
    assert distance.min() == pytest.approx(8 / 1.2, abs=0.2)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([(2, 9, 7), (9, 7), (8, 8)]))
def test_moved_pictures_stay_within_the_values_of_the_picture_and_move_each_on_its_own(
    seed: int, shape: tuple[int, ...]
) -> None:
    picture = torch.rand(shape, generator=generator(seed))
    found = consistency.moved(picture.expand(5, *shape), Consistency("moved"), generator(seed))
    assert found.shape == (5, *shape)
    assert picture.min() - 1e-6 <= found.min()
    assert found.max() <= picture.max() + 1e-6
    assert not torch.equal(found[0], found[1])
    torch.testing.assert_close(
        found, consistency.moved(picture.expand(5, *shape), Consistency("moved"), generator(seed))
    )


def test_a_slant_moves_rows_and_a_stretch_keeps_the_area() -> None:
    slanted = consistency.Consistency("moved", rotation=0, shift=0, zoom=0, shear=0.5)
    y, x = centre(consistency.moved(blob(40, 60, 8, 0), slanted, generator())).unbind(1)
    assert y == pytest.approx(8, abs=0.1)
    assert x.max() == pytest.approx(4, abs=0.2)
    assert x.min() == pytest.approx(-4, abs=0.2)
    aside = centre(consistency.moved(blob(40, 60, 0, 8), slanted, generator()))
    assert aside == pytest.approx(torch.tensor([0.0, 8.0]).expand_as(aside), abs=0.1)  # the middle row stays
    stretched = consistency.Consistency("moved", rotation=0, shift=0, zoom=0, stretch=0.25)
    y, x = centre(consistency.moved(blob(60, 40, 8, 8), stretched, generator())).unbind(1)
    assert x * y == pytest.approx(64, abs=3)
    assert x.max() == pytest.approx(10, abs=0.3)
    assert x.min() == pytest.approx(6.4, abs=0.3)


def test_a_bend_displaces_each_part_of_a_picture_by_its_own_amount_within_the_limit() -> None:
    bent = consistency.Consistency("moved", rotation=0, shift=0, zoom=0, bend=3)

    def off(y: float, x: float) -> Tensor:
        found = consistency.moved(blob(29, 29, y, x), bent, generator())
        return centre(found) - torch.tensor([y, x])

    knot, beside, opposite = off(-7, -7), off(-7, -5), off(7, 7)
    assert knot.abs().amax(0).tolist() == pytest.approx([3, 3], abs=0.4)
    assert knot.mean(0).abs().max() < 0.4
    together = torch.corrcoef(torch.cat([knot, beside, opposite], 1).t())
    assert together[:2, 4:].abs().max() < 0.25  # half a picture away the picture bends on its own
    assert together[[0, 1], [2, 3]].min() > 0.8  # two pixels away it bends along: strokes do not break


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([(2, 9, 7), (9, 7), (30, 4)]))
def test_a_bent_picture_has_no_other_values_and_one_of_one_colour_stays(seed: int, shape: tuple[int, ...]) -> None:
    bent = consistency.Consistency("moved", rotation=0, shift=0, zoom=0, bend=1.5)
    picture = torch.rand(shape, generator=generator(seed))
    found = consistency.moved(picture.expand(5, *shape), bent, generator(seed))
    assert found.shape == (5, *shape)
    assert picture.min() - 1e-6 <= found.min()
    assert found.max() <= picture.max() + 1e-6
    assert not torch.equal(found[0], found[1])
    plain = torch.full((3, *shape), 0.25)
    torch.testing.assert_close(consistency.moved(plain, bent, generator(seed)), plain)


def test_the_most_changing_direction_of_a_linear_class_is_along_its_weights() -> None:
    """For two classes with linear logits every change counts by its share along the difference of their weights."""
    weight = torch.randn(2, 5, generator=generator())
    x = 0.1 * torch.randn(64, 5, generator=generator(1))
    target = (x @ weight.t()).softmax(1)
    found = consistency.most_changing(lambda rows: rows @ weight.t(), x, target, 0.7, Batch(x, generator(2)))
    assert found.norm(dim=1) == pytest.approx(0.7, abs=1e-5)
    along = nn.functional.cosine_similarity(found, (weight[1] - weight[0]).expand(64, 5))
    assert along.abs().min() > 0.999


def made(kind: str, spec: DataSpec, **changes: object) -> tuple[nn.Module, Config]:
    config = replace(
        Config(model=Model("semi-supervised", encoder=(16,), decoder=(16,), discriminator=(8,))),
        {"consistency.kind": kind, **{f"consistency.{name}": value for name, value in changes.items()}},
    )
    torch.manual_seed(0)
    return build(config, spec), config


@pytest.mark.parametrize(("kind", "spec"), [("moved", IMAGES), ("adversarial", VECTORS)])
def test_rows_whose_class_is_unsure_are_passed_over(kind: str, spec: DataSpec) -> None:
    spec = replace_classes(spec)
    rows = torch.rand(50, spec.features, generator=generator())

    def loss(confidence: float) -> float:
        model, _ = made(kind, spec, confidence=confidence)
        (phase,) = (phase for phase in model.phases if phase.name == "consistency")
        return evaluate(phase, Batch(rows, generator()))["consistency"].item()

    model, _ = made(kind, spec)
    sure = model.class_probabilities(rows).amax(1).detach().numpy()
    middle = float(np.median(sure))
    assert 0 == loss(0.999) < loss(middle) < loss(0.0)


def replace_classes(spec: DataSpec) -> DataSpec:
    return DataSpec(spec.name, spec.shape, spec.dtype, scaling=spec.scaling, classes=("a", "b", "c"))


def test_the_row_itself_is_the_target_and_a_class_that_never_changes_costs_nothing() -> None:
    network = nn.Linear(5, 3)
    nn.init.zeros_(network.weight)
    (phase,) = consistency.phase(Encoder(network), 3, Config(consistency=Consistency("adversarial")), VECTORS)
    losses = phase.losses(Batch(torch.rand(9, 5), generator()))
    assert losses["consistency"].item() == pytest.approx(0, abs=1e-7)
    nn.init.normal_(network.weight)
    clean, shown = torch.rand(9, 5), torch.full((9, 5), math.nan)
    assert phase.losses(Batch(shown, generator(), target=clean))["consistency"].isfinite()


def test_both_adds_what_moving_and_the_worst_direction_cost() -> None:
    spec = replace_classes(IMAGES)
    rows = torch.rand(20, spec.features, generator=generator())

    def loss(kind: str, draws: torch.Generator) -> float:
        (phase,) = (phase for phase in made(kind, spec)[0].phases if phase.name == "consistency")
        return phase.losses(Batch(rows, draws))["consistency"].item()

    draws = generator(1)
    one, other = loss("moved", draws), loss("adversarial", draws)
    both = loss("both", generator(1))
    assert min(one, other) > 0
    assert both == pytest.approx(one + other, rel=1e-5)


@pytest.mark.parametrize("kind", ["moved", "adversarial", "both"])
def test_training_for_information_splits_rows_that_one_class_for_all_would_satisfy(kind: str) -> None:
    """Two kinds of row, and a network that begins with one class for both."""
    spec = replace_classes(IMAGES)
    config = Config(consistency=Consistency(kind, information=0.1, radius=0.5))  # type: ignore[arg-type]
    rows = torch.rand(60, 48, generator=generator()) * 0.1
    rows[:30, :16] += 0.8
    rows[30:, 32:] += 0.8
    torch.manual_seed(0)
    network = nn.Linear(48, 2)
    with torch.no_grad():
        network.bias[0] = 3.0
    (phase,) = consistency.phase(Encoder(network), 2, config, spec)
    optimizer, draws = torch.optim.Adam(network.parameters(), 0.02), generator(1)
    for _ in range(300):
        optimizer.zero_grad()
        losses = phase.losses(Batch(rows, draws))
        phase.total(losses, 0.0).backward()
        optimizer.step()
    assert losses["missing_information"].item() < 0.2
    chosen = network(rows).argmax(1)
    assert chosen[:30].unique().numel() == chosen[30:].unique().numel() == 1
    assert chosen[0] != chosen[30]


def test_what_cannot_be_done_is_refused() -> None:
    with pytest.raises(ConfigError, match="moved moves pictures, and vectors has rows of shape"):
        made("moved", replace_classes(VECTORS))
    with pytest.raises(ConfigError, match=r"consistency.kind .* would be ignored: model.kind = aae has no classes"):
        check(Config(consistency=Consistency("adversarial")))
    with pytest.raises(ConfigError, match=r"consistency.kind = adversarial does not use it"):
        check(
            Config(model=Model("clustering", clusters=3), consistency=Consistency("adversarial", rotation=3.0)),
        )
    with pytest.raises(ConfigError, match=r"consistency.information = 0 does not use it"):
        check(Config(model=Model("clustering", clusters=3), consistency=Consistency("adversarial", balance=2.0)))
