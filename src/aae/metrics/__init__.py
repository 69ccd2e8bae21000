"""Measures of codes and reconstructions: arrays in, numbers out, so that they can be used on anything."""

from aae.metrics.codes import knn_accuracy
from aae.metrics.match import C2ST, c2st, cells, empty_share, empty_share_floor, max_ks
from aae.metrics.reconstruction import pixel_mse, r2_against_mean

__all__ = [
    "C2ST",
    "c2st",
    "cells",
    "empty_share",
    "empty_share_floor",
    "knn_accuracy",
    "max_ks",
    "pixel_mse",
    "r2_against_mean",
]
