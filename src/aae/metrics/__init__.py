"""Arrays in, numbers out: what a run is judged by, usable on anybody's arrays."""

from aae.metrics.neighbours import knn_accuracy
from aae.metrics.prior_match import (
    C2ST,
    C2ST_LEAST_ROWS,
    c2st,
    cells,
    empty_share,
    empty_share_floor,
    inside_share,
    max_ks,
)
from aae.metrics.reconstruction import pixel_mse, r2_against_mean

__all__ = [
    "C2ST",
    "C2ST_LEAST_ROWS",
    "c2st",
    "cells",
    "empty_share",
    "empty_share_floor",
    "inside_share",
    "knn_accuracy",
    "max_ks",
    "pixel_mse",
    "r2_against_mean",
]
