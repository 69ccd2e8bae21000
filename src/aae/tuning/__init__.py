"""Search for settings: many short runs, two objectives (prior match and reconstruction) on held-out rows, by Optuna.

    from aae.tuning import tune

    result = tune(recipes.recipe("digits-2d-uniform"), "digits.db", trials=50)
    result.best                 # a Config, also in digits/best.toml for `aae train --config`

A study is one SQLite file, which several processes may work on at once and which a later call goes on with.
"""

from aae.tuning.results import Result, Trial
from aae.tuning.run import tune
from aae.tuning.space import Space, default_space, read_space

__all__ = ["Result", "Space", "Trial", "default_space", "read_space", "tune"]
