"""Runs on the Hugging Face Hub, or in a folder laid out like a repository there: safetensors, JSON, and a card.

A repository is a run directory with its newest checkpoint, a README.md and the figures that the card shows. Optimizers
stay at home, and so do paths: `data.source`, `data.directory` and `prior.file` are cut to their last part.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aae.card import FIGURES, card, numbers_of, portable
from aae.checkpoint import RunDirectory
from aae.config import to_dict
from aae.errors import AAEError, ConfigError
from aae.inference import Run
from aae.memory import MemoryRun
from aae.storage import make_folders, write_atomic, write_json

PATTERNS = ("*.json", "*.safetensors", "*.npz", "*.csv", "*.md", "*.png")
"""What is fetched: data without code. Whatever else a repository holds stays there."""
NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
"""What may name a repository: user/name, or the name alone."""


class HubError(AAEError):
    """The Hub cannot be reached, or refuses; the message says why."""

    exit_code = 6


def write_folder(run: Run, folder: str | Path, name: str = "", license: str | None = None) -> Path:
    """Write what a repository holds to `folder`, which must be new or empty, and return it.

    A run that has not ended keeps its optimizers, so that it can be resumed. Raises RunError for a folder in use,
    StorageError where nothing can be written.
    """
    folder = Path(folder)
    memory = MemoryRun.of(run.directory)
    kept = memory.load()
    tensors = dict(kept.tensors) | ({"training": {}} if run.finished else {})
    slim = MemoryRun(to_dict(portable(run.config)), memory.data, memory.splits)
    slim.save(kept.step, tensors, kept.state, kept.history)
    directory = slim.write(folder)
    text = card(run, name, license)
    if not isinstance(run.directory, MemoryRun):
        if numbers := numbers_of(run):
            write_json(folder / "metrics.json", numbers)
        text += _figures(run.path / "figures", folder / "figures")
    write_atomic(folder / "README.md", text.encode())
    (directory.path / "lock").unlink(missing_ok=True)
    return folder


def push(
    run: Run,
    repo: str,
    *,
    private: bool | None = None,
    license: str | None = None,
    revision: str | None = None,
    token: str | None = None,
    api: Any = None,
) -> str:
    """Upload the run to the repository `repo` ("user/name"), made if it is not there, and return its address.

    api: a `huggingface_hub.HfApi`; None: one for the Hub, with the token that the library finds. ConfigError without
    the package, HubError where the Hub refuses.
    """
    library = _library()
    api = library.HfApi(token=token) if api is None else api
    with tempfile.TemporaryDirectory() as parent, _speaking(f"cannot push to {repo}"):
        folder = write_folder(run, Path(parent) / "repository", repo, license)
        address = api.create_repo(repo, private=private, exist_ok=True)
        said = f"{run.config.model.kind} on {run.spec.name}"
        api.upload_folder(repo_id=repo, folder_path=folder, commit_message=f"Upload a run: {said}", revision=revision)
    return str(address)


def pull(
    repo: str,
    folder: str | Path | None = None,
    *,
    revision: str | None = None,
    token: str | None = None,
    api: Any = None,
    device: str = "auto",
    precision: str | None = None,
) -> Run:
    """The run in a repository, or in a folder that is laid out like one; nothing in it is executed.

    folder: a new folder for the run; None: it is kept in memory. device, precision: as for `Run.load`. RunError for a
    repository that holds no run, or a damaged one; HubError where it cannot be fetched.
    """
    with tempfile.TemporaryDirectory() as parent:
        if Path(repo).is_dir():
            fetched = Path(repo)
        elif not NAME.fullmatch(repo):
            raise HubError(f"there is no folder {repo}; give one that holds a run, or a repository as user/name")
        else:
            fetched, library = Path(parent) / "fetched", _library()
            with _speaking(f"there is no folder {repo}, and it cannot be fetched as a repository"):
                api = library.HfApi(token=token) if api is None else api
                api.snapshot_download(repo, revision=revision, local_dir=fetched, allow_patterns=list(PATTERNS))
        memory = MemoryRun.of(RunDirectory.open(fetched))
        if folder is None:
            return Run(memory, device, precision)
        made = memory.write(folder)
        for name in ("README.md", "metrics.json"):
            if (fetched / name).is_file():
                shutil.copyfile(fetched / name, made.path / name)
        if (fetched / "figures").is_dir():
            shutil.copytree(fetched / "figures", made.path / "figures", ignore=_no_links)
        return Run(made, device, precision)


def _no_links(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(folder) / name).is_symlink() or not name.endswith(".png")]


def _figures(source: Path, target: Path) -> str:
    """Copy the figures that a card shows, and return the section that shows them."""
    shown = []
    for name, caption in FIGURES.items():
        if (source / f"{name}.png").is_file():
            make_folders(target)
            write_atomic(target / f"{name}.png", (source / f"{name}.png").read_bytes())
            shown.append(f"![{caption}](figures/{name}.png)\n\n{caption}\n")
    return "\n## Figures\n\n" + "\n".join(shown) if shown else ""


def _library() -> Any:
    if importlib.util.find_spec("huggingface_hub") is None:
        raise ConfigError(
            "this needs the package huggingface_hub; install it with: pip install 'adversarial-autoencoder[hub]'"
        )
    import huggingface_hub

    return huggingface_hub


@contextlib.contextmanager
def _speaking(tried: str) -> Iterator[None]:
    """Turns what the library raises (HTTP, names, tokens) into a HubError that says what was tried."""
    try:
        yield
    except AAEError:
        raise
    except Exception as error:
        said = str(error).strip().splitlines()
        raise HubError(f"{tried}: {said[0] if said else type(error).__name__}") from error


__all__ = ["HubError", "pull", "push", "write_folder"]
