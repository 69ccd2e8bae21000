"""Networks of your own: trained, resumed and loaded like the built-in ones, and refused where they do not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny
from test_training import digest, stop_at
from torch import nn

import aae
from aae.data import Dataset
from aae.errors import ConfigError, Interrupted, RunError
from aae.models import own_networks


class Residual(nn.Module):
    """What no setting describes: a skip past a hidden layer."""

    def __init__(self, wide_in: int, wide_out: int) -> None:
        super().__init__()
        self.straight, self.hidden = nn.Linear(wide_in, wide_out), nn.Linear(wide_in, 16)
        self.out = nn.Linear(16, wide_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.straight(x) + self.out(torch.tanh(self.hidden(x)))


OWN: dict[str, Callable[[int, int], nn.Module]] = dict.fromkeys(("encoder", "decoder", "discriminator"), Residual)


@pytest.mark.parametrize(
    "changes",
    [
        {"corruption__noise": 0.3},  # a denoising adversarial autoencoder
        {"model__kind": "semi-supervised", "prior__kind": "gaussian"},
        {"model__kind": "vae", "prior__kind": "gaussian"},
    ],
)
def test_any_model_trains_resumes_and_loads_with_them(
    changes: dict[str, object], tmp_path: Path, digits: Dataset
) -> None:
    with own_networks(**OWN):
        whole = aae.train(tiny(**changes), tmp_path / "whole", data=digits)
        with pytest.raises(Interrupted):
            aae.train(tiny(**changes), tmp_path / "parts", data=digits, listener=stop_at(5))
        aae.resume(tmp_path / "parts", data=digits)
        assert isinstance(whole.model.get_submodule("encoder.body"), Residual)
        again = aae.Run.load(tmp_path / "whole")
    assert digest(tmp_path / "parts") == digest(tmp_path / "whole")
    x = aae.data.original(digits.x[:5], digits.spec)
    np.testing.assert_array_equal(again.encode(x), whole.encode(x))
    with pytest.raises(RunError, match=r"do not fit its networks.*own_networks"):
        aae.Run.load(tmp_path / "whole")


def test_one_of_them_leaves_the_others_as_the_settings_say(digits: Dataset) -> None:
    with own_networks(encoder=Residual):
        model = aae.game.Game.new(tiny(), digits, torch.device("cpu")).model
    assert isinstance(model.get_submodule("encoder.body"), Residual)
    assert not isinstance(model.get_submodule("decoder.body"), Residual)
    plain = aae.game.Game.new(tiny(), digits, torch.device("cpu")).model
    assert not isinstance(plain.get_submodule("encoder.body"), Residual)


def test_a_network_of_another_width_is_refused(digits: Dataset) -> None:
    said = r"into \[4, 3\]; expected \[4, 2\]"
    with own_networks(encoder=lambda a, b: nn.Linear(a, b + 1)), pytest.raises(ConfigError, match=said):
        aae.game.Game.new(tiny(), digits, torch.device("cpu"))


def test_batch_normalisation_of_an_encoder_that_is_not_ours_is_refused(tmp_path: Path, digits: Dataset) -> None:
    """It would do nothing: of all networks the encoder alone has it."""
    config = tiny(model__normalization="batch")
    with (
        own_networks(encoder=Residual),
        pytest.raises(ConfigError, match=r"model\.normalization = batch.*own_networks"),
    ):
        aae.train(config, tmp_path / "run", data=digits)
    with own_networks(decoder=Residual, discriminator=Residual):
        aae.game.Game.new(config, digits, torch.device("cpu"))
