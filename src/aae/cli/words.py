"""Words on the line that are nearly right: a group in place of its kind, and a choice that there is not."""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from aae import config
from aae.config import Config
from aae.errors import ConfigError


def check_words(arguments: Sequence[str]) -> None:
    """ConfigError, with what was probably meant, for `--prior ring` and for `--prior.kind rnig`."""
    choices = dict(_choices(Config))
    for i, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        if not equals:
            value = arguments[i + 1] if i + 1 < len(arguments) else ""
        name = option.removeprefix("--").replace("-", "_")
        if not option.startswith("--") or not value or value.startswith("--"):
            continue
        if kinds := choices.get(f"{name}.kind"):
            meant = (*difflib.get_close_matches(value, kinds, n=1, cutoff=0.5), kinds[0])[0]
            raise ConfigError(f"there is no option {option}; did you mean {option}.kind {meant}?")
        if name in choices and value not in choices[name]:
            config.replace(Config(), {name: value})  # which says what is wrong, and the nearest choice


def _choices(cls: type[Any], prefix: str = "") -> Iterable[tuple[str, tuple[str, ...]]]:
    """The dotted name of every setting that is one of several words, and these words."""
    for name, kind in typing.get_type_hints(cls).items():
        if dataclasses.is_dataclass(kind):
            yield from _choices(typing.cast(type[Any], kind), f"{prefix}{name}.")
        elif typing.get_origin(kind) is Literal:
            yield f"{prefix}{name}", typing.get_args(kind)
