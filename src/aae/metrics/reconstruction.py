"""How much of a row survives encoding and decoding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aae.errors import DataError
from aae.metrics.checks import Floats, floats, same_shape


def pixel_mse(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Mean of (x - y)^2 over all rows and all features; squared units of x. Both [n, ...], the same shape."""
    a, b = floats(x, "x"), floats(y, "y")
    same_shape(a, "x", b, "y")
    return float(np.mean(np.square(a - b)))


def r2_against_mean(x: npt.ArrayLike, decoded: npt.ArrayLike, mean_row: npt.ArrayLike) -> float:
    """1 - sum (x - decoded)^2 / sum (x - mean_row)^2, sums over rows and features.

    1 is perfect, 0 no better than showing the mean row every time (a collapsed encoder), below 0 worse than that.
    x, decoded: [n, ...]; mean_row: [...], the mean of the training rows. Raises DataError if every row of x is the
    mean row, where there is nothing to explain.
    """
    a, b, mean = floats(x, "x"), floats(decoded, "decoded"), floats(mean_row, "mean_row")
    same_shape(a, "x", b, "decoded")
    if mean.shape != a.shape[1:]:
        raise DataError(f"mean_row has the shape {list(mean.shape)}, a row of x {list(a.shape[1:])}; expected the same")
    spread = np.sum(np.square(a - mean))
    if spread == 0:
        raise DataError("every row of x equals mean_row, so there is no variance to explain; give data that varies")
    return float(1 - np.sum(np.square(a - b)) / spread)


SSIM_WINDOW = 7
"""Side of the window of `ssim`, in pixels; the largest odd side that fits, for smaller images."""


def ssim(x: npt.ArrayLike, y: npt.ArrayLike, *, value_range: float = 1.0) -> float:
    """Structural similarity of images, the mean over images, channels and positions of a window; 1 for equal ones.

    ((2 mx my + c1)(2 cov + c2)) / ((mx^2 + my^2 + c1)(vx + vy + c2)) in every 7 x 7 window that lies within the image
    (unweighted, variances over n - 1), with c1 = (0.01 range)^2 and c2 = (0.03 range)^2: scikit-image's default.
    Large even parts, such as the black around a digit, count as similar, so hold it against another model's.

    x, y: [n, h, w] or [n, channels, h, w], the same shape, sides of 3 or more; value_range: largest minus least
    possible value. Raises DataError for other shapes, NaN. Source: Wang et al., "Image quality assessment: from error
    visibility to structural similarity", 2004, equation 13 (they weight the window by a Gaussian).
    """
    a, b = floats(x, "x"), floats(y, "y")
    same_shape(a, "x", b, "y")
    if a.ndim not in (3, 4) or min(a.shape[-2:]) < 3:
        raise DataError(f"images must be [n, h, w] or [n, channels, h, w] with sides of 3 or more, got {list(a.shape)}")
    if not value_range > 0:
        raise DataError(f"value_range must be above 0, got {value_range}")
    side = min(SSIM_WINDOW, min(a.shape[-2:]))
    side -= 1 - side % 2
    c1, c2 = (0.01 * value_range) ** 2, (0.03 * value_range) ** 2
    mx, my = _windows(a, side), _windows(b, side)
    to_sample = side**2 / (side**2 - 1)
    vx, vy = (to_sample * (_windows(v * v, side) - m * m) for v, m in ((a, mx), (b, my)))
    covariance = to_sample * (_windows(a * b, side) - mx * my)
    above = (2 * mx * my + c1) * (2 * covariance + c2)
    return float(np.mean(above / ((mx * mx + my * my + c1) * (vx + vy + c2))))


def _windows(images: Floats, side: int) -> Floats:
    """Means over the side x side windows that lie within the images, along the last two axes."""
    from scipy.ndimage import uniform_filter1d

    half = side // 2
    for axis in (-1, -2):
        images = uniform_filter1d(images, side, axis=axis)
    return images[..., half : images.shape[-2] - half, half : images.shape[-1] - half]
