"""What a plugin gives instead of ours: networks, a loss, or the whole model; see `aae.plugins`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from aae import plugins
from aae.config import Config, DataSpec
from aae.errors import ConfigError
from aae.models.own import fitting, own
from aae.networks import Decoder
from aae.phases import Model, Phase, parameters_of

UNOPPOSED = ("autoencoder", "vae", "wae-mmd")
"""The kinds of model without a discriminator."""


def network(config: Config, spec: DataSpec, name: str, wide_in: int, wide_out: int) -> nn.Module | None:
    """The user's own encoder, decoder or discriminator, [batch, wide_in] -> [batch, wide_out]; None: take ours.

    That of `own_networks`, else the plugin's. ConfigError for what is no module, or gives another shape.
    """
    found = own(name, wide_in, wide_out)
    if found is not None or config.model.network != "plugin":
        return found
    digest = plugins.sha256(config.plugin.source)
    if not plugins.has(digest, name):
        used = ("encoder", "decoder", *(() if config.model.kind in UNOPPOSED else ("discriminator",)))
        if not any(plugins.has(digest, other) for other in used):
            plugins.function(digest, name, "model.network = plugin")
        return None
    made = plugins.function(digest, name, "model.network = plugin")(config, spec, wide_in, wide_out)
    return fitting(made, f"{name}() of {config.plugin.name}", wide_in, wide_out)


def loss(config: Config) -> Callable[[Tensor, Tensor], Tensor] | None:
    """The plugin's `loss`: decoded and true rows [batch, features] to costs of the same shape; None where ours is used.

    Sum or mean over the features, and the mean over the rows, are taken afterwards, as `reconstruction.reduction` says.
    """
    if config.reconstruction.loss != "plugin":
        return None
    found = plugins.function(plugins.sha256(config.plugin.source), "loss", "reconstruction.loss = plugin")

    def costs(decoded: Tensor, target: Tensor) -> Tensor:
        values: Any = found(decoded, target)
        if not isinstance(values, Tensor) or values.shape != target.shape:
            got = list(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise ConfigError(
                f"loss() of {config.plugin.name} must return a cost for every value, shape {list(target.shape)}, "
                f"got {got}; it is summed or averaged afterwards (reconstruction.reduction)"
            )
        return values

    return costs


def build(config: Config, spec: DataSpec) -> Model:
    """The plugin's `model`, its phases checked. ConfigError where something is missing that training will need."""
    name = config.plugin.name
    found = plugins.function(plugins.sha256(config.plugin.source), "model", "model.kind = plugin")(config, spec)
    if not isinstance(found, Model):
        raise ConfigError(f"model() of {name} must return an aae.phases.Model, got {type(found).__name__}")
    phases = getattr(found, "phases", ())
    if not phases or not all(isinstance(phase, Phase) for phase in phases):
        raise ConfigError(f"the model of {name} needs `phases`, a tuple of one aae.phases.Phase or more")
    for phase in phases:
        try:
            trained = parameters_of(found, phase)
        except AttributeError as error:
            raise ConfigError(f"phase {phase.name} of {name} updates what the model does not have: {error}") from None
        if not trained:
            raise ConfigError(f"phase {phase.name} of {name} updates nothing that has parameters to train")
    for method in ("encode", "decode"):
        if getattr(type(found), method) is getattr(Model, method):
            raise ConfigError(f"the model of {name} needs a method `{method}`; see aae.phases.Model")
    decoders = [key for key, part in found.named_children() if isinstance(part, Decoder)]
    if not any(key in phase.updates for key in decoders for phase in phases):
        raise ConfigError(f"the model of {name} needs a phase that updates a submodule of type aae.networks.Decoder")
    return found
