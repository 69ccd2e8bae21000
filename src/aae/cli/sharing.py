"""The commands that hand a run to others: other programs, other people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from aae.cli.options import DataDir, RunPath, checked_data, run_of, say
from aae.errors import ConfigError

if TYPE_CHECKING:
    from aae.anomaly import Usual
    from aae.inference import Run

POINTS, FALSE_ALARMS = 20_000, 0.05
"""Points in the explorer's file, and the rate of false alarms of an anomaly score, unless others are asked for."""


def export(
    run: RunPath,
    /,
    explorer: Annotated[
        Path | None, tyro.conf.arg(metavar="FILE", help="The explorer as one .html file that works offline.")
    ] = None,
    onnx: Annotated[
        Path | None,
        tyro.conf.arg(metavar="DIR", help="encoder.onnx, decoder.onnx, classifier.onnx and anomaly.onnx, as it has."),
    ] = None,
    torch: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help="The same as .pt2 files for torch.export.load.")
    ] = None,
    points: Annotated[
        int | None, tyro.conf.arg(help=f"Most rows in the explorer, sampled fairly (default: {POINTS:,}).")
    ] = None,
    anomaly: Annotated[
        bool, tyro.conf.arg(help="Also write the anomaly score, for which the run's data is read again.")
    ] = True,
    false_alarm_rate: Annotated[
        float | None, tyro.conf.arg(help=f"Share of usual rows that the score calls odd (default: {FALSE_ALARMS:g}).")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Write a run for others: the explorer as one offline page, or graphs for ONNX and for PyTorch."""
    graphs = onnx is not None or torch is not None
    if explorer is None and not graphs:
        raise ConfigError("say what to write: --explorer FILE.html, --onnx DIR or --torch DIR")
    if points is not None and explorer is None:
        raise ConfigError("--points is about the explorer; add --explorer FILE.html, or leave it out")
    if not graphs and (false_alarm_rate is not None or not anomaly):
        raise ConfigError("--anomaly and --false-alarm-rate are about graphs; add --onnx DIR or --torch DIR")
    if not anomaly and false_alarm_rate is not None:
        raise ConfigError("--false-alarm-rate is about the anomaly score; leave out --no-anomaly, or the rate")
    if explorer is not None:
        _explorer(run, explorer, POINTS if points is None else points, data_dir)
    if graphs:
        from aae import export as write

        loaded = run_of(run)
        usual = _usual(loaded, data_dir, false_alarm_rate or FALSE_ALARMS) if anomaly else None
        for folder, save in ((onnx, write.to_onnx), (torch, write.to_torch)):
            for made in () if folder is None else save(loaded, folder, usual):
                say(f"wrote {made.path}, {made.difference:.1e} from Python over {write.CHECKED} rows")


def _explorer(run: Path, page: Path, points: int, data_dir: str | None) -> None:
    from aae.explorer import export as write
    from aae.files import check_suffix

    check_suffix(page, ".html", option="--explorer")
    loaded = run_of(run)
    said = write(loaded, page, checked_data(loaded, data_dir), points)
    say(f"wrote {page}, {said}")


def _usual(run: Run, data_dir: str | None, rate: float) -> Usual:
    """What is usual for the run, from its training rows and, where it has some, its validation rows."""
    from aae.anomaly import MOST_ROWS, usual
    from aae.data import original

    data = checked_data(run, data_dir)
    train, held = data.splits.train[:MOST_ROWS], data.splits.validation[:MOST_ROWS]
    if not len(held):
        say("there are no validation rows: the anomaly score is calibrated on training rows, so expect more alarms")
    seen, unseen = (original(data.take(rows), data.spec) for rows in (train, held if len(held) else train))
    return usual(run, seen, unseen, rate)


License = Annotated[str | None, tyro.conf.arg(metavar="NAME", help="License to name in the card, such as mit.")]
Repo = Annotated[
    str | None, tyro.conf.Positional, tyro.conf.arg(metavar="REPO", help="Repository on the Hub, such as me/digits.")
]


def card(run: RunPath, /, license: License = None) -> None:
    """Write README.md, the model card of a run, from the run's own files."""
    from aae.card import card as text
    from aae.storage import write_atomic

    loaded = run_of(run)
    write_atomic(run / "README.md", text(loaded, license=license).encode())
    say(f"wrote {run / 'README.md'}")


def push(
    run: RunPath,
    repo: Repo = None,
    /,
    folder: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help="Write the repository to a new folder instead of the Hub.")
    ] = None,
    private: Annotated[bool, tyro.conf.FlagCreatePairsOff, tyro.conf.arg(help="Make the repository private.")] = False,
    license: License = None,
) -> None:
    """Upload a run with its card to the Hugging Face Hub; the token is that of `hf auth login`, or $HF_TOKEN."""
    from aae import hub

    if repo is None and folder is None:
        raise ConfigError("say where to: the repository, such as me/digits, or --folder DIR")
    if repo is not None and folder is not None:
        raise ConfigError(f"{repo} and --folder {folder} are two places, and a push goes to one; leave one of them out")
    if folder is not None and private:
        raise ConfigError("--private is about the Hub; leave it out with --folder")
    if folder is not None:
        say(f"wrote {hub.write_folder(run_of(run), folder, license=license)}")
    else:
        assert repo is not None
        say(f"pushed to {hub.push(run_of(run), repo, private=private or None, license=license)}")


def pull(
    repo: Annotated[
        str, tyro.conf.Positional, tyro.conf.arg(metavar="REPO", help="Repository on the Hub, or a folder like one.")
    ],
    /,
    out: Annotated[
        Path | None,
        tyro.conf.arg(aliases=["-o"], metavar="DIR", help="The run directory to make (default: runs/REPO)."),
    ] = None,
    revision: Annotated[str | None, tyro.conf.arg(help="Branch, tag or commit.")] = None,
) -> None:
    """Fetch a run from the Hugging Face Hub, without running anything in it."""
    from aae import hub

    run = hub.pull(repo, out or Path("runs") / Path(repo).name, revision=revision)
    say(f"fetched {run.path}; look into it with: aae explore {run.path}")
