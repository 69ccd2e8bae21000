"""The post's argument made visible: the same data under PCA, a plain autoencoder, a VAE, and the adversarial one.

The baselines have the run's networks, data, splits, seed and number of epochs. They are runs of their own, in
RUN/baselines, so they are resumed and reused like any other.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from sklearn.decomposition import PCA

from aae.config import (
    Adversarial,
    Config,
    Consistency,
    Corruption,
    DataSpec,
    Divergence,
    Heads,
    Optimizers,
    Plugin,
    Prior,
    Reconstruction,
    to_dict,
)
from aae.config import Model as ModelConfig
from aae.data import Dataset, Scaling, original
from aae.errors import Interrupted, RunError
from aae.evaluation import Rows, known_classes, measure, rows_of
from aae.inference import Run
from aae.priors import Prior as PriorShape
from aae.training import Listener, resume, train

Array = np.ndarray
Kind = Literal["autoencoder", "vae"]
MATCHED = "codes shifted and scaled to the prior's mean and deviation"
STYLE_ALONE = "prior match is that of the style, without the cluster head"


@dataclass(frozen=True)
class Compared:
    """One method: its held-out codes, the prior they are held against, and its numbers.

    note: what was done to the codes of a method that has no prior, so that they can be held against one.
    """

    name: str
    codes: Array
    prior: PriorShape
    numbers: dict[str, Any]
    note: str = ""


def baseline(config: Config, spec: DataSpec, kind: Kind) -> Config:
    """The settings of a baseline for this run.

    The plain autoencoder minimises the mean squared error. The VAE has the prior N(0, I) and its usual likelihoods:
    cross-entropy for data scaled to [0, 1], else a Gaussian with a learnt deviation. Both use Adam at 1e-3 with a
    linear decay.
    """
    default = ModelConfig()
    model = dataclasses.replace(
        config.model,
        kind=kind,
        posterior=default.posterior,
        posterior_noise=default.posterior_noise,
        discriminator=default.discriminator,
        output="auto",
        clusters=default.clusters,
        normalization=default.normalization,
    )
    likelihood = Reconstruction("bce" if spec.bounded else "gaussian", "sum")
    return dataclasses.replace(
        config,
        recipe=f"{config.recipe}-{kind}",
        log=(),
        data=dataclasses.replace(config.data, labelled=None, label_seed=0, condition=()),  # baselines are told nothing
        schedule="linear",
        schedule_epochs=(),
        labelled_batch_size=Config().labelled_batch_size,
        model=model,
        prior=Prior("gaussian", 1.0) if kind == "vae" else Prior(),
        corruption=Corruption(),
        heads=Heads(),
        divergence=Divergence(),
        consistency=Consistency(),
        reconstruction=likelihood if kind == "vae" else Reconstruction("mse", "mean"),
        adversarial=Adversarial(),
        optimizer=Optimizers(),
        plugin=config.plugin if model.network == "plugin" else Plugin(),
    )


def compare(run: Run, data: Dataset, *, split: str = "test", listener: Listener | None = None) -> list[Compared]:
    """PCA, autoencoder, VAE and the run itself on one split; trains the baselines that are not there yet."""
    training, held = rows_of(data, "train"), rows_of(data, split)
    untold = dataclasses.replace(data, conditions=None, spec=dataclasses.replace(data.spec, conditions=None))
    untold = untold if data.conditions is not None else data
    found = [_pca(run, data, training, held)]
    baselines: tuple[tuple[Kind, str], ...] = (("autoencoder", "Autoencoder"), ("vae", "VAE"))
    for kind, name in baselines:
        trained = _trained(run, untold, kind, None if listener is None else _naming(listener, name))
        found.append(_of_run(trained, name, data, training, held, run.matched_prior))
    name = "AAE" if run.config.model.kind == "aae" else "this run"
    return [*found, _of_run(run, name, data, training, held, run.matched_prior)]


def _naming(listener: Listener, name: str) -> Listener:
    """The listener, told whose moments these are."""
    return lambda moment: listener(dataclasses.replace(moment, of=name))


def _trained(run: Run, data: Dataset, kind: Kind, listener: Listener | None) -> Run:
    """The baseline in RUN/baselines/KIND: as it is if finished, resumed if begun, else trained."""
    path, config = run.path / "baselines" / kind, baseline(run.config, data.spec, kind)
    try:
        if not (path / "MANIFEST.json").exists():
            return train(config, path, data=data, listener=listener)
        trained = resume(path, data=data, listener=listener)
    except Interrupted as stopped:  # it is the run itself that goes on, and finishes its baselines
        raise Interrupted(stopped.number, run.path, stopped.step, stopped.steps) from None
    if to_dict(trained.config) != to_dict(config):
        raise RunError(f"{path} was trained with other settings than {run.path} asks for; delete it and report again")
    return trained


def _of_run(run: Run, name: str, data: Dataset, training: Rows, held: Rows, prior: PriorShape) -> Compared:
    train_codes, codes = run.encode(training.x), run.encode(held.x)
    decoded = run.reconstruct(held.x, known_classes(run, held))
    if run.config.model.kind == "autoencoder":
        drawn = _matched(codes, train_codes, prior)
        numbers = measure(data, training, held, train_codes, codes, decoded, drawn, prior)
        return Compared(name, drawn, prior, numbers, MATCHED)
    drawn, note = run.held_to_prior(held.x), "codes drawn from the posterior" if run.model.stochastic else ""
    numbers = measure(data, training, held, train_codes, codes, decoded, drawn, run.matched_prior)
    if run.heads is None:
        return Compared(name, drawn, run.prior, numbers, note)
    return Compared(name, codes, run.prior, numbers, STYLE_ALONE)


def _pca(run: Run, data: Dataset, training: Rows, held: Rows) -> Compared:
    scaling = Scaling(data.spec)
    before, after = (
        scaling.apply(torch.from_numpy(rows.x).reshape(len(rows), -1)).numpy() for rows in (training, held)
    )
    latent = min(run.latent, *before.shape)
    pca = PCA(latent, svd_solver="covariance_eigh").fit(before)
    missing = ((0, 0), (0, run.latent - latent))  # a small table has fewer directions than the code has dimensions
    train_codes, codes = (np.pad(pca.transform(rows), missing) for rows in (before, after))
    decoded = original(scaling.invert(torch.from_numpy(pca.inverse_transform(codes[:, :latent])).float()), data.spec)
    drawn = _matched(codes, train_codes, run.matched_prior)
    numbers = measure(data, training, held, train_codes, codes, decoded, drawn, run.matched_prior)
    return Compared("PCA", drawn, run.matched_prior, numbers, MATCHED)


def _matched(codes: Array, train_codes: Array, prior: PriorShape) -> Array:
    """Codes with each axis moved and stretched so that the *training* codes have the prior's mean and deviation."""
    spread = train_codes.std(0)
    standard = (codes - train_codes.mean(0)) / np.where(spread > 0, spread, 1)
    latent = codes.shape[1]  # principal components may be fewer than the code's dimensions
    return (standard * prior.std.numpy()[:latent] + prior.mean.numpy()[:latent]).astype(np.float32)
