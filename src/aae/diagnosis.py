"""Is the adversarial game healthy? Numbers in, words out.

`diagnose` reads the rows of a run's history, which hold the figures of `aae.health`, and answers with a verdict: a code
that never changes its meaning, a sentence, and the setting to change. docs/doctor.md is the page for people.

What can be seen in a single epoch is named after one: data without variation, weights that outgrow their first size,
a discriminator that stands still, two losses whose gradients are worlds apart, codes that are far away or all alike.
The rest is normal early on, so it has to last: `LASTING` epochs in a row, and `WARM_UP` steps into training.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Row = Mapping[str, float]

GROWTH = 1.0
"""Growth of a network's weights within an epoch, in units of their usual size; 0.1 at most in runs that went well."""
DROWNED, IGNORED = 1e4, 1e-2
"""Ratio of the generator's to reconstruction's gradient above which only the one, below which only the other counts."""
FAR, CLOSE = 20.0, 0.02
"""Distance and spread of codes in deviations of the prior: beyond any start of training, and next to a point."""
SEPARATE = 0.97
"""Accuracy from which codes and prior count as apart for all practical purposes."""
APART, GUESSING = 0.8, 0.55
"""A fresh classifier tells more than this share right while the discriminator does no better than that."""
NOT_YET = 0.7
"""Share that a fresh classifier tells right in the first steps from which the codes do not follow the prior yet."""
THIN = 0.52
"""Share of the prior's directions: a plane's worth of codes on a line has half of them."""
EXPLAINED = 0.02
"""R2 below which a decoder does no better than showing the mean row."""
LASTING, WARM_UP = 3, 1000
STILL = 1e-12

HELD_OUT = ("_validation", "_test")
"""How the columns of held-out losses end."""

OF_A_BLOCK = (
    "told_apart",
    "accuracy_real",
    "accuracy_fake",
    "logit_spread",
    "saturation",
    "code_mean",
    "code_spread",
    "code_rank",
    "dead_categories",
)
"""Figures that each discriminator has."""

MEANINGS = {
    "healthy": "Nothing is wrong that the figures could show.",
    "not-measured": "The history holds no figures on the health of the game.",
    "constant-data": "The rows do not differ from one another.",
    "held-out-not-finite": "A held-out loss is not finite, where those of training rows are.",
    "weights-explode": "The weights of a network more than doubled within one epoch: its steps are too large.",
    "discriminator-blind": "The discriminator stands still, or guesses, where codes and prior can be told apart.",
    "discriminator-wins": "The discriminator is always right, and the codes do not come closer.",
    "encoder-ignores-prior": "The adversary's pull on the encoder is nothing beside that of reconstruction.",
    "reconstruction-drowned": "The adversary's pull on the encoder is all there is; codes say nothing of their rows.",
    "codes-explode": "The codes lie far outside the prior.",
    "codes-collapse": "The codes lie on a point, or on fewer directions than the prior has.",
    "dead-categories": "Some categories of the prior are given to next to no row.",
    "far-from-prior": "No fault of the game is seen, and yet codes and prior can be told apart, epoch after epoch.",
    "too-early": "Nothing is wrong that could be seen so soon, and the codes do not follow the prior yet.",
}
"""Every code with what it means."""


@dataclass(frozen=True)
class Verdict:
    """What is wrong, if anything. code: one of `MEANINGS`. setting: the first setting to change, dotted; or ""."""

    code: str
    sentence: str
    setting: str = ""

    @property
    def healthy(self) -> bool:
        return self.code == "healthy"


def diagnose(history: Sequence[Row], joint: bool = False) -> Verdict:
    """The verdict on a run so far: that of the gravest finding, causes before symptoms.

    history: one row for each epoch, oldest first, with the figures of `aae.health.measure`; what a row lacks is not
    judged. joint: whether the encoder answers both losses in one phase, which decides the setting to change.
    """
    if not history or "r2" not in history[-1]:
        return Verdict("not-measured", "No figures on the health of this run have been measured yet.")
    findings = (*_of_one_epoch(history[-1], joint), *_of_several(history, joint), *_of_the_first(history))
    return findings[0] if findings else _healthy(history[-1])


def blocks(row: Row) -> list[str]:
    """The prefix of each discriminator's figures: [""] for one discriminator, such as ["style_", "class_"] for more."""
    return [key.removesuffix("told_apart") for key in row if key.endswith("told_apart")]


def figures_of(history: Sequence[Row]) -> dict[str, float | None]:
    """The figures of the last epoch; None for one that is not finite, which JSON could not hold."""
    last, ends = history[-1] if history else {}, ("_growth", "gradient_ratio", "data_spread", "r2", *OF_A_BLOCK)
    return {key: value if math.isfinite(value) else None for key, value in last.items() if key.endswith(ends)}


def _healthy(row: Row) -> Verdict:
    said = f"R2 {row['r2']:.2f}"
    apart = [
        f"{_of(block)}told from the prior {row[f'{block}told_apart']:.0%} of the time (50% is guessing)"
        for block in blocks(row)
    ]
    return Verdict("healthy", f"No fault found: {', '.join(['codes ' + ', '.join(apart), said] if apart else [said])}.")


def _of(block: str) -> str:
    return f"of the {block.removesuffix('_')} block " if block else ""


def _of_one_epoch(row: Row, joint: bool) -> Iterator[Verdict]:
    """What one epoch is enough to see."""
    pull = "adversarial.weight" if joint else "optimizer.generator.learning_rate"
    if row["data_spread"] < 1e-6:
        yield Verdict(
            "constant-data",
            "All rows are alike, so there is nothing to learn; check what the file holds and how it is scaled.",
            "data.source",
        )
    yield from _growth(row, joint)
    if bad := [key for key, value in row.items() if key.endswith(HELD_OUT) and not math.isfinite(value)]:
        yield Verdict(
            "held-out-not-finite",
            f"{', '.join(bad)} {'is' if len(bad) == 1 else 'are'} not finite, where the losses of training rows are: "
            "look for values among the held-out rows that lie far outside those of the training rows.",
            "data.source",
        )
    for block in blocks(row):
        name = f"{block}discriminator"
        if abs(row.get(f"{name}_growth", 1.0)) < STILL or row[f"{block}logit_spread"] < 1e-6:
            yield Verdict(
                "discriminator-blind",
                f"The {name.replace('_', ' ')} did not move in this epoch, or answers the same to everything; the "
                "encoder learns nothing of the prior from it.",
                "optimizer.discriminator.learning_rate",
            )
    apart = max((row[f"{block}told_apart"] for block in blocks(row)), default=0.0)
    ratio = row.get("gradient_ratio")
    if ratio is not None and not ratio <= DROWNED:
        yield Verdict(
            "reconstruction-drowned",
            f"The adversary pulls {ratio:.2g} times as hard at the encoder as reconstruction does; lower its part.",
            pull if joint else "reconstruction.weight",
        )
    if ratio is not None and ratio < IGNORED and apart > 0.9:
        yield Verdict(
            "encoder-ignores-prior",
            f"The adversary pulls {ratio:.2g} times as hard at the encoder as reconstruction does, and the codes are "
            f"told from the prior {apart:.0%} of the time; raise its part.",
            pull,
        )
    for block in blocks(row):
        yield from _codes(row, block, joint)


def _growth(row: Row, joint: bool) -> Iterator[Verdict]:
    grown = {key.removesuffix("_growth"): row[key] for key in row if key.endswith("_growth")}
    for name, growth in grown.items():
        if not growth <= GROWTH:
            alone = name == "encoder" and not joint and grown.get("decoder", 0.0) <= GROWTH
            phase = "discriminator" if name.endswith("discriminator") else "generator" if alone else "reconstruction"
            yield Verdict(
                "weights-explode",
                f"The weights of the {name.replace('_', ' ')} grew by {growth:.2g} times their usual size in one "
                "epoch; its steps are too large.",
                f"optimizer.{phase}.learning_rate",
            )


def _codes(row: Row, block: str, joint: bool) -> Iterator[Verdict]:
    rate = f"optimizer.{'reconstruction' if joint else 'generator'}.learning_rate"
    mean, spread = row[f"{block}code_mean"], row[f"{block}code_spread"]
    if not max(mean, spread) <= FAR:
        yield Verdict(
            "codes-explode",
            f"Codes {_of(block)}lie {max(mean, spread):.3g} deviations of the prior away from it; take smaller steps.",
            rate,
        )
    # Class probabilities start out nearly equal, and have to find their categories first.
    if spread < CLOSE and f"{block}dead_categories" not in row:
        yield Verdict(
            "codes-collapse",
            f"Codes {_of(block)}spread over {spread:.2g} of the prior's deviation: every row gets nearly the same "
            "code; take smaller steps, or give reconstruction more weight.",
            rate,
        )


def _of_several(history: Sequence[Row], joint: bool) -> Iterator[Verdict]:
    """What is normal for a while and a fault when it lasts."""
    last = history[-LASTING:]
    if _is_early(history) or not all("r2" in row for row in last):
        return
    pull = "adversarial.weight" if joint else "optimizer.generator.learning_rate"
    for block in blocks(last[-1]):
        rows = [_Block(row, block) for row in last if f"{block}told_apart" in row]
        if all(row.apart > SEPARATE and row.accuracy > SEPARATE for row in rows):
            yield Verdict(
                "discriminator-wins",
                f"The discriminator {_of(block)}has been right {rows[-1].accuracy:.0%} of the time for {len(rows)} "
                "epochs; strengthen the encoder's answer, or hold the discriminator back with "
                "adversarial.input_noise or adversarial.gradient_penalty.",
                pull,
            )
        if all(row.apart > APART and row.accuracy < GUESSING for row in rows):
            yield Verdict(
                "discriminator-blind",
                f"A fresh classifier tells codes {_of(block)}from the prior {rows[-1].apart:.0%} of the time, the "
                f"discriminator {rows[-1].accuracy:.0%}: let it learn faster, or make it larger.",
                "optimizer.discriminator.learning_rate",
            )
        if all(row.rank < THIN and row.apart > APART for row in rows):
            yield Verdict(
                "codes-collapse",
                f"Codes {_of(block)}fill {rows[-1].rank:.0%} of the directions that the prior has; give reconstruction "
                "more weight, or choose fewer dimensions.",
                "reconstruction.weight",
            )
        if all(row.dead > 0 for row in rows):
            yield Verdict(
                "dead-categories",
                f"{rows[-1].dead:.0%} of the categories {_of(block)}get less than a tenth of their share of rows; let "
                "the adversary of that block weigh more, or choose fewer categories.",
                pull,
            )
    if all(row["r2"] < EXPLAINED for row in last):
        yield Verdict(
            "reconstruction-drowned",
            f"Decoded codes explain {max(last[-1]['r2'], 0):.1%} of the variation in the data, no more than the mean "
            "row would; give reconstruction more weight or a higher rate.",
            "adversarial.weight" if joint else "optimizer.reconstruction.learning_rate",
        )
    yield from _far(last, pull)


def _far(last: Sequence[Row], pull: str) -> Iterator[Verdict]:
    """Codes that stay away from the prior, for whatever reason."""
    for block in blocks(last[-1]):
        if all(row.get(f"{block}told_apart", 0.0) > APART for row in last):
            yield Verdict(
                "far-from-prior",
                f"For {len(last)} epochs a fresh classifier has told codes {_of(block)}from the prior, at last "
                f"{last[-1][f'{block}told_apart']:.0%} of the time (50% is guessing); raise the adversary's part, or "
                "train longer.",
                pull,
            )


def _is_early(history: Sequence[Row]) -> bool:
    """Whether the last epochs are too few, or began too soon, to judge what has to last."""
    return len(history) < LASTING or history[-LASTING].get("step", 0) < WARM_UP


def _of_the_first(history: Sequence[Row]) -> Iterator[Verdict]:
    """What nobody could expect of the first steps, and what a run that ends with them has not reached."""
    row = history[-1]
    apart = max((row[f"{block}told_apart"] for block in blocks(row)), default=0.0)
    if _is_early(history) and (apart > NOT_YET or row["r2"] < EXPLAINED):
        told = f"codes are told from the prior {apart:.0%} of the time (50% is guessing), " if blocks(row) else ""
        yield Verdict(
            "too-early",
            f"After {row.get('step', 0):,} steps {told}R2 is {row['r2']:.2f}; that is usual so soon, and no result: "
            "train for more epochs.",
            "epochs",
        )


class _Block:
    """The figures of one discriminator in one epoch."""

    def __init__(self, row: Row, block: str) -> None:
        self.apart, self.rank = row[f"{block}told_apart"], row[f"{block}code_rank"]
        self.accuracy = 0.5 * (row[f"{block}accuracy_real"] + row[f"{block}accuracy_fake"])
        self.dead = row.get(f"{block}dead_categories", 0.0)


def score(row: Row) -> float:
    """How good a model is by its prior match and its reconstruction together, 0 to 1: higher is better.

    R2 * product over discriminators of 2 (1 - told_apart), each factor cut off at 0 and 1. The second is the error
    rate of a fresh classifier over that of guessing: 1 for codes that cannot be told from the prior, 0 for codes that
    always can. A product, because a model that loses either is worth nothing, and because neither has a unit. What
    the two players' losses are does not enter: their sum is best where the discriminator wins.

    A row without figures, or with one that is not finite, scores 0.
    """
    factors = [row.get("r2", 0.0), *(2 * (1 - row[f"{block}told_apart"]) for block in blocks(row))]
    if not all(map(math.isfinite, factors)):
        return 0.0
    return math.prod(min(max(factor, 0.0), 1.0) for factor in factors)
