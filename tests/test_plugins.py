"""Code of the user's own: each example trains, resumes, is measured and reported; nothing runs that nobody named."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import tiny

import aae
from aae import plugins, priors, training
from aae.cli import main
from aae.config import Config, check, from_dict, replace, resolve
from aae.data import Dataset
from aae.errors import ConfigError, Interrupted, RunError
from aae.models import build
from aae.networks import Discriminator

EXAMPLES = Path(__file__).parents[1] / "examples" / "plugins"
ASKS = {"prior": "prior.kind", "networks": "model.network", "loss": "reconstruction.loss", "model": "model.kind"}
EACH = pytest.mark.parametrize("name", ASKS)


@pytest.fixture(autouse=True)
def _nobody_named_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_named", {})


def forget() -> None:
    """As a new process does."""
    plugins._named.clear()


def settings(name: str, file: Path | None = None) -> Config:
    wanted = {"plugin.file": str(file or EXAMPLES / f"own_{name}.py"), ASKS[name]: "plugin"}
    return resolve(tiny(), replace(tiny(), wanted), written=wanted)


def weights(run: aae.Run) -> dict[str, torch.Tensor]:
    return {key: tensor.clone() for key, tensor in run.model.state_dict().items()}


@EACH
def test_each_example_trains_and_resumes_to_the_same_weights(name: str, digits: Dataset, tmp_path: Path) -> None:
    whole = training.train(settings(name), tmp_path / "whole", data=digits)

    def stops(game: Any, stop: training.Stop) -> bool:
        stop.signal = signal.SIGINT if game.step == 14 else 0
        return False

    with pytest.raises(Interrupted):
        training.train(settings(name), tmp_path / "parts", data=digits, steer=stops)
    forget()
    with pytest.raises(RunError, match="executes none"):
        training.resume(tmp_path / "parts", data=digits)
    parts = training.resume(tmp_path / "parts", data=digits, plugin=tmp_path / "parts" / "plugin.py")
    assert weights(whole).keys() == weights(parts).keys()
    assert all(torch.equal(tensor, weights(parts)[key]) for key, tensor in weights(whole).items())


@EACH
@pytest.mark.slow
def test_each_example_by_the_command_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, run = EXAMPLES / f"own_{name}.py", tmp_path / "run"
    sizes = ["--epochs", "2", "--model.encoder", "32", "--model.decoder", "32", "--quiet", "--out", str(run)]
    sizes += [] if name == "loss" else ["--no-compare"]  # whose baselines have another loss
    option = f"--{ASKS[name]}"
    assert main(["train", "--plugin", str(file), option, "plugin", *sizes]) == 0
    assert (run / "report.html").stat().st_size > 100_000
    assert (run / "plugin.py").read_bytes() == file.read_bytes()
    forget()
    assert main(["evaluate", str(run)]) == 4
    assert "--plugin" in capsys.readouterr().err
    assert main(["evaluate", str(run), "--json", f"--plugin={run / 'plugin.py'}"]) == 0
    assert json.loads(capsys.readouterr().out)["c2st"] >= 0.4
    assert main(["report", str(run), "--quiet", "--no-compare", "--plugin", str(file)]) == 0
    again = tmp_path / "again"
    line = ["--config", str(run / "config.json"), "--quiet", "--no-compare", "--out", str(again)]
    assert main(["train", *line]) == 0
    assert (again / "weights.safetensors").read_bytes() == (run / "weights.safetensors").read_bytes()
    forget()
    assert main(["train", *line[:-1], str(tmp_path / "third")]) == 4


def test_a_run_keeps_the_source_and_runs_nothing_by_itself(digits: Dataset, tmp_path: Path) -> None:
    file, mark = tmp_path / "mine.py", tmp_path / "executed"
    source = (EXAMPLES / "own_prior.py").read_text() + f"\nwith open({str(mark)!r}, 'a') as f:\n    f.write('x')\n"
    file.write_text(source)
    run = training.train(settings("prior", file), tmp_path / "run", data=digits)
    assert mark.read_text() == "x", "run once"
    kept = json.loads((tmp_path / "run" / "config.json").read_text())["plugin"]
    assert kept == {"file": None, "name": "mine.py", "source": source}
    assert (tmp_path / "run" / "plugin.py").read_text() == source
    assert run.config.prior.content == plugins.sha256(source)
    file.write_text("raise SystemExit('changed')")
    assert aae.Run.load(tmp_path / "run").encode(digits.x[:3].numpy().reshape(3, 8, 8)).shape == (3, 2)
    forget()
    with pytest.raises(RunError, match=plugins.sha256(source)[:12]):
        aae.Run.load(tmp_path / "run")
    with pytest.raises(RunError, match="is not the plugin"):
        aae.Run.load(tmp_path / "run", plugin=file)
    with pytest.raises(RunError, match=r"It is not .*mine\.py, which differs"):
        aae.Run.load(tmp_path / "run")
    assert mark.read_text() == "x"
    loaded = aae.Run.load(tmp_path / "run", plugin=tmp_path / "run" / "plugin.py")
    assert mark.read_text() == "xx"
    np.testing.assert_array_equal(loaded.sample_prior(9), run.sample_prior(9))
    saved = loaded.in_memory().save(tmp_path / "saved")
    assert (saved.path / "plugin.py").read_text() == source


def test_a_plugin_that_no_run_asks_for_is_said_to_be_ignored(
    trained: aae.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(EXAMPLES / "own_prior.py")
    assert main(["doctor", str(trained.path), "--plugin", file]) == 0
    assert "was not used" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="trained without a plugin"):
        aae.Run.load(trained.path, plugin=file)
    assert main(["train", "--plugin", file, "--quiet"]) == 2
    assert "nothing asks for it" in capsys.readouterr().err
    assert main(["train", "--prior.kind", "plugin", "--quiet"]) == 2
    assert "plugin.file" in capsys.readouterr().err
    assert main(["doctor", str(trained.path), "--plugin"]) == 2


def test_two_plugins_are_open_at_once(digits: Dataset, tmp_path: Path) -> None:
    source = """
import torch
from aae import priors
def prior(settings, latent):
    return priors.from_callable(lambda n, generator: SHIFT + torch.randn(n, latent, generator=generator))
"""
    for name, shift in (("a", "100"), ("b", "-100")):
        (tmp_path / f"{name}.py").write_text(source.replace("SHIFT", shift))
    runs = [training.train_in_memory(settings("prior", tmp_path / f"{name}.py"), digits) for name in "ab"]
    assert [run.prior.mean.mean().round().item() for run in runs] == [100, -100]


BROKEN = {
    "prior = 3 +": ("line 1: SyntaxError", "prior"),
    "\nimport no_such_thing": ("line 2: ModuleNotFoundError", "prior"),
    "import sys\nsys.exit(3)": ("line 2: SystemExit: 3", "prior"),
    "x = 1": ("has no function `prior`", "prior"),
    "def prior(s, d):\n    return 5": ("must return an aae.priors.Prior, got int", "prior"),
    "def prior(s, d):\n    return 1 / 0": (r"line 2, in prior\(\): ZeroDivisionError", "prior"),
    "def prior(s, d):\n    from aae import priors\n    return priors.Uniform(d + 1, 1.0)": (
        "set model.latent",
        "prior",
    ),
    "y = 1": ("has no function `encoder`", "networks"),
    "def encoder(c, s, i, o):\n    return 5": ("must return a torch.nn.Module, got int", "networks"),
    "from torch import nn\ndef decoder(c, s, i, o):\n    return nn.Linear(i, 5)": (r"expected \[4, 64\]", "networks"),
    "from torch import nn\ndef encoder(c, s, i, o):\n    return nn.Linear(5, o)": ("cannot take", "networks"),
    "z = 1": ("has no function `loss`", "loss"),
    "def loss(a, b):\n    return (a - b).mean()": ("a cost for every value", "loss"),
    "u = 1": ("has no function `model`", "model"),
    "def model(c, s):\n    return 5": ("must return an aae.phases.Model", "model"),
    "from aae.phases import Model\ndef model(c, s):\n    return Model()": ("needs `phases`", "model"),
    "from aae.phases import Model, Phase\ndef model(c, s):\n    m = Model()\n"
    "    m.phases = (Phase('a', ('b',), dict),)\n    return m": ("updates what the model does not have", "model"),
    (EXAMPLES / "own_model.py").read_text().replace("def encode(", "def other("): ("needs a method `encode`", "model"),
    "from torch import nn\ndef encoder(c, s, i, o):\n    return nn.Linear(i, o).requires_grad_(False)": (
        "the generator phase has nothing to train",
        "networks",
    ),
}


TAILED = """
import torch
from aae import priors

class Tailed(priors.Uniform):
    @property
    def std(self):
        return torch.full((self.latent,), float("DEVIATION"), dtype=torch.float64)

def prior(settings, latent):
    return Tailed(latent, settings.scale)
"""


def test_tails_may_be_heavy_but_a_deviation_is_a_number(digits: Dataset, tmp_path: Path) -> None:
    for deviation in ("inf", "nan", "1e9"):
        (tmp_path / f"{deviation}.py").write_text(TAILED.replace("DEVIATION", deviation))
    config = replace(settings("prior", tmp_path / "inf.py"), {"epochs": 1})
    assert training.train_in_memory(config, digits).prior.std.isinf().all()
    for deviation, said in (("nan", "no number"), ("1e9", "codes about 1e")):
        with pytest.raises(ConfigError, match=f"the prior of the plugin .*{said}"):
            training.train_in_memory(settings("prior", tmp_path / f"{deviation}.py"), digits)


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_wrong_with_a_plugin_is_said(text: str, digits: Dataset, tmp_path: Path) -> None:
    said, name = BROKEN[text]
    file = tmp_path / "broken.py"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        training.train_in_memory(settings(name, file), digits)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the plugin"):
        plugins.allow(tmp_path / "none.py")
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot read the plugin"):
        plugins.allow(tmp_path / "bytes.py")


def test_a_table_takes_no_plain_loss(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(60, 3))
    rows[::7, 1] = np.nan
    wanted = replace(settings("loss"), {"data.layout": "table"})
    with pytest.raises(ConfigError, match="table"):
        training.train_in_memory(wanted, aae.data.dataset(rows, None, wanted.data))


def test_phases_of_other_names_learn_by_the_optimizer_for_them(digits: Dataset) -> None:
    config = plugins.begun(replace(settings("model"), {"optimizer.other.learning_rate": 0.123}))
    assert [phase.name for phase in build(config, digits.spec).phases][-1] == "cycle"
    assert config.optimizer.of("cycle").learning_rate == 0.123
    assert config.optimizer.of("generator") == config.optimizer.generator
    with pytest.raises(ConfigError, match=r"optimizer\.other"):
        check(replace(tiny(), {"optimizer.other.learning_rate": 0.1}))


def test_only_one_of_two_networks_may_be_given(digits: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "half.py"
    file.write_text("from torch import nn\ndef encoder(c, s, i, o):\n    return nn.Linear(i, o)\n")
    model: Any = build(plugins.begun(settings("networks", file)), digits.spec)
    assert isinstance(model.encoder.body, torch.nn.Linear)
    assert type(model.decoder.body).__name__ == "MLP"


def test_what_is_frozen_stays_and_what_is_shared_moves_once(digits: Dataset, tmp_path: Path) -> None:
    """A pretrained layer in an encoder, and a decoder that reads the encoder's own weights."""
    file = tmp_path / "tied.py"
    file.write_text(
        """
from torch import nn
kept = []
def encoder(config, spec, wide_in, wide_out):
    kept[:] = [nn.Linear(wide_in, wide_out)]
    return nn.Sequential(nn.Linear(wide_in, wide_in).requires_grad_(False), kept[0])
class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.tied = kept[0]
    def forward(self, z):
        return z @ self.tied.weight
def decoder(config, spec, wide_in, wide_out):
    return Tied()
"""
    )
    config = plugins.begun(settings("networks", file))
    torch.manual_seed(config.seed)
    before = build(config, digits.spec).state_dict()
    run = training.train_in_memory(config, digits)
    after = weights(run)
    assert {key for key in after if torch.equal(before[key], after[key])} == {
        "encoder.body.0.weight",
        "encoder.body.0.bias",
    }
    assert torch.equal(after["decoder.body.tied.weight"], after["encoder.body.1.weight"])


def test_a_discriminator_of_ones_own_is_in_every_model_that_has_one(digits: Dataset, tmp_path: Path) -> None:
    kinds = {"aae": 1, "supervised": 1, "semi-supervised": 2, "vae": 0}
    for kind, many in kinds.items():
        wanted = replace(settings("networks"), {"model.kind": kind, "prior.kind": "gaussian"})
        parts = build(plugins.begun(wanted), digits.spec).modules()
        found = [part for part in parts if isinstance(part, Discriminator)]
        assert [type(part.body).__name__ for part in found] == ["Sequential"] * many
    file = tmp_path / "only.py"
    file.write_text("from torch import nn\ndef discriminator(c, s, i, o):\n    return nn.Linear(i, o)\n")
    model: Any = build(plugins.begun(settings("networks", file)), digits.spec)
    assert isinstance(model.discriminator.body, torch.nn.Linear)
    assert type(model.encoder.body).__name__ == "MLP"
    vae = replace(settings("networks", file), {"model.kind": "vae", "prior.kind": "gaussian"})
    with pytest.raises(ConfigError, match="has no function `encoder`"):
        build(plugins.begun(vae), digits.spec)


def test_the_example_losses_are_what_they_say() -> None:
    plugins.allow(EXAMPLES / "own_loss.py")
    source = (EXAMPLES / "own_loss.py").read_text()
    loss = plugins.function(plugins.sha256(source), "loss", "a test")
    a, b = torch.rand(5, 3, dtype=torch.float64), torch.rand(5, 3, dtype=torch.float64)
    torch.testing.assert_close(loss(a, b), torch.cosh((a - b) / 0.2).log())


def test_the_example_prior_is_two_moons() -> None:
    config = plugins.begun(settings("prior"))
    moons = priors.build(config.prior, 2)
    z = moons.sample(4000, generator=torch.Generator().manual_seed(0))
    assert z.mean().abs() < 0.1
    centre = torch.tensor([[1.0, -0.5], [-1.0, 0.5]])
    off = (torch.cdist(z, centre) - 2).abs().min(1).values
    assert (off < 0.4).float().mean() > 0.95, "all lie on a circle of radius 2 about one of two centres"
    assert moons.contains(z.double()).float().mean() > 0.95


def test_settings_of_a_run_come_back(digits: Dataset) -> None:
    config = plugins.begun(settings("loss"))
    assert from_dict(Config, aae.config.to_dict(config)) == config
