"""What a run is: every setting in one frozen `Config`, and what was learnt about the data in one `DataSpec`.

The same dataclasses are the Python API, the TOML file, the JSON in the run directory and the command line, so a
setting has one name everywhere. A key that is unknown, or that the chosen model would ignore, is refused.
"""

from aae.config.convert import flatten, from_dict, pairs, plain, replace, show
from aae.config.files import from_file, load_file, to_dict, toml
from aae.config.learning import (
    Adversarial,
    Consistency,
    Corruption,
    Divergence,
    Heads,
    Optimizer,
    Optimizers,
    Plugin,
    Reconstruction,
)
from aae.config.rules import (
    WITH_CLASSES,
    WITH_CLUSTERS,
    WITH_DISCRIMINATOR,
    check,
    kind_needs_file,
    learns_labels,
    plugged,
    resolve,
    unused,
    unused_by_prior,
    with_classification,
)
from aae.config.settings import Config, Data, Model, Prior
from aae.config.spec import DataSpec

__all__ = [
    "WITH_CLASSES",
    "WITH_CLUSTERS",
    "WITH_DISCRIMINATOR",
    "Adversarial",
    "Config",
    "Consistency",
    "Corruption",
    "Data",
    "DataSpec",
    "Divergence",
    "Heads",
    "Model",
    "Optimizer",
    "Optimizers",
    "Plugin",
    "Prior",
    "Reconstruction",
    "check",
    "flatten",
    "from_dict",
    "from_file",
    "kind_needs_file",
    "learns_labels",
    "load_file",
    "pairs",
    "plain",
    "plugged",
    "replace",
    "resolve",
    "show",
    "to_dict",
    "toml",
    "unused",
    "unused_by_prior",
    "with_classification",
]
