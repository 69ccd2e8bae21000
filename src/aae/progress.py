"""What a person sees while a command works: a progress bar on a terminal, plain lines elsewhere, nothing if quiet."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from aae.diagnosis import Verdict
from aae.training import Listener
from aae.training import Progress as Moment

LINES = 20
"""Most lines that a training run prints where there is no terminal."""
EVERY = 0.2
"""Seconds between two looks at the losses: asking for them makes an accelerator wait."""


class Console:
    """Prints to standard output; errors go elsewhere. With `quiet` it prints nothing."""

    def __init__(self, quiet: bool) -> None:
        self.quiet, self.title = quiet, ""
        self.rich = RichConsole(file=sys.stdout, highlight=False, soft_wrap=True)

    def say(self, *lines: str) -> None:
        for line in () if self.quiet else lines:
            self.rich.print(line, markup=False)

    def training(self) -> contextlib.AbstractContextManager[Listener | None]:
        """A listener for a training run."""
        return self._following("training")

    def baselines(self) -> contextlib.AbstractContextManager[Listener | None]:
        """A listener for the baselines that a report trains, each of which says its own name."""
        return self._following("comparing")

    def reproductions(self) -> contextlib.AbstractContextManager[Listener | None]:
        """A listener for runs one after another; set `title` to the name of each."""
        return self._following("")

    def trial(self, number: int) -> contextlib.AbstractContextManager[Listener | None]:
        """A listener for one trial of a search: a bar on a terminal, nothing elsewhere, where its result is a line."""
        return self._following(f"trial {number}") if self.rich.is_terminal else contextlib.nullcontext()

    def _following(self, title: str) -> contextlib.AbstractContextManager[Listener | None]:
        self.title = title
        if self.quiet:
            return contextlib.nullcontext()
        return self._bar() if self.rich.is_terminal else self._lines()

    def _title(self, moment: Moment) -> str:
        return f"{self.title}: {moment.of}" if moment.of else self.title

    @contextlib.contextmanager
    def _lines(self) -> Iterator[Listener]:
        def listen(moment: Moment) -> None:
            every = max(1, moment.epochs // LINES)
            if moment.step == 1 and moment.row is None:  # the first epoch may take minutes
                self.say(f"{self._title(moment)}: epoch 1/{moment.epochs}, {moment.steps:,} steps in all")
            if moment.row is not None and (moment.epoch % every == 0 or moment.epoch in (1, moment.epochs)):
                said = f"{_losses(_train_losses(moment.row))}{_said(moment)}"
                self.say(f"{self._title(moment)}: epoch {moment.epoch}/{moment.epochs}  {said}")

        yield listen

    @contextlib.contextmanager
    def _bar(self) -> Iterator[Listener]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[said]}"),
        )
        with Progress(*columns, console=self.rich, transient=True) as bar:
            task, looked, verdict = bar.add_task(self.title, total=None, said=""), 0.0, ""

            def listen(moment: Moment) -> None:
                nonlocal looked, verdict
                verdict = _said(moment) or verdict  # stays until the next epoch ends
                now = time.monotonic()
                if now - looked >= EVERY or moment.step == moment.steps:
                    looked = now
                    losses = _train_losses(moment.row) if moment.row else moment.losses()
                    said = f"epoch {moment.epoch}/{moment.epochs}  {_losses(losses)}{verdict}"
                    bar.update(
                        task, description=self._title(moment), completed=moment.step, total=moment.steps, said=said
                    )

            yield listen

    def verdict(self, verdict: Verdict, figures: Mapping[str, float | None]) -> None:
        """What the doctor found, with the figures behind it."""
        self.say(f"{verdict.code}: {verdict.sentence}")
        if verdict.setting:
            self.say(f"setting to change first: {verdict.setting}")
        width = max(map(len, figures), default=0)
        self.say(
            "",
            *(
                f"  {name:<{width}}  {'not finite' if value is None else format(value, '.4g')}"
                for name, value in figures.items()
            ),
        )

    def numbers(self, found: dict[str, Any]) -> None:
        """The measures of a run as a table, each beside its floor: what the prior itself, or real data, scores."""
        from aae.page import table_rows

        if self.quiet:
            return
        table = Table(
            title=f"on {found['rows']:,} {found['split']} rows", title_justify="left", box=None, pad_edge=False
        )
        for name, side in (("measure", "left"), ("this run", "right"), ("floor", "right"), ("p-value", "right")):
            table.add_column(name, justify=side)  # type: ignore[arg-type]
        for measure, *cells in table_rows(found):
            table.add_row(measure.name, *cells)
        self.rich.print(table)
        controls = found.get("controls")
        if controls:
            self.controls(found, controls)

    def controls(self, found: dict[str, Any], controls: dict[str, Any]) -> None:
        """Decoded samples beside real rows and beside what is bad on purpose."""
        from aae.page import beside_controls

        kept, columns = beside_controls(found, controls)
        title = f"\nsamples beside bad controls, {found['samples']:,} rows each; {found['features']}"
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        for name in ("measure", *columns):
            table.add_column(name.lower(), justify="left" if name == "measure" else "right")
        for measure in kept:
            table.add_row(measure.name, *(measure.text(one[measure.key]) for one in columns.values()))
        self.rich.print(table)


def _said(moment: Moment) -> str:
    return "" if moment.verdict is None else f"  {moment.verdict.code.replace('-', ' ')}"


def _train_losses(row: dict[str, Any]) -> dict[str, float]:
    return {name.removesuffix("_train"): value for name, value in row.items() if name.endswith("_train")}


def _losses(losses: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in losses.items())
