"""Settings to and from nested dicts and dotted names; every key and type is checked on the way in."""

from __future__ import annotations

import dataclasses
import difflib
import json
import types
import typing
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar, Union

from aae.config.settings import Config
from aae.errors import ConfigError

T = TypeVar("T")
Pairs = dict[str, Any]


def flatten(value: Any, prefix: str = "") -> Pairs:
    """A dataclass as {dotted name: value}."""
    out: Pairs = {}
    for f in dataclasses.fields(value):
        item, key = getattr(value, f.name), f"{prefix}{f.name}"
        out.update(flatten(item, key + ".") if dataclasses.is_dataclass(item) else {key: item})
    return out


def replace(value: T, changes: Pairs) -> T:
    """A copy of a nested dataclass with dotted names changed: `replace(config, {"model.latent": 8})`.

    Raises ConfigError for a name that does not exist or a value of the wrong type.
    """
    nested: Pairs = {}
    for key, item in changes.items():
        *groups, last = key.split(".")
        at = nested
        for group in groups:
            at = at.setdefault(group, {})
        at[last] = item
    return from_dict(type(value), nested, base=value)


def plain(value: Any) -> Pairs:
    """A dataclass such as `DataSpec` as nested dicts and lists, ready for JSON; `from_dict` brings it back."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(value).items()}


def pairs(values: Pairs, prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in values.items():
        yield from pairs(value, f"{prefix}{key}.") if isinstance(value, dict) else ((f"{prefix}{key}", value),)


def from_dict(cls: type[T], values: Any, base: T | None = None, where: str = "") -> T:
    """Build `cls` from nested dicts (JSON, TOML), starting from `base`; every key and type is checked.

    Raises ConfigError that names the key, with the nearest known one for a misspelling.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"{where.rstrip('.') or 'the settings'}: expected a group of keys, got {show(values)}")
    hints = typing.get_type_hints(cls)
    found: Pairs = {}
    for key, value in values.items():
        if key not in hints:
            raise ConfigError(_unknown(cls, where, str(key)))
        kind = hints[key]
        if dataclasses.is_dataclass(kind):
            inner = getattr(base, key) if base is not None else None
            found[key] = from_dict(typing.cast(type[Any], kind), value, inner, f"{where}{key}.")
        else:
            found[key] = _convert(kind, value, where + key)
    try:
        return dataclasses.replace(base, **found) if base is not None else cls(**found)  # type: ignore[type-var]
    except ConfigError as error:
        raise ConfigError(f"{where}{error}") from None
    except TypeError as error:
        raise ConfigError(f"{where.rstrip('.') or cls.__name__}: {error}") from None


def _unknown(cls: type[Any], where: str, key: str) -> str:
    """What to say about a key that `cls` lacks: the groups that have it, else the nearest name in this group."""
    known = sorted(typing.get_type_hints(cls))
    near = [name for name in _names(Config) if name.endswith(f".{key}")]
    near = near or [where + name for name in difflib.get_close_matches(key, known, n=1, cutoff=0.6)]
    hint = f"did you mean {' or '.join(map(show, near))}?" if near else f"known here: {', '.join(known)}"
    return f'unknown setting "{where}{key}"; {hint}'


def _names(cls: type[Any], prefix: str = "") -> Iterable[str]:
    """The dotted name of every setting."""
    for name, kind in typing.get_type_hints(cls).items():
        group = dataclasses.is_dataclass(kind)
        yield from _names(typing.cast(type[Any], kind), f"{prefix}{name}.") if group else (f"{prefix}{name}",)


def show(value: Any) -> str:
    """As it stands in a file; what JSON lacks, such as a date of TOML, as text."""
    return json.dumps(value, default=str)


def _convert(kind: Any, value: Any, key: str) -> Any:
    """`value` as the annotated type, or a ConfigError; True is not a number and 3 is a float."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _convert(args[0], value, key)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _convert(next(a for a in args if a is not type(None)), value, key)
    if origin is Literal:
        if value in args:
            return value
        near = difflib.get_close_matches(str(value), [str(a) for a in args], n=1, cutoff=0.5)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        raise ConfigError(f"{key} must be one of {', '.join(map(str, args))}; got {show(value)}.{hint}")
    if dataclasses.is_dataclass(kind):
        return from_dict(typing.cast(type[Any], kind), value, where=key + ".")
    if origin is tuple and isinstance(value, (list, tuple)):
        return tuple(_convert(args[0], item, f"{key}[{i}]") for i, item in enumerate(value))
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise ConfigError(f"{key} must be at most 1.8e308, got a larger number") from None
    if kind in (int, bool, str) and type(value) is kind:
        return value
    name = "a list of " + args[0].__name__ if origin is tuple else getattr(kind, "__name__", str(kind))
    raise ConfigError(f"{key} must be {name}, got {show(value)}")
