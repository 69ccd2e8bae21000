"""Clustering (the paper, section 6): the semi-supervised model without its last phase, so without a label."""

from __future__ import annotations

from aae.config import Config, DataSpec
from aae.models.semi_supervised import SemiSupervised


def build(config: Config, spec: DataSpec) -> SemiSupervised:
    """A model whose class head sorts rows into `model.clusters` clusters, found by the adversarial game alone."""
    model = SemiSupervised.build(config, spec, config.model.clusters)
    model.phases = tuple(phase for phase in model.phases if phase.name != "classification")
    model.learns_labels = False
    return model
