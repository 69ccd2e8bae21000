"""Settings to and from files: JSON in a run directory, TOML or JSON for `--config`."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from aae.config.convert import Pairs, flatten, from_dict, pairs, show
from aae.config.rules import covers, resolve, unused
from aae.config.settings import Config
from aae.errors import ConfigError


def to_dict(config: Config) -> Pairs:
    """The settings that this run uses, nested, ready for JSON; what it would ignore is left out."""
    ignored, out = unused(config), dict[str, Any]()
    for key, value in flatten(config).items():
        if covers(ignored, key):
            continue
        *groups, last = key.split(".")
        at = out
        for group in groups:
            at = at.setdefault(group, {})
        at[last] = list(value) if isinstance(value, tuple) else value
    return out


def toml(config: Config) -> list[str]:
    """The settings that this run uses as lines of TOML; what is None, for which TOML has no word, is left out."""
    return [f"{key} = {show(value)}" for key, value in pairs(to_dict(config)) if value is not None]


def load_file(path: str | Path) -> Pairs:
    """The settings in a TOML or JSON file as nested dicts; ConfigError names the file and what is wrong in it."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error}") from None
    try:
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"{path} is not valid {'JSON' if path.suffix == '.json' else 'TOML'}: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold a table of settings, got {type(values).__name__}")
    return values


def from_file(path: str | Path, base: Config) -> Config:
    """`base` with the settings of a TOML or JSON file on top; see `load_file` and `from_dict` for the errors."""
    values = load_file(path)
    try:
        chosen = from_dict(Config, values, base)
        return resolve(base, chosen, written=(key for key, _ in pairs(values)))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
