"""From the parameters of an estimator, and the size of its data, to the `Config` of a run."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from aae.config import (
    Adversarial,
    Config,
    DataSpec,
    Model,
    Optimizer,
    Optimizers,
    Prior,
    check,
    flatten,
    from_dict,
    replace,
)
from aae.data import MEMORY
from aae.errors import ConfigError
from aae.priors.clouds import Points
from aae.priors.files import CLOUDS, PICTURES, pack
from aae.recommend import convolved

PARAMETERS = {
    "model.kind": "the class of the estimator",
    "model.latent": "n_components",
    "model.clusters": "n_clusters",
    "model.encoder": "hidden",
    "model.decoder": "hidden",
    "prior.kind": "prior",
    "epochs": "epochs",
    "batch_size": "batch_size",
    "optimizer.reconstruction.learning_rate": "learning_rate",
    "seed": "random_state",
    "device": "device",
    "data.source": "the X that is passed to fit",
    "data.validation": "validation_fraction",
}
"""Settings that have a parameter of their own, which `settings` may not set a second time."""


@contextlib.contextmanager
def parameter_names() -> Iterator[None]:
    """Errors that name a setting of a run name the parameter that sets it: n_components, and not model.latent."""
    try:
        yield
    except ConfigError as error:
        said = str(error)
        for setting, parameter in PARAMETERS.items():
            if "." in setting and parameter.isidentifier():
                said = re.sub(rf"(?<![\w.'\"]){re.escape(setting)}(?!\w)", parameter, said)
        raise ConfigError(said) from None


class Sizes(NamedTuple):
    """What is chosen by the data where a parameter says "auto"."""

    hidden: tuple[int, ...]
    batch_size: int
    epochs: int


def sizes(rows: int, features: int) -> Sizes:
    """Networks, batches and passes that fit `rows` training rows of `features` values.

    Two hidden layers, four times as wide as a row within 32 to 512 units. Batches of 32 rows up to a thousand rows,
    then more, to 256. Steps: 200 + one for each row, but 10 passes at the least: a second or two for a few hundred
    rows, and no more passes than 60,000 images need.
    """
    width = min(512, max(32, 2 ** math.ceil(math.log2(4 * features))))
    batch = next(size for most, size in ((1000, 32), (5000, 64), (50_000, 128), (math.inf, 256)) if rows <= most)
    batch = min(batch, rows)
    epochs = max(10, math.ceil((200 + rows) / (rows // batch)))
    return Sizes((width, width), batch, epochs)


def prior_of(prior: Any, default: Prior) -> Prior:
    """The prior that is meant by a name, a file, points [m, latent], a `Prior`, or a mapping of its settings."""
    if isinstance(prior, str):
        suffix = Path(prior).suffix.lower()
        kind = "picture" if suffix in PICTURES else "points" if suffix in CLOUDS else prior
        found = default if kind == default.kind else from_dict(Prior, {"kind": kind}, where="prior.")
        return replace(found, {"file": prior}) if kind != prior else found
    if isinstance(prior, Mapping):
        return from_dict(Prior, dict(prior), where="prior.")
    if isinstance(prior, np.ndarray):
        return Prior("points", content=pack("points", {"points": Points(prior).points.numpy()}))
    if isinstance(prior, Prior):
        return prior
    raise ConfigError(
        "prior must be a name, such as 'gaussian', a picture or a file of points, points [m, n_components], an "
        f"aae.config.Prior, or a dict of its settings; got {prior!r}"
    )


def adversarial(weight: float = 0.005, final_weight: float = 0.3) -> dict[str, Any]:
    """The game that the estimators play: one joint phase, in which the weight of the prior grows through training."""
    return {
        "adversarial": Adversarial(
            phases="joint", weight=weight, final_weight=final_weight, input_noise=0.05, gradient_penalty=0.02
        ),
        "optimizer": Optimizers(discriminator=Optimizer("adam", learning_rate=2e-3, momentum=0.5)),
    }


def blocks(classification: Optimizer | None = None, consistency: Optimizer | None = None) -> dict[str, Any]:
    """The game of the models whose code is a class beside a style, with the optimizers of what teaches the class."""
    return {
        "adversarial": Adversarial(input_noise=0.05, gradient_penalty=0.02),
        "optimizer": Optimizers(
            discriminator=Optimizer("adam", learning_rate=1e-3, momentum=0.5),
            generator=Optimizer("adam", learning_rate=1e-3, momentum=0.5),
            classification=classification or Optimizer(),
            consistency=consistency or Optimizer(),
        ),
    }


def configure(
    parameters: Mapping[str, Any],
    kind: str,
    rows: int,
    spec: DataSpec,
    seed: int,
    prior: Prior | None = None,
    more: Mapping[str, Any] | None = None,
    longer: float = 1,
) -> Config:
    """The Config of a fit to `rows` training rows.

    Images in colour, or of 32 pixels a side and more, are convolved; of smaller ones dense layers learn as much.
    ConfigError that names the parameter or setting for a value that cannot be.
    """
    chosen, hidden = sizes(rows, spec.features), parameters["hidden"]
    if isinstance(hidden, str) and hidden == "auto":
        hidden = chosen.hidden
    if not isinstance(hidden, Sequence) or isinstance(hidden, str):
        raise ConfigError(
            f"hidden must be 'auto' or the widths of the hidden layers, such as (256, 256); got {hidden!r}"
        )
    width = max((*hidden, 1))
    model = Model(
        kind=kind,  # type: ignore[arg-type]
        latent=whole(parameters["n_components"], "n_components"),
        network="conv" if convolved(spec) else "mlp",
        encoder=_widths(hidden),
        decoder=_widths(hidden),
    )
    if "n_clusters" in parameters:
        model = replace(model, {"clusters": max(2, whole(parameters["n_clusters"], "n_clusters"))})
    if more and "adversarial" in more:
        model = replace(model, {"discriminator": _widths(chosen.hidden)})
    base = Config(
        recipe=f"estimator-{kind}",
        epochs=_auto(parameters["epochs"], max(1, round(longer * chosen.epochs)), "epochs"),
        batch_size=min(_auto(parameters["batch_size"], chosen.batch_size, "batch_size"), rows),
        seed=seed,
        schedule="linear",
        # Small products gain nothing from bf16 or a second thread, and one thread gives the same bytes on any machine.
        precision="fp32" if width <= 256 else "auto",
        threads=1 if width <= 256 else 0,
        device=str(parameters["device"]),
        model=model,
        prior=prior or Prior(),
        **(more or {}),
    )
    given = parameters["learning_rate"]
    rate = given if number(given) is None else number(given)
    changes = {"optimizer.reconstruction.learning_rate": rate, "data.source": MEMORY}
    config = replace(base, changes)
    return check(replace(config, _own(parameters["settings"])))


def _own(settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """The user's own settings by dotted name, without those that a parameter sets."""
    own = settings_of(settings)
    known = flatten(Config())
    for name in own:
        if name in PARAMETERS:
            raise ConfigError(f"settings[{name!r}] has a parameter of its own: {PARAMETERS[name]}")
        layout = name == "data.layout" and own[name] != "table"
        if name.startswith("data.") and name in known and name != "data.scaling" and not layout:
            raise ConfigError(f"settings[{name!r}] is about how files are read and split; prepare the X that fit takes")
        if name not in known:
            raise ConfigError(
                f"settings[{name!r}] is no setting; names are dotted, as in {{'adversarial.final_weight': 1.0}}"
            )
    return own


def settings_of(settings: Any) -> dict[str, Any]:
    """The parameter `settings` as a dict of its own; ConfigError if it is none."""
    if settings is not None and not isinstance(settings, Mapping):
        raise ConfigError(
            f"settings must be a dict, such as {{'adversarial.final_weight': 1.0}}, or None; got {settings!r}"
        )
    return dict(settings or {})


def number(value: Any) -> float | None:
    """`value` as a float if it is a real number of Python or NumPy, and no truth value; else None."""
    real = isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
    return float(value) if real else None


def whole(value: Any, name: str, least: int = 1) -> int:
    """`value` as an int of `least` or more; ConfigError that names the parameter otherwise."""
    try:
        number = value.__index__() if not isinstance(value, bool) else None
    except AttributeError:
        number = None
    if number is None or number < least:
        raise ConfigError(f"{name} must be a whole number of {least} or more, got {value!r}")
    return int(number)


def _auto(value: Any, chosen: int, name: str) -> int:
    return chosen if isinstance(value, str) and value == "auto" else whole(value, name)


def _widths(hidden: Sequence[Any]) -> tuple[int, ...]:
    return tuple(whole(width, "hidden") for width in hidden)
