"""What a search may change, and how far: {dotted setting: distribution}."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from aae.config import Config, check, flatten, load_file, replace, unused
from aae.errors import ConfigError
from aae.tuning.library import optuna

Space = dict[str, Any]
"""{dotted setting: optuna distribution}"""
Pairs = dict[str, Any]

FIXED = (
    "data",
    "seed",
    "recipe",
    "device",
    "threads",
    "precision",
    "cuda_graphs",
    "shard_optimizers",
    "save_every",
    "prior.content",
)
"""What no search may change: the rows that trials are compared on, and what is no matter of quality."""
ANY_DIMENSION = ("uniform", "gaussian", "ball", "sphere", "laplace", "student-t")
"""Priors that exist in any number of dimensions."""
PHASES = ("reconstruction", "discriminator", "generator", "classification")
KEYS = ("low", "high", "log", "step", "choices")


def default_space(base: Config, fixed: Collection[str] = ()) -> Space:
    """What is worth searching in these settings; without those that they would ignore and those in `fixed`.

    Learning rates, weights of the adversary and gradient penalty: a tenth to ten times their value in `base`,
    logarithmic; a penalty of 0: 0 to 0.2. Noise on the discriminator's input: 0 to 0.2. Steps of the discriminator: 1
    to 5. Dimensions of a code: half to twice those of `base`, where these are more than 2 (two are chosen to be looked
    at) and the prior exists in any number of them.
    """
    found: Space = {f"optimizer.{phase}.learning_rate": _around(base, f"optimizer.{phase}.learning_rate")
                    for phase in PHASES}  # fmt: skip
    for name in ("weight", "final_weight"):
        found[f"adversarial.{name}"] = _around(base, f"adversarial.{name}")
    kinds = optuna().distributions
    found["adversarial.input_noise"] = kinds.FloatDistribution(0.0, 0.2)
    penalty = base.adversarial.gradient_penalty
    found["adversarial.gradient_penalty"] = (
        _around(base, "adversarial.gradient_penalty") if penalty > 0 else kinds.FloatDistribution(0.0, 0.2)
    )
    found["adversarial.discriminator_steps"] = kinds.IntDistribution(1, max(5, base.adversarial.discriminator_steps))
    if base.model.latent > 2 and base.prior.kind in ANY_DIMENSION and not base.prior.covariance:
        found["model.latent"] = kinds.IntDistribution(max(2, base.model.latent // 2), 2 * base.model.latent, log=True)
    ignored = unused(base)
    return {
        key: kind for key, kind in found.items() if kind is not None and key not in fixed and not _within(ignored, key)
    }


def _around(base: Config, key: str) -> Any:
    value = flatten(base)[key]
    return optuna().distributions.FloatDistribution(value / 10, value * 10, log=True) if value > 0 else None


def _within(groups: Iterable[str], key: str) -> bool:
    return any(key == group or key.startswith(f"{group}.") for group in groups)


def read_space(path: str | Path, base: Config, fixed: Collection[str] = ()) -> Space:
    """The default space with what a TOML file says of it on top; `defaults = false` there: what it says alone.

        "adversarial.weight" = { low = 0.001, high = 1.0, log = true }
        "adversarial.discriminator_steps" = { low = 1, high = 5 }
        "model.encoder" = { choices = [[256, 256], [512, 512]] }

    ConfigError, naming file and setting, for an unknown setting, bounds that it cannot take, one that this model would
    ignore or that `fixed` (settings written on the command line) holds already.
    """
    values = load_file(path)
    defaults = values.pop("defaults", True)
    if not isinstance(defaults, bool):
        raise ConfigError(f"{path}: defaults must be true or false, got {defaults!r}")
    space = default_space(base, fixed) if defaults else {}
    for key, given in _entries(values):
        try:
            if key in fixed:
                raise ConfigError("has a value on the command line already; leave out one of the two")
            space[key] = _distribution(key, given, base)
        except ConfigError as error:
            raise ConfigError(f"{path}: {key}: {error}") from None
    if not space:
        raise ConfigError(f"{path} leaves nothing to search; name a setting with low and high, or choices")
    return space


def _entries(values: Pairs, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """(dotted setting, its entry): quoted names and nested tables come to the same."""
    for key, value in values.items():
        if isinstance(value, dict) and not set(value) & set(KEYS):
            yield from _entries(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _distribution(key: str, given: Any, base: Config) -> Any:
    known = flatten(base)
    if key not in known:
        replace(base, {key: None})  # which says what is near
    if _within(FIXED, key):
        raise ConfigError("is no matter for a search: trials are compared on the same rows and seed")
    if not isinstance(given, dict) or (unknown := set(given) - set(KEYS)):
        bad = f"unknown {', '.join(sorted(unknown))}" if isinstance(given, dict) else f"got {given!r}"
        raise ConfigError(f"expected {{ low, high, log, step }} or {{ choices = [...] }}, {bad}")
    if "choices" in given:
        choices = given["choices"]
        if not isinstance(choices, list) or not choices or len(given) > 1:
            raise ConfigError("choices must be a list of one value or more, and stand alone")
        for choice in choices:
            check(replace(base, {key: choice}))
        as_text = [json.dumps(choice) if isinstance(choice, list) else choice for choice in choices]
        return optuna().distributions.CategoricalDistribution(as_text)
    if "low" not in given or "high" not in given:
        raise ConfigError("needs both low and high, or choices")
    for end in ("low", "high"):
        check(replace(base, {key: given[end]}))
    kinds = optuna().distributions
    whole = isinstance(known[key], int) and not isinstance(known[key], bool)
    try:
        if whole:
            return kinds.IntDistribution(
                given["low"], given["high"], log=given.get("log", False), step=given.get("step", 1)
            )
        return kinds.FloatDistribution(
            float(given["low"]), float(given["high"]), log=given.get("log", False), step=given.get("step")
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(str(error)) from None


def applied(base: Config, parameters: Pairs) -> Config:
    """`base` with a trial's values. ConfigError where these do not go together."""
    known = flatten(base)
    values = {k: json.loads(v) if isinstance(known[k], tuple) and isinstance(v, str) else v
              for k, v in parameters.items()}  # fmt: skip
    return check(replace(base, values))


def starting_point(base: Config, space: Space) -> Pairs | None:
    """The values of `base` itself as a trial; None if one of them lies outside the space."""
    known, found = flatten(base), Pairs()
    for key, kind in space.items():
        value = json.dumps(list(known[key])) if isinstance(known[key], tuple) else known[key]
        inside = value in kind.choices if hasattr(kind, "choices") else kind.low <= value <= kind.high
        if not inside:
            return None
        found[key] = value
    return found
