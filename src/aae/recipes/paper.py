"""The recipes of the paper's own experiments on MNIST (Makhzani et al. 2015, sections 3 to 7 and appendix A)."""

from __future__ import annotations

import dataclasses

from aae.config import Config, Corruption, Data, Model, Optimizer, Optimizers, Prior, Reconstruction


def mnist_8d_gaussian() -> Config:
    """MNIST on an 8-D Gaussian prior of deviation 5, the paper's recipe for its likelihood table (section 3).

    The rates are divided by 10 again after 1,000 epochs. Where the paper names a Euclidean cost for this experiment
    and half of it for the others, half is taken here too.
    """
    model = Model(latent=8, output="sigmoid", init="normal", init_std=0.01)
    config = _paper("mnist-8d-gaussian", 5000, model, Prior("gaussian", 5.0))
    return dataclasses.replace(config, schedule_epochs=(50, 1000))


def mnist_style() -> Config:
    """MNIST with the class given to the decoder and a 15-D Gaussian code for the style, as in the paper (section 4).

    The paper names the dimensions, the prior and the epochs; rates, losses and networks are those of its other
    experiments.
    """
    model = Model("supervised", latent=15, output="sigmoid", init="normal", init_std=0.01)
    return _paper("mnist-style", 2000, model, Prior("gaussian", 1.0))


def mnist_clusters_16() -> Config:
    """MNIST in 16 clusters without labels, the paper's recipe (section 6): 3,000 units, the encoder normalised."""
    return _clusters("mnist-clusters-16", 16)


def mnist_clusters_30() -> Config:
    """MNIST in 30 clusters without labels, the paper's recipe (section 6): 3,000 units, the encoder normalised."""
    return _clusters("mnist-clusters-30", 30)


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
