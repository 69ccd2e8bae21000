"""Code of the user's own: a Python file whose functions give a prior, networks, a loss or a model.

A run that uses one keeps its source, so it can be trained again and its hash is known; but a run is data, and opening
it executes nothing. So code runs only where a person has named the file: `plugin.file` in the settings of a run that
begins, `--plugin FILE` on a command, `Run.load(path, plugin=FILE)` or `allow(FILE)`. What was named is remembered for
the process by the hash of its content, and a run finds its plugin by that hash alone.
"""

from __future__ import annotations

import dataclasses
import hashlib
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from aae.config import Config, Plugin, plugged
from aae.errors import AAEError, ConfigError, RunError

FUNCTIONS = {
    "prior": "prior(settings, latent) -> aae.priors.Prior",
    "encoder": "encoder(config, spec, wide_in, wide_out) -> torch.nn.Module",
    "decoder": "decoder(config, spec, wide_in, wide_out) -> torch.nn.Module",
    "discriminator": "discriminator(config, spec, wide_in, wide_out) -> torch.nn.Module",
    "loss": "loss(decoded, target) -> costs of the same shape [batch, features]",
    "model": "model(config, spec) -> aae.phases.Model",
}
"""What a plugin may define, and how it is called; docs/extending.md has an example of each."""

Found = dict[str, Any]


@dataclasses.dataclass
class _Named:
    """A file that somebody has named. It is run when it is first asked for."""

    path: Path
    source: str
    module: ModuleType | None = None


_named: dict[str, _Named] = {}


def sha256(source: str) -> str:
    """The hash by which a plugin is known."""
    return hashlib.sha256(source.encode("utf-8")).hexdigest()


def allow(path: str | Path) -> str:
    """Let runs of this process that were trained with this very file use it, and return its hash.

    The code runs when one of them asks for it. Raises ConfigError for a file that cannot be read.
    """
    path = Path(path)
    try:
        source = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the plugin {path}: {error}") from None
    digest = sha256(source)
    _named.setdefault(digest, _Named(path, source))
    return digest


def used(path: str | Path) -> bool:
    """Whether a run has asked for this file."""
    return any(named.path == Path(path) and named.module is not None for named in _named.values())


def begun(config: Config) -> Config:
    """The settings of a run that begins: the plugin they name is allowed, and its source stands in them.

    The prior, which is built from its own settings alone, gets the hash of the plugin as its content.
    """
    if not plugged(config):
        return config
    plugin = config.plugin
    if plugin.file is not None:
        source = _named[allow(plugin.file)].source
        plugin = Plugin(None, Path(plugin.file).name, source)
    prior = config.prior
    if prior.kind == "plugin":
        prior = dataclasses.replace(prior, content=sha256(plugin.source))
    return dataclasses.replace(config, plugin=plugin, prior=prior)


def belongs(path: str | Path, config: Config, where: str) -> None:
    """Allow the file at `path` for a run with these settings. RunError, ConfigError where it is not the run's own."""
    digest = allow(path)
    if not plugged(config):
        raise ConfigError(f"{path} would be ignored: {where} was trained without a plugin. Leave it out.")
    if digest != (wanted := sha256(config.plugin.source)):
        raise RunError(
            f"{path} is not the plugin that {where} was trained with: its SHA-256 is {digest[:12]}, the run's "
            f"{wanted[:12]}. The copy that belongs to the run is plugin.py in its directory."
        )


def function(digest: str, name: str, asks: str) -> Callable[..., Any]:
    """The function of this name of the plugin with this hash; `asks` is the setting that wants it.

    RunError if nobody has named the file, ConfigError if it lacks the function or cannot be run. What the function
    raises comes out as a ConfigError that names the line.
    """
    found = _function(digest, name)
    if found is None:
        raise ConfigError(f"{_named[digest].path} has no function `{name}`, which {asks} asks for: {FUNCTIONS[name]}")
    return found


def _function(digest: str, name: str) -> Callable[..., Any] | None:
    named = _named.get(digest)
    if named is None:
        others = ", ".join(str(other.path) for other in _named.values())
        differs = f"It is not {others}, which differs. " if others else ""
        raise RunError(
            f"this run uses code of its own, a plugin with the SHA-256 {digest[:12]}, and opening a run executes none. "
            f"{differs}Read plugin.py in its directory and, if you trust it, name it: --plugin RUN/plugin.py, or "
            "Run.load(path, plugin=...)"
        )
    if named.module is None:
        named.module = _run(named, digest)
    found = getattr(named.module, name, None)
    if found is None:
        return None

    def called(*given: Any) -> Any:
        try:
            return found(*given)
        except AAEError:
            raise
        except Exception as error:
            raise ConfigError(_where(named, error, name)) from error

    return called


def has(digest: str, name: str) -> bool:
    """Whether the plugin with this hash defines this function."""
    return _function(digest, name) is not None


def _run(named: _Named, digest: str) -> ModuleType:
    module = ModuleType(f"aae_plugin_{digest[:12]}")
    module.__file__ = str(named.path)
    sys.modules[module.__name__] = module  # dataclasses and others look their module up
    try:
        exec(compile(named.source, str(named.path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        raise ConfigError(_where(named, error)) from error
    return module


def _where(named: _Named, error: Exception | SystemExit, name: str = "") -> str:
    """Where in the file an error arose, and what it was."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(named.path)]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    at = f", line {line}" if line is not None else ""
    return f"the plugin {named.path}{at}{f', in {name}()' if name else ''}: {type(error).__name__}: {error}"
