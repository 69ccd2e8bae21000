"""Arrays in, numbers out: what a run is judged by, usable on anybody's arrays."""

from aae.metrics.classes import (
    agreement,
    by_head,
    by_majority,
    cluster_error,
    error_rate,
    hungarian_accuracy,
    least_distance,
    log_odds,
)
from aae.metrics.neighbours import Neighbourhoods, knn_accuracy, neighbourhoods
from aae.metrics.occupancy import Partition, crowding, hole_share, misplaced, planes
from aae.metrics.parzen import Parzen, choose_width, parzen_likelihood, parzen_log_density
from aae.metrics.prior_match import (
    C2ST,
    C2ST_LEAST_ROWS,
    c2st,
    cells,
    empty_share,
    empty_share_floor,
    inside_share,
    ks_of_uniform,
    max_ks,
)
from aae.metrics.reconstruction import pixel_mse, r2_against_mean, ssim
from aae.metrics.samples import PRDC, frechet_distance, kernel_distance, memorisation_ratio, prdc
from aae.metrics.tables import column_distance, correlation_difference, correlations
from aae.metrics.tables import reconstruction as table_reconstruction
from aae.metrics.two_sample import TwoSample, energy, ks_by_axis, ks_distances, mmd, sliced_wasserstein

__all__ = [
    "C2ST",
    "C2ST_LEAST_ROWS",
    "PRDC",
    "Neighbourhoods",
    "Partition",
    "Parzen",
    "TwoSample",
    "agreement",
    "by_head",
    "by_majority",
    "c2st",
    "cells",
    "choose_width",
    "cluster_error",
    "column_distance",
    "correlation_difference",
    "correlations",
    "crowding",
    "empty_share",
    "empty_share_floor",
    "energy",
    "error_rate",
    "frechet_distance",
    "hole_share",
    "hungarian_accuracy",
    "inside_share",
    "kernel_distance",
    "knn_accuracy",
    "ks_by_axis",
    "ks_distances",
    "ks_of_uniform",
    "least_distance",
    "log_odds",
    "max_ks",
    "memorisation_ratio",
    "misplaced",
    "mmd",
    "neighbourhoods",
    "parzen_likelihood",
    "parzen_log_density",
    "pixel_mse",
    "planes",
    "prdc",
    "r2_against_mean",
    "sliced_wasserstein",
    "ssim",
    "table_reconstruction",
]
