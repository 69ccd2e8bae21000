"""Recipes beyond the paper: the class of a picture is to stay while it changes in ways that do not matter.

It moves a little; without labels it also changes in the direction that changes its cluster most. See docs/classes.md.
"""

from __future__ import annotations

import dataclasses

from aae.config import Config, Consistency, Corruption, Optimizer
from aae.recipes import paper


def mnist_semi_supervised_100_moved() -> Config:
    """MNIST with 100 labels, beyond the paper: the class is to stay while the digit turns, shifts, slants and bends.

    The networks of the paper with batch normalisation, as it has for clusters, one more phase (docs/classes.md), rates
    that fall in a straight line, and a running average of the weights to use: as they are they lose a class for an
    epoch now and then. Rows are not spoilt, since the phase changes them. It passes over rows whose class is unsure,
    so that labels come first: without that, two classes that look alike may be exchanged for good in the first epoch.
    """
    base = paper.mnist_semi_supervised_100()
    return dataclasses.replace(
        base,
        recipe="mnist-semi-supervised-100-moved",
        epochs=60,
        batch_size=250,
        schedule="linear",
        schedule_epochs=(),
        average=0.999,
        model=dataclasses.replace(base.model, discriminator=(256, 256), output="sigmoid", normalization="batch"),
        corruption=Corruption(),
        consistency=Consistency("both", confidence=0.6, information=0.05, shear=0.4, stretch=0.15, bend=1.0),
        optimizer=dataclasses.replace(base.optimizer, consistency=Optimizer("adam", learning_rate=1e-3)),
    )


def mnist_2d_reduction_1000_moved() -> Config:
    """MNIST in two dimensions with 1,000 labels, beyond the paper: the class is to stay while the digit moves."""
    return _few_heads("mnist-2d-reduction-1000-moved", paper.mnist_2d_reduction_1000())


def mnist_2d_reduction_100_moved() -> Config:
    """MNIST in two dimensions with 100 labels, beyond the paper: the class is to stay while the digit moves."""
    return _few_heads("mnist-2d-reduction-100-moved", paper.mnist_2d_reduction_100())


def mnist_10d_reduction_100_moved() -> Config:
    """MNIST in ten dimensions with 100 labels, beyond the paper: the class is to stay while the digit moves."""
    return _few_heads("mnist-10d-reduction-100-moved", paper.mnist_10d_reduction_100())


def mnist_clusters_16_moved() -> Config:
    """MNIST in 16 clusters without labels, beyond the paper: the cluster is to stay while the digit moves a little."""
    return _no_labels("mnist-clusters-16-moved", paper.mnist_clusters_16())


def mnist_clusters_30_moved() -> Config:
    """MNIST in 30 clusters without labels, beyond the paper: the cluster is to stay while the digit moves a little."""
    return _no_labels("mnist-clusters-30-moved", paper.mnist_clusters_30())


def mnist_2d_reduction_clusters_moved() -> Config:
    """MNIST in two dimensions without a label, beyond the paper: the cluster is to stay while the digit moves."""
    return _no_labels("mnist-2d-reduction-clusters-moved", paper.mnist_2d_reduction_clusters())


def _few_heads(name: str, base: Config) -> Config:
    """The recipe with one more phase, as fast as the one that learns from labels, and rates that fall in a line.

    Hands differ in slant and width more than in anything else. Class and row are to have mutual information: without it
    a head was empty in a plane. Discriminators have 256 units, which makes steps shorter.
    """
    return dataclasses.replace(
        base,
        recipe=name,
        epochs=300,
        batch_size=250,
        schedule="linear",
        schedule_epochs=(),
        model=dataclasses.replace(base.model, discriminator=(256, 256)),
        consistency=Consistency("moved", information=0.5, shear=0.4, stretch=0.15),
        optimizer=dataclasses.replace(base.optimizer, consistency=base.optimizer.classification),
    )


def _no_labels(name: str, base: Config) -> Config:
    """The recipe with one more phase, layers of 1,000 units, discriminators of 256, and rates that fall in a line.

    Rows move, and change in the direction that changes their cluster most, and cluster and row are to have mutual
    information: the game alone mixes classes that look alike, and a phase that only holds clusters keeps what it finds.
    Rows are not spoilt, since the phase changes them; a step has more of them, from which the share of a cluster is
    better told.
    """
    wide, phases = (1000, 1000), base.optimizer
    return dataclasses.replace(
        base,
        recipe=name,
        epochs=100,
        batch_size=250,
        schedule="linear",
        schedule_epochs=(),
        model=dataclasses.replace(base.model, encoder=wide, decoder=wide, discriminator=(256, 256)),
        corruption=Corruption(),
        consistency=Consistency("both", information=0.05, shear=0.4, stretch=0.15),
        optimizer=dataclasses.replace(phases, consistency=Optimizer("adam", learning_rate=1e-3)),
    )
