"""The rows whose labels are learnt from: as many of each class, from training rows only, the same for a seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from aae.config import Data
from aae.data import Dataset, load
from aae.data.labelled import choose_labelled
from aae.errors import ConfigError
from aae.game import Game


@settings(max_examples=40, deadline=None)
@given(classes=st.integers(1, 5), each=st.integers(1, 4), seed=st.integers(0, 9), data_seed=st.integers(0, 9))
def test_balanced_from_training_rows_and_decided_by_the_seed(
    classes: int, each: int, seed: int, data_seed: int
) -> None:
    rng = np.random.default_rng(data_seed)
    y = rng.permutation(np.repeat(np.arange(-1, classes), 12))
    order = rng.permutation(len(y))
    train = np.concatenate([order[: len(y) // 2], np.flatnonzero(y >= 0)])  # every class often enough
    train = np.unique(train)[:-1] if rng.random() < 0.5 else np.unique(train)
    names = tuple(map(str, range(classes)))
    config = Data(labelled=classes * each, label_seed=seed)
    chosen = choose_labelled(y, names, train, config)
    assert np.bincount(y[chosen], minlength=classes).tolist() == [each] * classes
    assert set(chosen) <= set(train)
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert np.array_equal(chosen, choose_labelled(y, names, rng.permutation(train), config))


def test_without_a_number_every_labelled_training_row(digits: Dataset) -> None:
    assert np.array_equal(digits.labelled, np.sort(digits.splits.train))


def test_another_seed_chooses_others() -> None:
    a, b = (load(Data(labelled=100, label_seed=seed)).labelled for seed in (0, 1))
    assert len(a) == len(b) == 100
    assert set(a) != set(b)


@pytest.mark.parametrize(("count", "said"), [(105, "such as 100"), (7, "such as 10"), (2000, "has 1"), (1400, "fewer")])
def test_a_number_that_cannot_be_had(count: int, said: str) -> None:
    with pytest.raises(ConfigError, match=f"--data.labelled {count} .*{said}"):
        load(Data(labelled=count))


def test_no_labels_to_choose_from(tmp_path) -> None:  # type: ignore[no-untyped-def]
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(20, 3)))
    with pytest.raises(ConfigError, match="needs labels"):
        load(Data(source=str(tmp_path / "x.npy"), labelled=10))


def test_training_sees_the_labels_of_the_chosen_rows_alone(digits: Dataset) -> None:
    few = load(Data(labelled=50))
    game = Game.new(tiny(), few, torch.device("cpu"))
    batch = game.batch(torch.from_numpy(few.splits.train), game.generator)
    assert batch.y is not None
    assert np.array_equal(np.sort(few.splits.train[batch.y >= 0]), few.labelled)
    held = game.batch(torch.from_numpy(few.splits.validation), game.generator)
    assert torch.equal(held.y, few.y[few.splits.validation])  # for measuring


def test_the_choice_is_not_part_of_the_fingerprint() -> None:
    assert load(Data(labelled=50)).fingerprint == load(Data()).fingerprint
