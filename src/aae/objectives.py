"""Losses: pure functions of tensors, each with its reduction said out loud, all computed in float32 or better.

Shapes: `output` and `target` are [batch, features], logits are [batch] or [batch, 1]. Every loss is a mean over the
batch; over the features of a row it is a `sum` or a `mean`, as asked. `known` [batch, features] leaves out values that
are missing (0): the sum is over a row's known values, the mean over all known values of the batch.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from aae.arithmetic import gradients_for

Reduction = Literal["sum", "mean"]


def wide(values: Tensor) -> Tensor:
    """`values` in float32, or as they are if they are wider: losses never run in half precision."""
    return values if values.dtype == torch.float64 else values.float()


def per_row(values: Tensor, reduction: Reduction, known: Tensor | None = None) -> Tensor:
    """Sum or mean over (known) features, then the mean over rows: [batch, features] -> scalar."""
    if known is not None:
        total = (values * known).sum()
        return total / (known.sum().clamp_min(1) if reduction == "mean" else len(values))
    return values.mean() if reduction == "mean" else values.flatten(1).sum(1).mean()


def mse(output: Tensor, target: Tensor, reduction: Reduction, known: Tensor | None = None) -> Tensor:
    """Squared error (output - target)^2.

    The paper's experiments need the *sum* over pixels at their learning rates: a mean over 784 pixels is a 784-fold
    smaller step of plain SGD. The paper's "half Euclidean" cost is this with a weight of 0.5.
    """
    return per_row((wide(output) - target).square(), reduction, known)


def l1(output: Tensor, target: Tensor, reduction: Reduction, known: Tensor | None = None) -> Tensor:
    """Absolute error |output - target|."""
    return per_row((wide(output) - target).abs(), reduction, known)


def bce(logits: Tensor, target: Tensor, reduction: Reduction, known: Tensor | None = None) -> Tensor:
    """Cross-entropy in nats between targets in [0, 1] and sigmoid(logits), without forming the sigmoid."""
    return per_row(F.binary_cross_entropy_with_logits(wide(logits), target, reduction="none"), reduction, known)


def gaussian_nll(
    output: Tensor, target: Tensor, log_std: Tensor, reduction: Reduction, known: Tensor | None = None
) -> Tensor:
    """Negative log-density of `target` under N(output, exp(log_std)^2), in nats, with one learnt deviation.

    0.5 ((target - output) / s)^2 + log s + 0.5 log 2 pi. Learning s balances reconstruction against the divergence
    by itself (Rybkin et al. 2021, "Simple and Effective VAE Training with Calibrated Decoders").
    """
    scaled = (target - wide(output)) * torch.exp(-log_std)
    return per_row(0.5 * scaled.square() + log_std + 0.5 * math.log(2 * math.pi), reduction, known)


def as_real(logits: Tensor) -> Tensor:
    """Cost of a discriminator's logits where they should say "from the prior": mean of softplus(-logits), nats."""
    return F.softplus(-wide(logits)).mean()


def as_fake(logits: Tensor) -> Tensor:
    """Cost of a discriminator's logits where they should say "from the encoder": mean of softplus(logits), nats."""
    return F.softplus(wide(logits)).mean()


def told_apart(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's loss: the mean of `as_real(real)` and `as_fake(fake)`; log 2 when it cannot tell."""
    return 0.5 * (as_real(real) + as_fake(fake))


def softened(real: Tensor, fake: Tensor, smoothing: float) -> Tensor:
    """`told_apart` with a target of 1 - smoothing for prior samples and 0 for codes, nats.

    One-sided label smoothing keeps the discriminator from growing surer without end (Salimans et al. 2016, "Improved
    Techniques for Training GANs", section 3.4).
    """
    return 0.5 * ((1 - smoothing) * as_real(real) + smoothing * as_fake(real) + as_fake(fake))


def squares(real: Tensor, fake: Tensor) -> Tensor:
    """Least squares: mean of (D - 1)^2 at prior samples and (D + 1)^2 at codes, halved each; 1/2 if it cannot tell.

    Mao et al. 2017, "Least Squares Generative Adversarial Networks", with targets 1 and -1, so that a discriminator's
    answer changes sides at 0 under every objective.
    """
    return 0.25 * ((wide(real) - 1).square().mean() + (wide(fake) + 1).square().mean())


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    """Mean of max(0, 1 - D) at prior samples and max(0, 1 + D) at codes; 1 if it cannot tell.

    Lim & Ye 2017, "Geometric GAN"; Miyato et al. 2018, section 2.
    """
    return 0.5 * (F.relu(1 - wide(real)).mean() + F.relu(1 + wide(fake)).mean())


def wasserstein(real: Tensor, fake: Tensor) -> Tensor:
    """Half of mean D at codes - mean D at prior samples: minus half the critic's estimate of the distance.

    Arjovsky et al. 2017, "Wasserstein GAN". It needs a critic of bounded slope: a gradient penalty around one, or
    spectral normalisation.
    """
    return 0.5 * (wide(fake).mean() - wide(real).mean())


def as_square(logits: Tensor) -> Tensor:
    """What a generator pays under least squares: half the mean of (D - 1)^2."""
    return 0.5 * (wide(logits) - 1).square().mean()


def as_high(logits: Tensor) -> Tensor:
    """What a generator pays under hinge and Wasserstein objectives: minus the mean of D."""
    return -wide(logits).mean()


def kl_to_gaussian(mean: Tensor, log_variance: Tensor, std: float) -> Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, std^2)), summed over the dimensions of a code, mean over rows, in nats.

    `mean` and `log_variance` are [batch, latent]. Kingma & Welling 2014, appendix B, for a prior of any width.
    """
    ratio = (wide(mean).square() + wide(log_variance).exp()) / std**2
    return 0.5 * (ratio - 1 - wide(log_variance) + 2 * math.log(std)).sum(1).mean()


def kl_by_samples(z: Tensor, mean: Tensor, log_variance: Tensor, log_prior: Tensor) -> Tensor:
    """log q(z|x) - log p(z) at one draw z of each row's code, mean over rows, nats: KL(q || p) in the mean.

    z, mean, log_variance: [batch, latent]; q is N(mean, exp(log_variance)). log_prior: log p(z) [batch].
    """
    spread = wide(log_variance)
    log_q = -0.5 * ((wide(z) - mean).square() * torch.exp(-spread) + spread + math.log(2 * math.pi)).sum(1)
    return (log_q - log_prior).mean()


KERNEL_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Widths of the kernel of `kernel_distance` as multiples of its C, those of Tolstikhin et al.'s own code."""


def kernel_distance(codes: Tensor, samples: Tensor, width: float) -> Tensor:
    """MMD^2 between codes and samples of the prior, both [n, latent], without bias: it may be negative, and is 0 in the
    mean where the two are alike.

    mean over i != j of k(codes_i, codes_j) + mean over i != j of k(samples_i, samples_j) - 2 mean of k(codes_i,
    samples_j), with the inverse multiquadratic kernel k(a, b) = sum over `KERNEL_SCALES` s of s C / (s C + |a - b|^2)
    and C = `width` (Gretton et al. 2012, lemma 6; Tolstikhin et al. 2018, "Wasserstein Auto-Encoders", section 4).
    """
    n = len(codes)
    among, between = ~torch.eye(n, dtype=torch.bool, device=codes.device), 1 / (n * (n - 1))
    with torch.autocast(codes.device.type, enabled=False):
        z, p = wide(codes), wide(samples)

        def kernel(a: Tensor, b: Tensor) -> Tensor:
            squares = (a.square().sum(1)[:, None] - 2 * a @ b.T + b.square().sum(1)).clamp_min(0)
            return torch.stack([s * width / (s * width + squares) for s in KERNEL_SCALES]).sum(0)

        own = (kernel(z, z) * among).sum() * between + (kernel(p, p) * among).sum() * between
        return own - 2 * kernel(z, p).mean()


def mutual_information_loss(probabilities: Tensor, balance: float) -> Tensor:
    """H(y | x) + balance * (log(classes) - H(y)), nats: 0 for classes that are sure of each row and equally frequent.

    probabilities: [batch, classes] of each row's class. H(y | x) is the mean over the batch of the entropy of a row's
    class, H(y) the entropy of the mean over the batch. With balance 1 this is a constant less the mutual information of
    rows and classes, H(y) - H(y | x) (Hu et al. 2017, "Learning Discrete Representations via Information Maximizing
    Self-Augmented Training", section 3, where the factor is called mu).
    """
    p = probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny)  # 0 log 0 is 0, with a gradient
    unsure, whole = -(p * p.log()).sum(1).mean(), p.mean(0)
    return unsure + balance * (math.log(p.shape[1]) + (whole * whole.log()).sum())


def head_separation(heads: Tensor, distance: float) -> Tensor:
    """Sum over the pairs of `heads` [classes, latent] of max(0, distance - |head_i - head_j|), in code units.

    Linear in what two heads are short of `distance`, and 0 for those that are as far apart as that or farther
    (Makhzani et al. 2015, section 7).
    """
    return F.relu(distance - F.pdist(heads)).sum()


def gradient_penalty(logits: Tensor, inputs: Tensor) -> Tensor:
    """Half the squared norm of the discriminator's gradient at `inputs`, mean over rows.

    R1 at prior samples and R2 at codes (Mescheder et al. 2018, "Which Training Methods for GANs do actually
    Converge?", section 4.1). `inputs` [batch, latent] must require gradients; the result can be differentiated
    where the network ran inside `arithmetic.twice`.
    """
    with gradients_for(()):
        (slope,) = torch.autograd.grad(logits.sum(), inputs, create_graph=True)
    return 0.5 * wide(slope).square().sum(1).mean()


def slope_penalty(slopes: Tensor) -> Tensor:
    """Mean of (norm - 1)^2 of gradients [rows, latent].

    Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", section 4: with `slopes` of the critic at points
    between prior samples and codes it holds the critic to the unit slope of the best one.
    """
    return (wide(slopes).square().sum(1).add(1e-12).sqrt() - 1).square().mean()
