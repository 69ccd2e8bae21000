"""Recipes: functions that return a `Config`. The first line of each docstring is what `aae recipes` prints."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable

from aae.config import (
    Adversarial,
    Config,
    Consistency,
    Corruption,
    Data,
    Divergence,
    Model,
    Optimizer,
    Optimizers,
    Prior,
    Reconstruction,
)
from aae.errors import ConfigError


def auto() -> Config:
    """Any data, any prior: weights from measured gradients, size of the run by the number of rows; minutes.

    The pull of the adversary grows from half to twice that of reconstruction: reconstruct first, match last. A ratio of
    gradients means the same for every loss, number of columns and prior; docs/defaults.md has what it reaches.
    """
    return Config(
        recipe="auto",
        epochs=0,
        batch_size=0,
        schedule="linear",
        threads=1,
        model=Model(encoder=(512, 512), decoder=(512, 512), discriminator=(256, 256)),
        prior=Prior("uniform", 2.0),
        reconstruction=Reconstruction("mse", "mean"),
        adversarial=Adversarial(
            phases="joint", balance="gradients", weight=0.5, final_weight=2.0, input_noise=0.05, gradient_penalty=0.02
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


def mnist_8d_gaussian() -> Config:
    """MNIST on an 8-D Gaussian prior of deviation 5, the paper's recipe for its likelihood table (section 3)."""
    return _paper(
        "mnist-8d-gaussian",
        5000,
        Model(latent=8, output="sigmoid", init="normal", init_std=0.01),
        Prior("gaussian", 5.0),
    )


def mnist_style() -> Config:
    """MNIST with the class given to the decoder and a 15-D Gaussian code for the style, as in the paper (section 4)."""
    model = Model("supervised", latent=15, output="sigmoid", init="normal", init_std=0.01)
    return _paper("mnist-style", 2000, model, Prior("gaussian", 1.0))


def mnist_clusters_16() -> Config:
    """MNIST in 16 clusters without labels, the paper's recipe (section 6): 3,000 units, the encoder normalised."""
    return _clusters("mnist-clusters-16", 16)


def mnist_clusters_30() -> Config:
    """MNIST in 30 clusters without labels, the paper's recipe (section 6): 3,000 units, the encoder normalised."""
    return _clusters("mnist-clusters-30", 30)


def mnist_clusters_16_moved() -> Config:
    """MNIST in 16 clusters without labels, beyond the paper: the cluster is to stay while the digit moves a little."""
    return _clusters_moved("mnist-clusters-16-moved", 16)


def mnist_clusters_30_moved() -> Config:
    """MNIST in 30 clusters without labels, beyond the paper: the cluster is to stay while the digit moves a little."""
    return _clusters_moved("mnist-clusters-30-moved", 30)


def _clusters_moved(name: str, clusters: int) -> Config:
    """The paper's recipe with one more phase (docs/classes.md), layers of 1,000 units and rates that fall in a line.

    The phase learns as slowly as the game: with a faster one most clusters are empty after an epoch.
    """
    base, wide = _clusters(name, clusters), (1000, 1000)
    return dataclasses.replace(
        base,
        epochs=100,
        schedule="linear",
        schedule_epochs=(),
        model=dataclasses.replace(base.model, encoder=wide, decoder=wide, discriminator=wide),
        consistency=Consistency("moved"),
        optimizer=dataclasses.replace(base.optimizer, consistency=base.optimizer.generator),
    )


def _clusters(name: str, clusters: int) -> Config:
    """Input dropout, and batch normalisation of the encoder, its heads included: without it clusters collapse."""
    model = Model(
        "clustering",
        latent=5,
        encoder=(3000, 3000),
        decoder=(3000, 3000),
        discriminator=(3000, 3000),
        output="sigmoid",
        init="normal",
        init_std=0.01,
        normalization="batch",
        clusters=clusters,
    )
    return dataclasses.replace(_paper(name, 1500, model, Prior("gaussian", 1.0)), corruption=Corruption(dropout=0.2))


def mnist_semi_supervised_100() -> Config:
    """MNIST with 100 labels, the paper's recipe (section 5): class and style, separate phases, plain SGD.

    Half the squared error summed over pixels, linear output, weights N(0, 0.01), all labelled rows in every step,
    noise on the input alone. The paper trains for 5,000 epochs and divides the rates again after 1,000.
    """
    model = Model("semi-supervised", latent=10, output="linear", init="normal", init_std=0.01)
    config = _paper("mnist-semi-supervised-100", 1000, model, Prior("gaussian", 1.0))
    return dataclasses.replace(
        config,
        labelled_batch_size=100,
        data=dataclasses.replace(config.data, labelled=100),
        corruption=Corruption(noise=0.3),
        optimizer=dataclasses.replace(config.optimizer, classification=Optimizer("sgd", 0.1, momentum=0.9)),
    )


def mnist_semi_supervised_100_moved() -> Config:
    """MNIST with 100 labels, beyond the paper: the class is to stay while the digit turns, shifts and grows a little.

    The paper's recipe with one more phase (docs/classes.md) and rates that fall in a straight line.
    """
    base = mnist_semi_supervised_100()
    return dataclasses.replace(
        base,
        recipe="mnist-semi-supervised-100-moved",
        epochs=300,
        schedule="linear",
        schedule_epochs=(),
        consistency=Consistency("moved"),
        optimizer=dataclasses.replace(base.optimizer, consistency=base.optimizer.classification),
    )


def _paper(name: str, epochs: int, model: Model, prior: Prior) -> Config:
    """What the paper's experiments beyond two dimensions share: separate phases, plain SGD, batches of 100.

    Half the squared error, summed over pixels: the mean over pixels is a rate 784 times smaller, and learns next to
    nothing. The rates are divided by 10 after 50 epochs; 50,000 rows train and 10,000 validate.
    """
    adversary = Optimizer("sgd", learning_rate=0.1, momentum=0.1)
    return Config(
        recipe=name,
        epochs=epochs,
        batch_size=100,
        schedule="steps",
        schedule_epochs=(50,),
        data=Data(source="mnist", validation=1 / 6),
        model=model,
        prior=prior,
        reconstruction=Reconstruction("mse", "sum", weight=0.5),
        optimizer=Optimizers(
            reconstruction=Optimizer("sgd", learning_rate=0.01, momentum=0.9),
            discriminator=adversary,
            generator=adversary,
        ),
    )


def mnist_8d_wae_mmd() -> Config:
    """MNIST under WAE-MMD (Tolstikhin et al. 2018): a kernel in place of a discriminator, 8-D Gaussian codes.

    Prior, weight, rate and batch are theirs; the networks are this project's, of dense layers.
    """
    return Config(
        recipe="mnist-8d-wae-mmd",
        epochs=100,
        batch_size=100,
        schedule="linear",
        data=Data(source="mnist"),
        model=Model("wae-mmd", latent=8),
        prior=Prior("gaussian", 1.0),
        reconstruction=Reconstruction("mse", "sum"),
        divergence=Divergence(weight=10.0),
        optimizer=Optimizers(reconstruction=Optimizer("adam", learning_rate=1e-3, momentum=0.5)),
    )


def mnist_8d_wae_gan() -> Config:
    """MNIST under WAE-GAN (Tolstikhin et al. 2018), which is the AAE in joint phases with a constant weight.

    With the squared error as cost WAE-GAN is the adversarial autoencoder (their section 3), so this is model.kind = aae
    under their name: prior, weight, rates and batch are theirs, the networks are this project's, of dense layers.
    """
    kernel = mnist_8d_wae_mmd()
    return dataclasses.replace(
        kernel,
        recipe="mnist-8d-wae-gan",
        model=dataclasses.replace(kernel.model, kind="aae", discriminator=(512, 512, 512, 512)),
        divergence=Divergence(),
        adversarial=Adversarial(phases="joint", weight=10.0, final_weight=10.0),
        optimizer=dataclasses.replace(
            kernel.optimizer, discriminator=Optimizer("adam", learning_rate=5e-4, momentum=0.5)
        ),
    )


def mnist_2d_reduction_1000() -> Config:
    """MNIST in two dimensions with 1,000 labels (section 7, figure 10): a learnt head for each digit, plus a style.

    Optimizers, losses and noise are those of `mnist_semi_supervised_100`. The paper names neither the distance that
    heads keep nor the factor on it, which are `heads.distance` and `heads.weight` here.
    """
    base = mnist_semi_supervised_100()
    return dataclasses.replace(
        base,
        recipe="mnist-2d-reduction-1000",
        data=dataclasses.replace(base.data, labelled=1000),
        model=dataclasses.replace(base.model, kind="dimension-reduction", latent=2),
    )


def mnist_2d_reduction_100() -> Config:
    """MNIST in two dimensions with 100 labels (section 7, figure 10)."""
    base = mnist_2d_reduction_1000()
    return dataclasses.replace(base, recipe="mnist-2d-reduction-100", data=dataclasses.replace(base.data, labelled=100))


def mnist_10d_reduction_100() -> Config:
    """MNIST in ten dimensions with 100 labels (section 7)."""
    base = mnist_2d_reduction_100()
    return dataclasses.replace(base, recipe="mnist-10d-reduction-100", model=dataclasses.replace(base.model, latent=10))


def mnist_2d_reduction_clusters() -> Config:
    """MNIST in two dimensions without a label (section 7, figure 10): 20 clusters, each with a learnt head.

    Everything else is as in `mnist_clusters_16`.
    """
    base = mnist_clusters_16()
    model = dataclasses.replace(base.model, kind="dimension-reduction", latent=2, clusters=20)
    return dataclasses.replace(base, recipe="mnist-2d-reduction-clusters", model=model)


def _joint(learning_rate: float) -> Optimizers:
    return Optimizers(
        reconstruction=Optimizer("adam", learning_rate=learning_rate, momentum=0.9),
        discriminator=Optimizer("adam", learning_rate=2e-3, momentum=0.5),
    )


DEFAULT = "digits-2d-uniform"
"""The recipe when none is named."""

RECIPES: dict[str, Callable[[], Config]] = {
    "auto": auto,
    "digits-2d-uniform": digits_2d_uniform,
    "mnist-2d-uniform": mnist_2d_uniform,
    "mnist-2d-uniform-post": mnist_2d_uniform_post,
    "mnist-2d-gaussian": mnist_2d_gaussian,
    "mnist-2d-mixture": mnist_2d_mixture,
    "mnist-2d-swiss-roll": mnist_2d_swiss_roll,
    "mnist-2d-mixture-labels": mnist_2d_mixture_labels,
    "mnist-2d-swiss-roll-labels": mnist_2d_swiss_roll_labels,
    "table-8d-gaussian": table_8d_gaussian,
    "images-2d-uniform": images_2d_uniform,
    "mnist-8d-gaussian": mnist_8d_gaussian,
    "mnist-style": mnist_style,
    "mnist-clusters-16": mnist_clusters_16,
    "mnist-clusters-30": mnist_clusters_30,
    "mnist-clusters-16-moved": mnist_clusters_16_moved,
    "mnist-clusters-30-moved": mnist_clusters_30_moved,
    "mnist-semi-supervised-100": mnist_semi_supervised_100,
    "mnist-semi-supervised-100-moved": mnist_semi_supervised_100_moved,
    "mnist-8d-wae-mmd": mnist_8d_wae_mmd,
    "mnist-8d-wae-gan": mnist_8d_wae_gan,
    "mnist-2d-reduction-1000": mnist_2d_reduction_1000,
    "mnist-2d-reduction-100": mnist_2d_reduction_100,
    "mnist-10d-reduction-100": mnist_10d_reduction_100,
    "mnist-2d-reduction-clusters": mnist_2d_reduction_clusters,
}


def recipe(name: str) -> Config:
    """The recipe of this name, dashes or underscores; ConfigError with the nearest name for an unknown one."""
    key = name.replace("_", "-")
    if key not in RECIPES:
        near = difflib.get_close_matches(key, RECIPES, n=1, cutoff=0.4)
        hint = f'did you mean "{near[0]}"?' if near else "see `aae recipes`"
        raise ConfigError(f'unknown recipe "{name}"; {hint}')
    return RECIPES[key]()


def describe() -> dict[str, str]:
    """Every recipe's name with the line that describes it."""
    return {name: (make.__doc__ or "").splitlines()[0] for name, make in RECIPES.items()}
