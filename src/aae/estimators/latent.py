"""AAE, Autoencoder and VAE: rows to codes and back, as scikit-learn transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from aae.config import Prior, Reconstruction
from aae.data import Dataset
from aae.errors import ConfigError
from aae.estimators.base import Estimator
from aae.estimators.settings import adversarial, number, prior_of, whole
from aae.inference import Run

Array = NDArray[Any]


class Codes(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):
    """Rows to codes and back."""

    def transform(self, X: Any) -> Array:
        """The code of each row, float32 [n, n_components]: the same every time, and whatever rows stand beside it."""
        run, x = self._ready(X)
        return run.encode(x)

    def inverse_transform(self, X: Any) -> Array:
        """Codes [n, n_components] to rows, float32, in original units and in the shape of the rows of `fit`."""
        check_is_fitted(self)
        return self.run_.decode(X)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


class Sampled:
    """New rows from the prior."""

    run_: Run

    def sample(self, n: int = 1, y: Any = None, random_state: Any = None) -> Array:
        """n new rows, float32, in original units: codes drawn from the prior, decoded.

        y: for models with classes only, None here. random_state: as everywhere in scikit-learn.
        """
        check_is_fitted(self)
        if y is not None:
            raise ConfigError(f"{type(self).__name__} was fitted without classes; leave y out of sample()")
        seed = int(check_random_state(random_state).randint(2**31 - 1))
        return self.run_.sample(whole(n, "n"), seed=seed)


@dataclass(eq=False, repr=False)
class AAE(Sampled, Codes):
    """Adversarial autoencoder: codes that reconstruct the rows and together have the shape of the prior.

    Makhzani et al. (2015), "Adversarial autoencoders".

    Parameters
    ----------
    n_components : number of dimensions of a code.
    prior : the shape of the codes: the name of any prior, such as "gaussian" (standard deviation 1), "uniform" (from -2
        to 2 on each axis) or "ring"; a picture or a file of points; an array of points [m, n_components]; or a dict of
        the settings of `[prior]`, such as `{"kind": "gaussian", "scale": 5.0}` (or an `aae.config.Prior`).
    hidden : "auto", or the widths of the hidden layers of encoder and decoder.
    epochs, batch_size : passes over the rows, and rows in a step; "auto" goes by the number of rows.
    learning_rate : of Adam, for encoder and decoder, at the start; it falls linearly to zero.
    settings : any other setting of a run by its dotted name, such as `{"adversarial.final_weight": 1.0}`.
    validation_fraction : share of the rows held out for the losses in `history_` (none below 50 rows).
    warm_start : whether `fit` goes on from the networks of the last fit.
    random_state : None, a seed, or a `RandomState`; a seed gives the same codes every time on one machine.
    device : "auto", "cpu", "cuda", "cuda:1", "mps". verbose : whether to show the losses while training.

    Attributes
    ----------
    run_ : the trained `aae.Run`. history_ : losses, a dict for each epoch. n_iter_ : epochs trained.
    n_features_in_ : values in a row. feature_names_in_ : names of columns, for data frames.
    """

    _kind = "aae"

    n_components: int = 2
    _: KW_ONLY
    prior: Any = "gaussian"

    def _prior(self) -> Prior:
        found = prior_of(self.prior, Prior("gaussian", 1.0))
        if found.labels:
            raise ConfigError("prior.labels = True needs classes, which AAE does not take; train with aae.train")
        return found

    def _more(self, data: Dataset) -> Mapping[str, Any]:
        return adversarial()


@dataclass(eq=False, repr=False)
class Autoencoder(Codes):
    """Plain autoencoder: codes that reconstruct the rows, and whose shape is left to itself.

    Parameters and attributes are those of `AAE`, without a prior; there is nothing to sample from.
    """

    _kind = "autoencoder"

    n_components: int = 2


@dataclass(eq=False, repr=False)
class VAE(Sampled, Codes):
    """Variational autoencoder (Kingma & Welling 2014) with a Gaussian likelihood whose deviation is learnt.

    `transform` gives the mean of a row's posterior. Parameters and attributes are those of `AAE`; the prior is
    Gaussian, with standard deviation `prior_scale`.
    """

    _kind = "vae"

    n_components: int = 2
    _: KW_ONLY
    prior_scale: float = 1.0

    def _prior(self) -> Prior:
        scale = number(self.prior_scale)
        if scale is None:
            raise ConfigError(f"prior_scale must be a number above 0, got {self.prior_scale!r}")
        return Prior("gaussian", scale)

    def _more(self, data: Dataset) -> Mapping[str, Any]:
        return {"reconstruction": Reconstruction("gaussian", "sum")}
