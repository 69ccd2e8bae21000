"""A reconstruction loss of your own: quadratic for small errors, linear for large ones, in log cosh's smooth form.

aae train --plugin examples/plugins/own_loss.py --reconstruction.loss plugin
"""

import math

from torch import Tensor
from torch.nn import functional as F

WIDTH = 0.2
"""Error in scaled units at which the quadratic part goes over into the linear one."""


def loss(decoded: Tensor, target: Tensor) -> Tensor:
    """log cosh((decoded - target) / WIDTH), a cost for every value, [batch, features].

    The sum or the mean over features, and the mean over rows, are taken afterwards (`reconstruction.reduction`).
    """
    error = ((decoded - target) / WIDTH).abs()
    return error + F.softplus(-2 * error) - math.log(2)
