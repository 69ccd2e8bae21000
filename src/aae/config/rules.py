"""Which settings go together: what a model ignores, what it refuses, and what it takes from a recipe."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable
from typing import Any

from aae.config.convert import flatten, from_dict, replace, show
from aae.config.learning import Consistency, Optimizers
from aae.config.settings import Config, Prior
from aae.errors import ConfigError

WITH_DISCRIMINATOR = ("aae", "supervised", "semi-supervised", "clustering", "dimension-reduction")
WITH_CLUSTERS = ("clustering", "dimension-reduction")
WITH_POSTERIOR = ("aae", "supervised", "wae-mmd")
"""Models whose posterior is chosen by `model.posterior`."""
WITH_DIVERGENCE = ("vae", "wae-mmd")
DENSE = ("gaussian", "mixture", "grid", "swiss-roll", "spiral", "laplace", "student-t", "points", "product")
"""Priors that have, or may have, a density everywhere, as a Gaussian posterior needs it."""
WITH_CLASSES = ("semi-supervised", "clustering", "dimension-reduction")


def with_classification(config: Config) -> bool:
    """Whether a phase learns classes from labelled rows."""
    kind = config.model.kind
    return kind == "semi-supervised" or (kind == "dimension-reduction" and not config.model.clusters)


def plugged(config: Config) -> list[str]:
    """The settings that ask for something of a plugin."""
    asked = {
        "model.kind": config.model.kind,
        "model.network": config.model.network,
        "prior.kind": config.prior.kind if config.model.kind != "autoencoder" else "",
        "reconstruction.loss": config.reconstruction.loss,
    }
    return [name for name, value in asked.items() if value == "plugin"]


def learns_labels(config: Config) -> bool:
    """Whether training looks at the labels of the rows that `data.labelled` chooses."""
    kind, prior = config.model.kind, config.prior
    by_prior = kind == "aae" and prior.labels and "labels" not in unused_by_prior(prior)
    own = kind == "plugin" and config.data.labelled is not None  # which may have a phase of that kind
    return by_prior or own or with_classification(config)


_PRIOR_USES: dict[str, tuple[str, ...]] = {
    "uniform": ("scale",),
    "gaussian": ("scale", "covariance"),
    "ball": ("scale",),
    "sphere": ("scale",),
    "ring": ("scale", "width", "labels"),
    "mixture": ("scale", "width", "components", "labels", "file", "content"),
    "grid": ("scale", "width", "components"),
    "checkerboard": ("scale", "components"),
    "swiss-roll": ("scale", "width", "turns", "labels"),
    "spiral": ("scale", "width", "turns", "components", "labels"),
    "laplace": ("scale",),
    "student-t": ("scale", "degrees"),
    "one-hot": ("labels",),
    "torus": ("scale", "concentration"),
    "picture": ("scale", "file", "content", "ink"),
    "points": ("width", "file", "content", "labels"),
    "product": ("blocks", "labels"),
    "plugin": ("scale", "width", "components", "turns", "degrees", "concentration", "content", "labels"),
}


def unused_by_prior(prior: Prior) -> dict[str, str]:
    """The settings that this prior ignores, each with the reason."""
    uses = set(_PRIOR_USES[prior.kind])
    if prior.kind in ("ring", "swiss-roll") and prior.labels:
        uses.add("components")
    names = [f.name for f in dataclasses.fields(prior) if f.name != "kind"]
    reasons = {name: f"prior.kind = {prior.kind} does not use it" for name in names if name not in uses}
    if prior.covariance and prior.kind == "gaussian":
        reasons["scale"] = "prior.covariance says how wide the Gaussian is"
    if prior.kind == "mixture" and (prior.file or prior.content):
        reasons |= dict.fromkeys(("scale", "width", "components"), "the mixture comes from a file")
    if prior.kind == "picture" and prior.content and not prior.file:
        reasons["ink"] = "the picture has been read already"
    return reasons


def unused(config: Config) -> dict[str, str]:
    """Dotted names (or groups) of the settings that this model ignores, each with the reason."""
    kind = config.model.kind
    reasons = _unused_by_game(config) | _unused_by_shape(config) | _unused_by_networks(config)
    reasons |= _unused_by_labels(config) | _unused_by_consistency(config)
    if config.schedule != "steps":
        reasons["schedule_epochs"] = "only schedule = steps uses it"
    if kind == "plugin":  # whose model may use whatever it likes
        kept = ("schedule_epochs", "data.label_seed", *(f"prior.{name}" for name in unused_by_prior(config.prior)))
        reasons = {name: why for name, why in reasons.items() if name in kept}
    else:
        reasons["optimizer.other"] = "only phases of a model of your own (model.kind = plugin) use it"
    if not plugged(config):
        reasons["plugin"] = (
            "nothing asks for it; set model.kind, model.network, prior.kind or reconstruction.loss to plugin"
        )
    for phase in typing.get_type_hints(Optimizers):
        if getattr(config.optimizer, phase).kind != "sgd":
            reasons[f"optimizer.{phase}.nesterov"] = "only kind = sgd uses it"
    return reasons


def _unused_by_game(config: Config) -> dict[str, str]:
    """Of the discriminator and its game."""
    kind, reasons = config.model.kind, dict[str, str]()
    if kind not in WITH_DISCRIMINATOR:
        why = f"model.kind = {kind} has no discriminator"
        groups = ("model.discriminator", "adversarial", "optimizer.discriminator", "optimizer.generator")
        reasons.update(dict.fromkeys(groups, why))
    if kind in WITH_DISCRIMINATOR and (kind != "aae" or config.adversarial.phases == "separate"):
        why = "only adversarial.phases = joint uses it"
        reasons.update(dict.fromkeys((f"adversarial.{k}" for k in ("balance", "weight", "final_weight")), why))
    if config.adversarial.objective != "cross-entropy":
        reasons["adversarial.label_smoothing"] = "only adversarial.objective = cross-entropy has labels"
    if config.adversarial.gradient_penalty == 0:
        reasons["adversarial.penalty"] = "adversarial.gradient_penalty is 0"
    if kind in WITH_DISCRIMINATOR and kind != "aae":
        reasons["adversarial.phases"] = f"model.kind = {kind} trains in separate phases, as in the paper"
    if kind == "aae" and config.adversarial.phases == "joint":
        reasons["optimizer.generator"] = "with adversarial.phases = joint the reconstruction optimizer takes the step"
    return reasons


def _unused_by_shape(config: Config) -> dict[str, str]:
    """Of what the codes are held to, and by what."""
    kind, reasons = config.model.kind, dict[str, str]()
    if kind == "autoencoder":
        reasons["prior"] = "a plain autoencoder has no prior"
    else:
        reasons |= {f"prior.{name}": why for name, why in unused_by_prior(config.prior).items()}
    if kind != "aae":
        reasons["prior.labels"] = "only model.kind = aae shapes the prior by labels"
    if kind != "supervised":
        reasons["data.condition"] = f"model.kind = {kind} has a decoder that is told no condition"
    if kind not in WITH_DIVERGENCE:
        reasons["divergence"] = f"model.kind = {kind} has no divergence"
    elif kind != "vae":
        reasons["divergence.samples"] = f"model.kind = {kind} draws as many as there are rows in a step"
    elif config.prior.kind == "gaussian" and not config.prior.covariance:
        reasons["divergence.samples"] = "the divergence from an isotropic Gaussian has a closed form"
    return reasons


def _unused_by_networks(config: Config) -> dict[str, str]:
    """Of the networks and the posterior."""
    kind, reasons = config.model.kind, dict[str, str]()
    if kind not in WITH_POSTERIOR:
        reasons["model.posterior"] = f"model.kind = {kind} fixes the posterior"
    if kind not in WITH_POSTERIOR or config.model.posterior != "noise":
        reasons["model.posterior_noise"] = "only model.posterior = noise uses it"
    if config.model.network == "mlp":
        reasons["model.channels"] = "only model.network = conv or auto uses it"
    if kind not in WITH_CLUSTERS:
        reasons["model.clusters"] = f"model.kind = {kind} has no clusters"
    if kind != "dimension-reduction":
        reasons["heads"] = f"model.kind = {kind} has no cluster heads"
    elif config.heads.weight == 0:
        reasons["heads.distance"] = "heads.weight is 0"
    if config.model.init != "normal":
        reasons["model.init_std"] = "only model.init = normal uses it"
    return reasons


def _unused_by_labels(config: Config) -> dict[str, str]:
    """Of a few labels."""
    kind, reasons = config.model.kind, dict[str, str]()
    if not learns_labels(config):
        reasons["data.labelled"] = f"model.kind = {kind} has no use for a few labels" + (
            " without prior.labels" if kind == "aae" else ""
        )
    if not with_classification(config):
        why = f"model.kind = {kind} has no classification phase" + (
            " with model.clusters" if config.model.clusters else ""
        )
        reasons["labelled_batch_size"] = reasons["optimizer.classification"] = why
    if config.data.labelled is None or not learns_labels(config):
        reasons["data.label_seed"] = "only data.labelled uses it"
    return reasons


def _unused_by_consistency(config: Config) -> dict[str, str]:
    chosen, told = config.consistency.kind, config.consistency.information > 0
    if config.model.kind not in WITH_CLASSES:
        return dict.fromkeys(
            ("consistency", "optimizer.consistency"), f"model.kind = {config.model.kind} has no classes"
        )
    if chosen == "none":
        used: tuple[str, ...] = ("kind",)
    else:
        used = (
            "kind",
            "weight",
            "confidence",
            *(("information", "balance") if told else ("information",)),
            *(("radius",) if chosen in ("adversarial", "both") else ()),
            *(("rotation", "shift", "zoom", "shear", "stretch", "bend") if chosen in ("moved", "both") else ()),
        )
    others = (f.name for f in dataclasses.fields(Consistency) if f.name not in used)
    reasons = dict.fromkeys((f"consistency.{name}" for name in others), f"consistency.kind = {chosen} does not use it")
    if not told and chosen != "none":
        reasons["consistency.balance"] = "consistency.information = 0 does not use it"
    return reasons | ({"optimizer.consistency": "consistency.kind is none"} if chosen == "none" else {})


def covers(groups: Iterable[str], key: str) -> str | None:
    return next((g for g in groups if key == g or key.startswith(g + ".")), None)


def check(config: Config) -> Config:
    """Return `config` if its settings go together and none of them would be ignored; ConfigError otherwise."""
    from_dict(Config, dataclasses.asdict(config))  # values given in Python have not been through a parser yet
    ignored, defaults = unused(config), flatten(Config())
    for key, value in flatten(config).items():
        group = covers(ignored, key)
        if group and value != defaults[key]:
            raise ConfigError(f"{key} = {show(value)} would be ignored: {ignored[group]}. Leave it out.")
    if config.model.kind == "vae" and config.prior.kind not in DENSE:
        raise ConfigError(
            f"prior.kind = {config.prior.kind} does not go with model.kind = vae, whose Gaussian posterior would lie "
            f"infinitely far from it. Set prior.kind to one with a density everywhere ({', '.join(DENSE)}), or "
            "model.kind to aae or wae-mmd."
        )
    if (asked := plugged(config)) and not (config.plugin.file or config.plugin.source):
        raise ConfigError(f"{asked[0]} = plugin needs plugin.file, the Python file that defines it (--plugin FILE.py).")
    if kind_needs_file(config.prior) and config.model.kind != "autoencoder":
        raise ConfigError(f"prior.kind = {config.prior.kind} needs prior.file, the file that holds it.")
    if config.prior.file and config.prior.content:
        raise ConfigError("prior.file and prior.content are two shapes; leave one of them out.")
    game = config.adversarial
    if game.objective == "wasserstein" and not (game.spectral_norm or game.gradient_penalty > 0):
        raise ConfigError(
            "adversarial.objective = wasserstein needs a critic of bounded slope; set adversarial.gradient_penalty "
            "(with adversarial.penalty = one) or adversarial.spectral_norm."
        )
    if config.model.kind == "clustering" and not config.model.clusters:
        raise ConfigError(
            f"model.kind = {config.model.kind} needs a number of clusters; set model.clusters to 2 or more"
        )
    if config.schedule == "steps" and not config.schedule_epochs:
        raise ConfigError("schedule = steps needs schedule_epochs, the epochs after which the rates are divided by 10")
    if config.reconstruction.loss == "bce" and config.model.output == "linear":
        raise ConfigError("reconstruction.loss = bce needs probabilities; set model.output to sigmoid or auto.")
    return config


def kind_needs_file(prior: Prior) -> bool:
    """Whether this prior is what is in a file, and none is named."""
    return prior.kind in ("picture", "points") and not (prior.file or prior.content)


def resolve(base: Config, chosen: Config, written: Iterable[str] = ()) -> Config:
    """`chosen` with what it changed in `base` kept, and what `base` set but `chosen` has no use for put back.

    A recipe sets a discriminator; asking for `model.kind = vae` on top of it must not fail because of settings
    the user never wrote. Settings that the user did write (those in `written`, and those that differ from `base`)
    and that would be ignored are refused with a ConfigError.
    """
    defaults, before, after = flatten(Config()), flatten(base), flatten(chosen)
    written, own = set(written), dict[str, Any]()
    if chosen.model.kind == "vae" and before["prior.kind"] == chosen.prior.kind not in DENSE:
        gaussian = {"prior.kind": "gaussian", "prior.scale": 1.0}
        if "prior.kind" not in written:  # another prior that was asked for is refused by `check`, not replaced
            own = {k: v for k, v in gaussian.items() if k not in written and after[k] == before[k]}
    if "prior.file" in written or after["prior.file"] != before["prior.file"]:
        own |= {"prior.content": ""} if "prior.content" not in written else {}  # that of the file before
    ignored = unused(replace(chosen, own))
    for key in sorted(written):
        if group := covers(ignored, key):
            raise ConfigError(f"{key} would be ignored: {ignored[group]}. Leave it out.")
    back = {k: defaults[k] for k, v in after.items() if v == before[k] and covers(ignored, k)} | own
    return check(replace(chosen, back))
