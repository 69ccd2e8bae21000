"""What is asked of a prior: by settings, a name, a file or a Python object."""

from __future__ import annotations

from pathlib import Path

import torch
from numpy.typing import ArrayLike

from aae.config import Prior as Settings
from aae.errors import ConfigError, DataError
from aae.priors.base import Prior
from aae.priors.clouds import Points, cloud
from aae.priors.files import (
    CLOUDS,
    MIXTURES,
    PICTURES,
    Ink,
    is_mixture,
    read_picture,
    read_points,
    unpack,
)
from aae.priors.given import Distribution, Draw, Drawn
from aae.priors.kinds import EXAMPLES, KINDS, block, build, check_scale, content_of, wanted, with_content
from aae.priors.pixels import Pixels
from aae.priors.reach import POINTS, in_reach

READ = f"pictures ({', '.join(PICTURES)}), points ({', '.join(CLOUDS)}) and mixtures ({', '.join(MIXTURES)})"
"""What files a prior is read from."""


def admit(settings: Settings, latent: int) -> Prior:
    """`build` for a run that begins: ConfigError or DataError, too, for what networks in float32 cannot learn.

    A run that has been trained is loaded by `build`, whatever its prior is.
    """
    check_scale(settings)
    made = build(settings, latent)
    if settings.kind == "points":
        in_reach(made, unpack(content_of(with_content(settings)))[0], DataError, POINTS)
        return made
    if settings.kind == "product":
        for text in settings.blocks:
            block(text, admit)
    in_reach(made, _scale_of(settings), ConfigError, "choose other values", heavy=settings.kind == "plugin")
    return made


def prior(name: str, latent: int | None = None, **settings: object) -> Prior:
    """The prior of this name: `prior("ring")`, `prior("gaussian", latent=8, scale=1.0)`.

    settings: any setting of `aae.config.Prior`, such as scale, width, components; a covariance may be a matrix.
    latent: dimensions of a code; by default those that the shape needs, else 2.

    Raises ConfigError for an unknown name and for a setting that this prior has no use for.
    """
    return admit(*wanted(name, latent, settings))


def from_points(points: ArrayLike | str | Path, width: float = 0.0, labels: ArrayLike | None = None) -> Points:
    """Points [m, latent], each as probable as any other, blurred by a Gaussian of deviation `width`.

    points: an array, a tensor, lists, or the name of a file (.npy, .npz, .csv), which may hold labels too. labels [m]:
    whole numbers 0, 1, ..., -1 for none. Raises DataError for what is no cloud of points.
    """
    if isinstance(points, (str, Path)):
        found = read_points(points)
        made = Points(found["points"], width, found.get("labels") if labels is None else labels, str(points))
        in_reach(made, str(points), DataError, POINTS)
        made.name = Path(points).name  # errors name the folder too
        return made
    made = Points(points, width, labels)
    cloud(points, labels, made.name)  # by the row that is too far away
    in_reach(made, made.name, DataError, POINTS)
    return made


def from_picture(path: str | Path, half_width: float = 2.0, ink: Ink = "dark") -> Pixels:
    """The picture's ink as density: dark pixels, or bright ones. Its longer side spans -half_width to half_width.

    Raises DataError for a file that is no picture, ConfigError for another ink and a half_width that is not above 0.
    """
    return Pixels(read_picture(path, ink), half_width, Path(path).name)


def from_callable(draw: Draw) -> Drawn:
    """Whatever `draw(n, generator)` returns, [n, latent]; it must draw its randomness from the torch.Generator."""
    return Drawn(draw, getattr(draw, "__name__", "a function"))


def from_distribution(distribution: torch.distributions.Distribution) -> Distribution:
    """Any distribution of `torch.distributions` over [latent] numbers."""
    return Distribution(distribution)


def named(what: str) -> Prior:
    """The prior of a name, or one made of a picture or a point cloud where `what` is such a file."""
    path = Path(what)
    if what == "plugin":
        raise ConfigError("a plugin's prior belongs to the settings of a run; see docs/extending.md")
    if what in KINDS:
        return prior(what, None, **EXAMPLES.get(what, {}))
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file in it: {READ}")
    if path.suffix.lower() in PICTURES:
        return from_picture(path)
    if path.suffix.lower() in MIXTURES and is_mixture(path):
        return prior("mixture", file=what)
    if path.suffix.lower() in CLOUDS:
        return from_points(path)
    if path.suffix and not path.exists():
        raise ConfigError(f"there is no file {path}, and no prior of that name; aae priors lists them")
    if path.exists():
        raise ConfigError(f"{path} is there, but a prior cannot be read from {path.suffix or 'such'} files: {READ}")
    return prior(what)


def _scale_of(s: Settings) -> str:
    """The settings, with their values where these are short, that decide how far codes spread."""
    if s.kind == "mixture" and s.content:
        return f"prior.file {unpack(s.content)[0]}"
    if s.kind == "plugin":
        return "the prior of the plugin"
    if s.kind in ("one-hot", "product"):
        return f"prior.kind = {s.kind}"
    if s.covariance:
        return "prior.covariance"
    given = {"scale": s.scale, "width": s.width, "degrees": s.degrees}
    return ", ".join(f"prior.{name} = {value:g}" for name, value in given.items() if value is not None)
