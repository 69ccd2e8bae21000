"""How far codes may lie from 0 and how near to one another, for networks in float32 to learn them."""

from __future__ import annotations

from aae.errors import AAEError
from aae.priors.base import Prior, counted

LARGEST = 1e6
"""Farthest from 0 that codes may lie, and most that they may spread."""
LEAST = 1e-6
"""Least deviation that codes may have, over all axes: less, networks in float32 cannot tell from one point."""


def in_reach(prior: Prior, what: str, error: type[AAEError], mend: str) -> None:
    """`error` unless networks in float32 can learn codes of this mean and spread: 1e-6 to 1e6, and so apart at all.

    what: the option or file that decides it. mend: what to do about it.
    """
    try:
        spread, farthest = prior.spread, float((prior.mean.abs() + prior.std).max())
    except ArithmeticError:  # a power that float64 does not hold
        raise error(f"{what} is too far from 1 for {counted(prior.latent, 'dimension')}; {mend}") from None
    if not (spread <= LARGEST and farthest <= LARGEST):  # so that NaN is refused too
        raise error(f"{what} puts codes about {farthest:.2g} from 0; networks can learn them up to {LARGEST:g}; {mend}")
    if spread < LEAST * max(1.0, farthest):
        raise error(
            f"{what} gives codes a deviation of {spread:.2g}, which networks cannot tell from one point; they need "
            f"{LEAST:g}, and as much of the distance from 0, here {farthest:.2g}; {mend}"
        )
