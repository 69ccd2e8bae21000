"""Figures of a run that more than one page shows: a run in, a matplotlib Figure out."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from aae import plots
from aae.data import rows
from aae.inference import Run

MEMBERS = 12
"""Rows of each cluster that are shown."""


def limits(run: Run) -> tuple[float | None, float | None]:
    """The values shown as black and as white."""
    return (run.spec.minimum, run.spec.maximum) if run.spec.is_image else (None, None)


def class_names(run: Run) -> list[str]:
    """Names of the classes, or numbers of the clusters, that the model finds."""
    return list(run.class_names or map(str, range(run.model.classes)))


def style_figure(run: Run, styles: int, condition: np.ndarray | None = None) -> Figure:
    """The paper's figure 7: one style to a row, in every class; the style of zeros first, then draws from the prior.

    condition: [columns], for all of them, where the decoder is told any beside the class.
    """
    classes = run.classes_told
    codes = np.concatenate([np.zeros((1, run.latent)), run.sample_prior(styles - 1)])
    decoded = run.decode(codes.repeat(classes, axis=0), np.tile(np.arange(classes), len(codes)), condition)
    cells = rows(decoded, run.spec).numpy().reshape(len(codes), classes, *run.spec.shape)
    return plots.style_by_class(cells, run.spec.shape, run.class_names, *limits(run))


def cluster_figure(run: Run, x: np.ndarray) -> Figure:
    """The paper's figure 9: each cluster with a style of zeros, and the first of the rows `x` that fall into it."""
    found, k, shape = run.predict(x), run.model.classes, run.spec.shape
    decoded = run.decode(np.zeros((k, run.latent)), np.arange(k)) if run.heads is None else run.decode(run.heads)
    heads = rows(decoded, run.spec).numpy()
    members = np.full((k, MEMBERS, *shape), np.nan)
    for cluster in range(k):
        mine = x[found == cluster][:MEMBERS]
        if len(mine):
            members[cluster, : len(mine)] = rows(mine, run.spec).numpy().reshape(len(mine), *shape)
    shares = [f"{name} ({(found == cluster).mean():.0%})" for cluster, name in enumerate(class_names(run))]
    return plots.cluster_heads(heads, members, shape, shares, *limits(run))
