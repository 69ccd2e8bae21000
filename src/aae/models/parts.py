"""What the models share: functions that turn settings into networks and losses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from torch import Tensor

from aae import objectives
from aae.config import Config, DataSpec, unused_by_prior
from aae.config import Prior as PriorSettings
from aae.convolution import ConvolutionalDecoder, ConvolutionalEncoder
from aae.errors import ConfigError
from aae.heads import Heads
from aae.models import plugin
from aae.networks import MLP, Decoder, Discriminator, Encoder
from aae.phases import Batch
from aae.priors import Prior

ReconstructionLoss = Callable[[Decoder, Tensor, Batch], Tensor]


def mlp(
    config: Config,
    wide_in: int,
    hidden: tuple[int, ...],
    wide_out: int,
    normalized: bool = False,
    code: Literal["first", "last", "none"] = "none",
) -> MLP:
    """Dense layers as the settings start them. code: which of them takes or gives a code, see `MLP`."""
    return MLP((wide_in, *hidden, wide_out), config.model.init, config.model.init_std, normalized, code)


def encoder(config: Config, spec: DataSpec, wide_out: int, extra: int = 0) -> Encoder:
    """An encoder of rows, and of `extra` values beside each, to `wide_out` values."""
    model = config.model
    normalized = model.normalization == "batch"
    if (body := plugin.network(config, spec, "encoder", spec.features + extra, wide_out)) is not None:
        return Encoder(body)
    if not convolutional(config, spec):
        return Encoder(mlp(config, spec.features + extra, model.encoder, wide_out, normalized, "last"))
    return Encoder(
        ConvolutionalEncoder(
            _image(spec), model.channels, model.encoder, wide_out, extra, model.init, model.init_std, normalized
        )
    )


def convolutional(config: Config, spec: DataSpec) -> bool:
    """Whether encoder and decoder convolve. ConfigError where the settings ask for that and the data has no pixels."""
    if config.model.network in ("mlp", "plugin") or (config.model.network == "auto" and not spec.is_image):
        return False
    if not spec.is_image:
        raise ConfigError(
            f"model.network = conv needs images, and {spec.name} has rows of shape {spec.shape}; "
            "set model.network to mlp, or data.layout to images"
        )
    return True


def _image(spec: DataSpec) -> tuple[int, int, int]:
    channels, height, width = (1, *spec.shape) if len(spec.shape) == 2 else spec.shape
    return channels, height, width


def decoder(config: Config, spec: DataSpec, beside: int = 0) -> Decoder:
    """A decoder whose last step fits the data: sigmoid for data scaled to [0, 1], linear otherwise.

    beside: values that it takes beside the code, such as a class.
    """
    output, loss = config.model.output, config.reconstruction.loss
    if loss == "plugin" and spec.columns:
        raise ConfigError(
            f"reconstruction.loss = plugin compares rows of numbers, and {spec.name} is a table, whose columns have "
            "costs of their own; set it to mse, l1 or gaussian, or write a model of your own"
        )
    sigmoid = spec.bounded if output == "auto" else output == "sigmoid"
    if loss == "bce" and not spec.bounded:
        raise ConfigError(
            "reconstruction.loss = bce needs data scaled to [0, 1], and this data is not "
            f"(scaling: {spec.scaling}). Set reconstruction.loss to mse, or data.scaling to range."
        )
    if output == "sigmoid" and not spec.bounded:
        raise ConfigError(
            f"model.output = sigmoid cannot reach data that is not scaled to [0, 1] (scaling: {spec.scaling}). "
            "Leave model.output at auto, or set data.scaling to range."
        )
    model = config.model
    mine = plugin.network(config, spec, "decoder", model.latent + beside, spec.features)
    if mine is not None:
        body = mine
    elif convolutional(config, spec):
        body = ConvolutionalDecoder(
            model.latent + beside, model.decoder, model.channels[::-1], _image(spec), model.init, model.init_std
        )
    else:
        body = mlp(config, model.latent + beside, model.decoder, spec.features, code="first")
    heads = Heads(spec.columns) if spec.columns else None
    return Decoder(body, sigmoid, learns_std=loss == "gaussian" and (heads is None or bool(heads.numbers)), heads=heads)


def discriminator(config: Config, spec: DataSpec, wide_in: int) -> Discriminator:
    """A discriminator of `wide_in` values."""
    mine = plugin.network(config, spec, "discriminator", wide_in, 1)
    return Discriminator(mlp(config, wide_in, config.model.discriminator, 1, code="first") if mine is None else mine)


def divergence_weight(config: Config, spec: DataSpec) -> float:
    """The factor on what holds codes to the prior without a discriminator.

    It stands against an error summed over the features of a row; against their mean it is divided by their number.
    """
    weight = config.divergence.weight
    return weight / math.prod(spec.shape) if config.reconstruction.reduction == "mean" else weight


def prior_classes(config: Config, spec: DataSpec, prior: Prior) -> int:
    """How many classes a label-shaped prior tells its discriminator; 0 without `prior.labels`.

    ConfigError where the data has no classes, or not as many as the prior.
    """
    if not config.prior.labels:
        return 0
    if spec.classes is None:
        raise ConfigError(f"prior.labels needs labels, and {spec.name} has none; leave it out")
    if prior.classes != len(spec.classes):
        has = f"{prior.classes} classes" if prior.classes else "no classes"
        raise ConfigError(
            f"prior.labels gives each class a part of the prior, and the prior, {prior.describe()}, has {has} for the "
            f"{len(spec.classes)} of {spec.name}; {_as_many(config.prior, len(spec.classes))}"
        )
    return len(spec.classes)


def _as_many(prior: PriorSettings, classes: int) -> str:
    """How a prior of this kind comes to have so many classes."""
    if "components" not in unused_by_prior(prior):
        return f"set prior.components to {classes}, or another prior.kind"
    ways = {
        "points": f"give the points of prior.file labels 0 to {classes - 1}",
        "mixture": f"give the mixture of prior.file {classes} means",
        "one-hot": f"set model.latent to {classes}",
        "product": f"give it a block of {classes} classes, such as digit=one-hot:{classes}, and no other number",
    }
    return f"{ways.get(prior.kind, 'choose a prior.kind that has them')}, or leave prior.labels out"


def reconstruction_error(config: Config) -> ReconstructionLoss:
    """The loss (decoder, codes, batch) -> scalar that the settings ask for, over the values that are known.

    Of a table the sum or the mean is over the columns of a row, each with the cost of its type: see `Heads.costs`.
    """
    chosen, mine = config.reconstruction, plugin.loss(config)

    def compared(decoder: Decoder, z: Tensor, batch: Batch) -> Tensor:
        output, x, known = decoder(z), batch.x if batch.target is None else batch.target, batch.known
        if mine is not None:
            return objectives.per_row(mine(decoder.mean(output), x), chosen.reduction, known)
        if decoder.heads is not None:
            costs = decoder.heads.costs(output, x, chosen.loss, getattr(decoder, "log_std", None))
            return objectives.per_row(costs, chosen.reduction, decoder.heads.known(known))
        if chosen.loss == "bce":
            return objectives.bce(output, x, chosen.reduction, known)
        if chosen.loss == "gaussian":
            return objectives.gaussian_nll(decoder.mean(output), x, decoder.log_std, chosen.reduction, known)
        compare = objectives.mse if chosen.loss == "mse" else objectives.l1
        return compare(decoder.mean(output), x, chosen.reduction, known)

    def error(decoder: Decoder, z: Tensor, batch: Batch) -> Tensor:
        loss = compared(decoder, z, batch)
        if batch.share is None or batch.known is None or chosen.reduction == "sum":
            return loss
        known = batch.known if decoder.heads is None else decoder.heads.known(batch.known)
        assert known is not None
        here = known.sum()
        return loss * batch.weighed(here, batch.share.group.total(here).clamp_min(1))

    return error
