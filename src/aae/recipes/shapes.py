"""Recipes for codes of any shape: the bundled digits, MNIST in two dimensions, tables, images, anything."""

from __future__ import annotations

import dataclasses

from aae.config import Adversarial, Config, Corruption, Data, Model, Optimizer, Optimizers, Prior, Reconstruction


def auto() -> Config:
    """Any data, any prior: weights from measured gradients, size of the run by the number of rows; minutes.

    The pull of the adversary grows from half to twice that of reconstruction: reconstruct first, match last. A ratio of
    gradients means the same for every loss, number of columns and prior. The discriminator is narrow, so five of its
    steps for each of the encoder's cost little and tell the encoder more, and has a third layer, which sees thin shapes
    better than wider ones do; what is kept is a running average of the weights, since the players circle around a
    match. docs/defaults.md has what it reaches.
    """
    return Config(
        recipe="auto",
        epochs=0,
        batch_size=0,
        schedule="linear",
        threads=1,
        model=Model(encoder=(512, 512), decoder=(512, 512), discriminator=(256, 256, 256)),
        prior=Prior("uniform", 2.0),
        reconstruction=Reconstruction("mse", "mean"),
        average=0.999,
        adversarial=Adversarial(
            phases="joint",
            balance="gradients",
            weight=0.5,
            final_weight=2.0,
            input_noise=0.05,
            gradient_penalty=0.02,
            discriminator_steps=5,
        ),
        optimizer=_joint(2e-3),
    )


def digits_2d_uniform() -> Config:
    """The post's experiment on the digits bundled with scikit-learn: seconds, no download (default)."""
    return Config(
        recipe="digits-2d-uniform",
        epochs=150,
        batch_size=32,
        schedule="linear",
        threads=1,  # networks this small gain nothing from a second one
        data=Data(source="digits"),
        model=Model(encoder=(256, 256), decoder=(256, 256), discriminator=(256, 256)),
        prior=Prior("uniform", 2.0),
        reconstruction=Reconstruction("mse", "mean"),
        adversarial=Adversarial(
            phases="joint", weight=0.005, final_weight=0.3, input_noise=0.05, gradient_penalty=0.02
        ),
        optimizer=_joint(1e-3),
    )


def mnist_2d_uniform() -> Config:
    """MNIST on a 2-D uniform prior: the closest match to the prior in the least time."""
    return _mnist("mnist-2d-uniform", Prior("uniform", 2.0))


def mnist_2d_gaussian() -> Config:
    """MNIST on a 2-D Gaussian prior of deviation 5, as in figure 2 of the paper."""
    return _mnist("mnist-2d-gaussian", Prior("gaussian", 5.0))


def mnist_8d_gaussian_conv() -> Config:
    """MNIST on an 8-D Gaussian prior, beyond the paper: convolutions, spoilt rows, a pull of four times that of auto.

    A likelihood under a Parzen window asks for samples near rows that nobody has seen. Convolutions reconstruct those
    better than dense layers do, a closer match leaves fewer samples where no row is, and pixels left out keep the
    decoder smooth: with none left out more epochs lower the likelihood.
    """
    base = auto()
    return dataclasses.replace(
        base,
        recipe="mnist-8d-gaussian-conv",
        epochs=40,
        batch_size=128,
        threads=0,  # convolutions gain from every one
        data=Data(source="mnist", validation=1 / 6),  # as many rows as for the paper's recipe
        model=dataclasses.replace(base.model, latent=8, network="conv"),
        prior=Prior("gaussian", 1.0),
        adversarial=dataclasses.replace(base.adversarial, final_weight=8.0),
        corruption=Corruption(dropout=0.4),
    )


def mnist_2d_mixture() -> Config:
    """MNIST on the ten 2-D Gaussians of the paper (section 2.3), without labels."""
    return _mnist("mnist-2d-mixture", Prior("mixture", 4.0))


def mnist_2d_swiss_roll() -> Config:
    """MNIST on the swiss roll of the paper (section 2.3), without labels."""
    return _mnist("mnist-2d-swiss-roll", Prior("swiss-roll", 4.0))


def mnist_2d_mixture_labels() -> Config:
    """MNIST with a Gaussian for each digit: 10,000 labelled and 40,000 unlabelled rows, as in the paper."""
    return _labelled("mnist-2d-mixture-labels", Prior("mixture", 4.0, labels=True))


def mnist_2d_swiss_roll_labels() -> Config:
    """MNIST with a segment of a swiss roll for each digit: 10,000 labelled and 40,000 unlabelled rows."""
    return _labelled("mnist-2d-swiss-roll-labels", Prior("swiss-roll", 4.0, labels=True))


def mnist_2d_uniform_post() -> Config:
    """The post's exact numbers on MNIST: three updates per minibatch, plain SGD, mean squared error."""
    adversary = Optimizer("sgd", learning_rate=0.1, momentum=0.0)
    return Config(
        recipe="mnist-2d-uniform-post",
        epochs=40,
        batch_size=128,
        schedule="constant",
        precision="fp32",
        data=Data(source="mnist"),
        model=Model(encoder=(1000, 1000), decoder=(1000, 1000), discriminator=(1000, 1000), output="sigmoid"),
        prior=Prior("uniform", 2.0),
        reconstruction=Reconstruction("mse", "mean"),
        adversarial=Adversarial(phases="separate"),
        optimizer=Optimizers(
            reconstruction=Optimizer("sgd", learning_rate=0.01, momentum=0.9, nesterov=True),
            discriminator=adversary,
            generator=adversary,
        ),
    )


def table_8d_gaussian() -> Config:
    """A table of numbers, categories and gaps (--data table.csv): 8-D Gaussian codes, a likelihood for each column."""
    return Config(
        recipe="table-8d-gaussian",
        epochs=200,
        batch_size=64,
        schedule="linear",
        threads=1,
        data=Data(source="table"),
        model=Model(latent=8, encoder=(256, 256), decoder=(256, 256), discriminator=(256, 256)),
        prior=Prior("gaussian", 1.0),
        reconstruction=Reconstruction("gaussian", "mean"),
        adversarial=Adversarial(phases="joint", weight=0.05, final_weight=0.3, input_noise=0.05, gradient_penalty=0.02),
        optimizer=_joint(1e-3),
    )


def images_2d_uniform() -> Config:
    """Images of any size, grey or in colour (--data FOLDER): convolutions, 2-D uniform codes, weights as in auto."""
    base = auto()
    return dataclasses.replace(
        base,
        recipe="images-2d-uniform",
        threads=0,  # convolutions gain from every one
        data=Data(source="images"),
        model=dataclasses.replace(base.model, network="auto", encoder=(256,), decoder=(256,)),
    )


def _mnist(name: str, prior: Prior) -> Config:
    """Reconstruct first, match last: the weight of the adversary grows fifty-fold through training.

    Three hidden layers reach a lower error than two in the same time, and a discriminator of 256 units plays a 2-D code
    as well as one of 1,000 at a third of the cost of a step.
    """
    return Config(
        recipe=name,
        epochs=60,
        batch_size=128,
        schedule="linear",
        data=Data(source="mnist"),
        model=Model(encoder=(1000, 1000, 1000), decoder=(1000, 1000, 1000), discriminator=(256, 256)),
        prior=prior,
        reconstruction=Reconstruction("bce", "mean"),
        adversarial=Adversarial(phases="joint", weight=0.02, final_weight=1.0, input_noise=0.05, gradient_penalty=0.02),
        optimizer=_joint(2e-3),
    )


def _labelled(name: str, prior: Prior) -> Config:
    """The paper's split (section 2.3): a sixth of the 60,000 training rows is held out, 50,000 train."""
    return dataclasses.replace(_mnist(name, prior), data=Data(source="mnist", validation=1 / 6, labelled=10_000))


def _joint(learning_rate: float) -> Optimizers:
    return Optimizers(
        reconstruction=Optimizer("adam", learning_rate=learning_rate, momentum=0.9),
        discriminator=Optimizer("adam", learning_rate=2e-3, momentum=0.5),
    )
