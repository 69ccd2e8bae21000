"""How long `fit` takes on 60,000 rows of 784 numbers: our estimators beside PyOD and Pythae, with the same networks.

    python benchmarks/fit_speed.py [--rounds 3] [--epochs 2] [--rows 60000]

784-512-512-42 and back, what AAEOutlierDetector chooses for such rows, in batches of 256; a discriminator 42-512-512-1
where there is one. PyOD's is without batch normalisation and dropout, which ours does not have; its `fit` also scores
the training rows, that of AAEOutlierDetector also calibrates itself, and Pythae's pipeline writes its model to a
folder. Every row trains. What the rows show does not matter to the time, so they are made up.

Contenders run in turn, round after round, on one thread, and seconds are of processor time, which counts what they
compute and not how long they wait for others on the same processor. Writes its table into docs/estimators.md.
Needs `pip install pyod pythae` (extra `benchmarks`).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import tempfile
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import torch
from pyod.models.auto_encoder import AutoEncoder
from pythae.models import AE, AEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.pipelines import TrainingPipeline
from pythae.trainers import AdversarialTrainerConfig, BaseTrainerConfig
from tables import put, table

from aae import AAE, AAEOutlierDetector, Autoencoder, bench
from aae.bench import plain

FEATURES, HIDDEN, LATENT, BATCH = 784, 512, 42, 256
SHAPE: dict[str, Any] = {"hidden": (HIDDEN, HIDDEN), "batch_size": BATCH, "random_state": 0, "device": "cpu"}
Fit = Callable[[np.ndarray, int], object]


def ours(kind: Any, precision: str) -> Fit:
    def fit(x: np.ndarray, epochs: int) -> object:
        settings = {"precision": precision, "threads": 1}
        model = kind(n_components=LATENT, epochs=epochs, validation_fraction=0.0, settings=settings, **SHAPE)
        return model.fit(x)

    return fit


def pyod(x: np.ndarray, epochs: int) -> object:
    model = AutoEncoder(
        hidden_neuron_list=[HIDDEN, HIDDEN, LATENT],
        batch_norm=False,
        dropout_rate=0.0,
        batch_size=BATCH,
        epoch_num=epochs,
        device=torch.device("cpu"),
        verbose=0,
    )
    return model.fit(x)


class Encoder(BaseEncoder):  # type: ignore[misc]
    def __init__(self, body: torch.nn.Module) -> None:
        super().__init__()
        self.body, self.latent_dim = body, LATENT

    def forward(self, x: torch.Tensor) -> ModelOutput:
        return ModelOutput(embedding=self.body(x))


class Decoder(BaseDecoder):  # type: ignore[misc]
    def __init__(self, body: torch.nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, z: torch.Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.body(z))


def pythae_plain(x: np.ndarray, epochs: int) -> object:
    networks = plain.dense(FEATURES, HIDDEN, LATENT)
    model = AE(AEConfig((FEATURES,), LATENT), Encoder(networks.encoder), Decoder(networks.decoder))
    return through_pipeline(model, BaseTrainerConfig, x, epochs)


def pythae_adversarial(x: np.ndarray, epochs: int) -> object:
    model = plain.pythae_model(plain.dense(FEATURES, HIDDEN, LATENT), FEATURES, LATENT)
    return through_pipeline(model, AdversarialTrainerConfig, x, epochs)


def through_pipeline(model: Any, configure: Any, x: np.ndarray, epochs: int) -> object:
    with tempfile.TemporaryDirectory(prefix="pythae-") as folder:
        settings = {"output_dir": folder, "per_device_train_batch_size": BATCH, "num_epochs": epochs, "no_cuda": True}
        return TrainingPipeline(model=model, training_config=configure(**settings))(x)


GROUPS: dict[str, dict[str, Fit]] = {
    "autoencoder": {
        "`aae.Autoencoder`": ours(Autoencoder, "auto"),
        "`aae.Autoencoder`, fp32": ours(Autoencoder, "fp32"),
        "PyOD `AutoEncoder`": pyod,
        "Pythae `AE`": pythae_plain,
    },
    "adversarial autoencoder": {
        "`aae.AAE`": ours(AAE, "auto"),
        "`aae.AAE`, fp32": ours(AAE, "fp32"),
        "`AAEOutlierDetector`": ours(AAEOutlierDetector, "auto"),
        "Pythae `Adversarial_AE`": pythae_adversarial,
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rows", type=int, default=60_000)
    given = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    rows = np.random.default_rng(0).random((given.rows, FEATURES), dtype=np.float32)
    times: dict[tuple[str, str], list[float]] = {}
    for number in range(-1, given.rounds):  # round -1, on a few rows, loads what each of them needs
        for group, contenders in GROUPS.items():
            for name, fit in contenders.items():
                start = time.process_time()
                with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
                    fit(rows[: 2 * BATCH] if number < 0 else rows, given.epochs)  # without their progress bars
                if number >= 0:
                    times.setdefault((group, name), []).append(time.process_time() - start)
                    print(number, group, name, f"{times[group, name][-1]:.1f} s", flush=True)

    def ratio(group: str, name: str) -> str:
        first = times[group, next(iter(GROUPS[group]))]
        return f"{median(a / b for a, b in zip(times[group, name], first, strict=True)):.2f}"

    cells = {
        name: (group, f"{median(found):.1f}", f"{min(found):.1f} to {max(found):.1f}", ratio(group, name))
        for (group, name), found in times.items()
    }
    heads = (f"{given.rows:,} rows, {given.epochs} epochs", "kind", "seconds", "over the rounds", "times the first's")
    said = f"Medians of {given.rounds} rounds on {bench.machine(torch.device('cpu'))}; others used the machine, too."
    put("fit-speed", table(heads, cells) + "\n\n" + said)


if __name__ == "__main__":
    main()
