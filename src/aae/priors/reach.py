"""How far codes may lie from 0 and how near to one another, for networks in float32 to learn them."""

from __future__ import annotations

import math

from aae.errors import AAEError
from aae.priors.base import Prior

LARGEST = 1e6
"""Farthest from 0 that codes may lie, and most that they may spread."""
LEAST = 1e-6
"""Least deviation that codes may have, over all axes: less, networks in float32 cannot tell from one point."""


POINTS = "scale the points, or blur them where they are one (prior.width)"
"""What to do about points that are out of reach."""


def in_reach(prior: Prior, what: str, error: type[AAEError], mend: str, *, heavy: bool = False) -> None:
    """`error` unless networks in float32 can learn codes of this mean and spread: 1e-6 to 1e6, and so apart at all.

    For settings of a new run and priors made by hand, never for a run that has been trained: that one has to load.
    what: the option or file that decides it. mend: what to do about it. heavy: whether it may have tails so heavy that
    its deviation is infinite.
    """
    spread, farthest = prior.spread, float((prior.mean.abs() + prior.std).max())
    if math.isnan(spread) or math.isnan(farthest):
        raise error(f"{what} gives codes a mean or a deviation that is no number (NaN); {mend}")
    if heavy and prior.std.isinf().any():
        return
    if spread > LARGEST or farthest > LARGEST:
        raise error(f"{what} puts codes about {farthest:.2g} from 0; networks can learn them up to {LARGEST:g}; {mend}")
    if spread < LEAST * max(1.0, farthest):
        raise error(
            f"{what} gives codes a deviation of {spread:.2g}, which networks cannot tell from one point; they need "
            f"{LEAST:g}, and as much of the distance from 0, here {farthest:.2g}; {mend}"
        )
