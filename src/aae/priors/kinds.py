"""How each kind of prior is made from settings."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from aae import plugins
from aae.config import Prior as Settings
from aae.config import from_dict, unused_by_prior
from aae.errors import ConfigError, DataError
from aae.priors.base import Prior, counted
from aae.priors.boxes import Laplace, StudentT, Uniform
from aae.priors.checked import numbers
from aae.priors.clouds import Points
from aae.priors.curves import spiral, swiss_roll
from aae.priors.files import (
    pack,
    read_mixture,
    read_picture,
    read_points,
    unpack,
)
from aae.priors.gaussians import Gaussian, Mixture, lattice, petals
from aae.priors.parts import OneHot, Product
from aae.priors.pixels import Pixels, checkerboard
from aae.priors.reach import LARGEST, POINTS, in_reach
from aae.priors.round import Shell, Torus

Make = Callable[[Settings, int], Prior]

CLASSES = 10
"""Components of a mixture and segments of a roll, where the settings give no number."""


def build(settings: Settings, latent: int) -> Prior:
    """The prior that the settings describe, over codes of so many dimensions.

    Raises ConfigError for settings that do not fit the dimensions, DataError for a file that cannot be read.
    """
    _dimensions(latent)
    made = KINDS[settings.kind][0](with_content(settings), latent)
    if not isinstance(made, Prior):
        raise ConfigError(f"prior() of the plugin must return an aae.priors.Prior, got {type(made).__name__}")
    if made.latent != latent:
        raise ConfigError(
            f"prior.kind = {settings.kind} gives codes of {counted(made.latent, 'dimension')} ({made.describe()}), and "
            f"model.latent is {latent}; set model.latent to {made.latent}"
        )
    return made


def with_content(settings: Settings) -> Settings:
    """The same settings with the file read: what was in it stands in `content`, so that it travels with a run."""
    if settings.file is None:
        return settings
    name = Path(settings.file).name
    if settings.kind == "picture":
        return dataclasses.replace(
            settings, file=None, content=pack(name, {"ink": read_picture(settings.file, settings.ink)}), ink="dark"
        )
    if settings.kind == "points":
        found = read_points(settings.file)
        made = Points(found["points"], _width(settings, 0.0), found.get("labels"), settings.file)
        in_reach(made, settings.file, DataError, POINTS)  # by the whole name, which `content` lacks
    else:
        found = read_mixture(settings.file)
    return dataclasses.replace(settings, file=None, content=pack(name, found))


def wanted(name: str, latent: int | None, settings: dict[str, object]) -> tuple[Settings, int]:
    """What is to be built: the settings, and the dimensions of a code."""
    if not isinstance(name, str):
        raise ConfigError(f"expected the name of a prior, such as ring, got {name!r}; the names: {', '.join(KINDS)}")
    if settings.get("covariance", ()) is None:
        del settings["covariance"]
    if "covariance" in settings:
        matrix = numbers(settings["covariance"], "prior.covariance", ConfigError)
        if matrix.ndim != 1 and not (matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]):
            raise ConfigError(
                "prior.covariance must be a square matrix, or its numbers row after row, got shape "
                f"{list(matrix.shape)}"
            )
        settings["covariance"] = tuple(matrix.astype(float).ravel().tolist())
        side = math.isqrt(matrix.size)
        latent = side if latent is None and side and side**2 == matrix.size else latent
    chosen = from_dict(Settings, {"kind": name.replace("_", "-"), **settings}, where="prior.")
    ignored = unused_by_prior(chosen)
    for key in settings:
        if key in ignored:
            raise ConfigError(f"prior.{key} would be ignored: {ignored[key]}. Leave it out.")
    if latent is None:
        check_scale(chosen)
        latent = KINDS[chosen.kind][0](with_content(chosen), 2).latent
    return chosen, latent


def check_scale(s: Settings) -> None:
    """ConfigError for a scale of which float64 does not hold powers that shapes need."""
    if not 1e-100 <= s.scale <= 1e100:
        raise ConfigError(f"prior.scale = {s.scale:g} is too far from 1; networks learn codes up to {LARGEST:g}")


def _dimensions(latent: object) -> None:
    if not isinstance(latent, (int, np.integer)) or isinstance(latent, bool) or latent < 1:
        raise ConfigError(f"latent, the dimensions of a code, must be a whole number of 1 or more, got {latent!r}")


def _planar(settings: Settings, latent: int) -> None:
    if latent != 2:
        raise ConfigError(
            f"prior.kind = {settings.kind} is a shape in the plane; set model.latent to 2, got {latent}, or put it in "
            "a block of prior.kind = product"
        )


def _uniform(s: Settings, latent: int) -> Prior:
    return Uniform(latent, s.scale)


def _gaussian(s: Settings, latent: int) -> Prior:
    if not s.covariance:
        return Gaussian(latent, s.scale)
    if len(s.covariance) != latent**2:
        raise ConfigError(
            f"prior.covariance needs {latent} x {latent} numbers, row after row, for model.latent = {latent}; "
            f"got {len(s.covariance)}"
        )
    return Gaussian(latent, covariance=np.reshape(s.covariance, (latent, latent)))


def _ball(s: Settings, latent: int) -> Prior:
    return Shell(latent, 0.0, s.scale)


def _sphere(s: Settings, latent: int) -> Prior:
    return Shell(latent, s.scale, s.scale)


def _ring(s: Settings, latent: int) -> Prior:
    width = s.scale / 4 if s.width is None else s.width
    if not 0 < width < s.scale:
        raise ConfigError(f"prior.width, the thickness of the ring, must lie between 0 and prior.scale; got {width}")
    return Shell(latent, s.scale - width, s.scale, (s.components or CLASSES) if s.labels else None)


def _mixture(s: Settings, latent: int) -> Prior:
    if s.content:
        name, arrays = unpack(s.content)
        return Mixture(arrays["means"], arrays["covariances"], arrays.get("weights"), name=f"mixture of {name}")
    _planar(s, latent)
    return petals(s.components or CLASSES, s.scale, _width(s, s.scale / 24))


def _grid(s: Settings, latent: int) -> Prior:
    _planar(s, latent)
    return lattice(s.components or 5, s.scale, _width(s, s.scale / 40))


def _checkerboard(s: Settings, latent: int) -> Prior:
    _planar(s, latent)
    return checkerboard(s.components or 4, s.scale)


def _swiss_roll(s: Settings, latent: int) -> Prior:
    _planar(s, latent)
    return swiss_roll(s.scale, _turns(s, 2.0), _width(s, s.scale / 40), s.components or CLASSES)


def _spiral(s: Settings, latent: int) -> Prior:
    _planar(s, latent)
    return spiral(s.scale, _turns(s, 1.0), _width(s, s.scale / 40), s.components or 2)


def _laplace(s: Settings, latent: int) -> Prior:
    return Laplace(latent, s.scale)


def _student_t(s: Settings, latent: int) -> Prior:
    return StudentT(latent, s.scale, 5.0 if s.degrees is None else s.degrees)


def _one_hot(s: Settings, latent: int) -> Prior:
    return OneHot(latent)


def _torus(s: Settings, latent: int) -> Prior:
    return Torus(latent, s.scale, 1.0 if s.concentration is None else s.concentration)


def _picture(s: Settings, latent: int) -> Prior:
    name, arrays = unpack(content_of(s))
    return Pixels(arrays["ink"], s.scale, name)


def _points(s: Settings, latent: int) -> Prior:
    name, arrays = unpack(content_of(s))
    return Points(arrays["points"], _width(s, 0.0), arrays.get("labels"), name)


def _product(s: Settings, latent: int) -> Prior:
    if not s.blocks:
        raise ConfigError('prior.kind = product needs prior.blocks, such as "style=gaussian:8" "class=one-hot:10"')
    blocks = [block(text, build) for text in s.blocks]
    if twice := _repeated(name for name, _ in blocks):
        raise ConfigError(f'prior.blocks: two blocks are named "{twice}"; give each a name of its own')
    return Product(dict(blocks))


def _plugin(s: Settings, latent: int) -> Prior:
    return plugins.function(s.content, "prior", "prior.kind = plugin")(s, latent)


def block(text: str, make: Make) -> tuple[str, Prior]:
    """`NAME=KIND:DIMENSIONS` and then `,SETTING=VALUE` for each setting of that block's prior."""
    name, equals, rest = text.partition("=")
    what, *given = rest.split(",")
    kind, colon, dimensions = what.partition(":")
    if not (name.isidentifier() and equals and colon and dimensions.isdecimal() and int(dimensions) > 0):
        raise ConfigError(
            f'prior.blocks: "{text}" is no block; expected NAME=KIND:DIMENSIONS, such as "style=gaussian:8" or '
            '"style=gaussian:8,scale=1"'
        )
    if kind == "product":
        raise ConfigError(f'prior.blocks: "{text}" is a product within a product; list its blocks side by side')
    if kind == "plugin":
        raise ConfigError(f'prior.blocks: "{text}": a plugin gives a whole prior; let it return a product')
    if twice := _repeated(one.partition("=")[0] for one in given):
        raise ConfigError(f'prior.blocks: "{text}" says {twice} twice; leave one of them out')
    settings = {key: value for key, _, value in (one.partition("=") for one in given)}
    try:
        return name, make(*wanted(kind, int(dimensions), {k: _value(k, v) for k, v in settings.items()}))
    except ConfigError as error:
        raise ConfigError(f'prior.blocks: "{text}": {error}') from None


def _repeated(names: Iterable[str]) -> str | None:
    """The first name that comes a second time."""
    seen = set[str]()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def _value(key: str, text: str) -> object:
    """A setting's value in a block, by the type that the setting has."""
    kind = str(typing.get_type_hints(Settings).get(key))
    try:
        return int(text) if "int" in kind else float(text) if "float" in kind else text
    except ValueError:
        raise ConfigError(f'{key} must be a number, got "{text}"') from None


def content_of(s: Settings) -> str:
    """The file that was read by `with_content`; ConfigError where none is named."""
    if not s.content:
        raise ConfigError(f"prior.kind = {s.kind} needs prior.file, the file that holds the {s.kind}")
    return s.content


def _width(s: Settings, default: float) -> float:
    return default if s.width is None else s.width


def _turns(s: Settings, default: float) -> float:
    return default if s.turns is None else s.turns


KINDS: dict[str, tuple[Make, str]] = {
    "uniform": (_uniform, "uniform on a box"),
    "gaussian": (_gaussian, "Gaussian, of one deviation or a full covariance"),
    "ball": (_ball, "uniform in a ball"),
    "sphere": (_sphere, "uniform on the surface of a sphere"),
    "ring": (_ring, "uniform on a ring, or a shell in more dimensions; sectors for classes"),
    "mixture": (_mixture, "Gaussian petals about a centre as in the paper, or any mixture from a file"),
    "grid": (_grid, "round Gaussians on a grid"),
    "checkerboard": (_checkerboard, "uniform on every second square of a board"),
    "swiss-roll": (_swiss_roll, "along one spiral arm as in the paper; segments for classes"),
    "spiral": (_spiral, "along several spiral arms; arms for classes"),
    "laplace": (_laplace, "independent double exponentials"),
    "student-t": (_student_t, "multivariate t, with heavy tails"),
    "one-hot": (_one_hot, "one of several categories as a one-hot code"),
    "torus": (_torus, "von Mises angles on a torus, two coordinates for each"),
    "picture": (_picture, "the ink of a picture: prior.file"),
    "points": (_points, "a cloud of points, as they are or blurred: prior.file"),
    "product": (_product, "independent priors over named blocks of the code: prior.blocks"),
    "plugin": (_plugin, "whatever a Python file of your own says: plugin.file"),
}
"""Every kind of prior: how it is made, and what it is in a line."""

EXAMPLES: dict[str, dict[str, object]] = {"product": {"blocks": ("style=gaussian:2,scale=1", "digit=one-hot:10")}}
"""Settings with which a kind that cannot stand alone is shown."""
