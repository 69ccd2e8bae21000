"""Runs beside each other: grouped by configuration, paired by seed, and honest about few seeds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import tiny
from PIL import Image
from scipy import stats

import aae
from aae import contrast
from aae.cli import main
from aae.data import Dataset
from aae.errors import ConfigError, RunError
from aae.page import MEASURES
from aae.training import train

MSE = next(measure for measure in MEASURES if measure.key == "mse")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, digits: Dataset) -> list[aae.Run]:
    """Three seeds of one configuration and two of another, measured."""
    folder = tmp_path_factory.mktemp("runs")
    found = []
    for latent, seeds in ((2, (0, 1, 2)), (3, (1, 2))):
        for seed in seeds:
            run = train(tiny(epochs=2, seed=seed, model__latent=latent), folder / f"{latent}-{seed}", data=digits)
            run.evaluate(data=digits)
            found.append(run)
    return found


def test_runs_that_differ_in_their_seed_are_one_configuration(runs: list[aae.Run]) -> None:
    shuffled = [runs[i] for i in (3, 0, 4, 2, 1)]
    groups = contrast.configurations(shuffled)
    assert [group.name for group in groups] == ["model.latent = 3", "model.latent = 2"]
    assert [sorted(run.config.seed for run in group.runs) for group in groups] == [[1, 2], [0, 1, 2]]
    measured = {run.config.seed: json.loads((run.path / "metrics.json").read_text())["mse"] for run in runs[:3]}
    assert groups[1].values("mse") == measured


def test_pairs_are_of_common_seeds(runs: list[aae.Run]) -> None:
    first, second = contrast.configurations(runs)
    found = {one.measure.key: one for one in contrast.paired(first, second)}["mse"]
    a, b = first.values("mse"), second.values("mse")
    assert found.differences == pytest.approx([b[1] - a[1], b[2] - a[2]])
    assert found.t_p == pytest.approx(stats.ttest_rel([b[1], b[2]], [a[1], a[2]]).pvalue)


def test_a_difference_agrees_with_scipy_and_its_interval_covers_as_it_says() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0.3, 1, 12)
    found = contrast.difference(MSE, values.tolist())
    wanted = stats.ttest_1samp(values, 0)
    low, high = wanted.confidence_interval(0.95)
    assert (found.t_p, found.low, found.high) == pytest.approx((wanted.pvalue, low, high))
    inside = 0
    for sample in rng.normal(0.3, 1, (2000, 4)):
        one = contrast.difference(MSE, sample.tolist())
        assert one.low is not None
        assert one.high is not None
        inside += one.low <= 0.3 <= one.high
    assert 0.93 < inside / 2000 < 0.97


def test_few_seeds_promise_little() -> None:
    one = contrast.difference(MSE, [0.1])
    assert (one.mean, one.deviation, one.t_p, one.sign_p) == (0.1, None, None, None)
    same = contrast.difference(MSE, [0.0, 0.0])
    assert (same.deviation, same.t_p, same.sign_p) == (0.0, None, None)
    assert contrast.difference(MSE, [1.0, 2.0, 3.0]).sign_p == 0.25


def test_the_command_writes_a_page_a_table_and_a_picture(
    runs: list[aae.Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["compare", *(str(run.path) for run in runs), "-o", str(out)]) == 0
    said = capsys.readouterr().out
    text = (out / "comparison.md").read_text()
    assert "model.latent = 3, minus model.latent = 2" in text
    assert "With 2 seeds the sign test cannot fall below 0.5" in text
    assert text.splitlines()[0] in said
    values = list(contrast.configurations(runs)[0].values("mse").values())
    assert f"{np.mean(values):.4g} ± {np.std(values, ddof=1):.4g}" in text
    page = (out / "comparison.html").read_text()
    assert "data:image/png;base64," in page
    assert "<script" not in page
    assert np.asarray(Image.open(out / "curves.png").convert("L")).std() > 5


def test_what_cannot_be_compared(runs: list[aae.Run], tmp_path: Path, digits: Dataset) -> None:
    with pytest.raises(ConfigError, match="two runs or more"):
        contrast.configurations(runs[:1])
    with pytest.raises(ConfigError, match="the same settings and the same seed"):
        contrast.configurations([runs[0], runs[1], runs[0]])
    fresh = train(tiny(epochs=1, seed=5), tmp_path / "fresh", data=digits)
    with pytest.raises(RunError, match="aae evaluate"):
        contrast.configurations([runs[0], fresh])
    fresh.evaluate("validation", data=digits)
    with pytest.raises(RunError, match="different splits"):
        contrast.configurations([runs[0], fresh])


def test_runs_of_different_data_are_not_paired(runs: list[aae.Run], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    other = train(tiny(epochs=1), tmp_path / "other", data=rng.random((300, 8, 8)).astype(np.float32))
    numbers = json.loads((runs[0].path / "metrics.json").read_text())
    (other.path / "metrics.json").write_text(json.dumps(numbers | {"rows": 60}))
    groups = contrast.configurations([runs[0], other])
    assert len(groups) == 2
    with pytest.raises(RunError, match="different data"):
        contrast.paired(*groups)
    assert [part.title for part in contrast.sections(groups)] == ["Runs", "Numbers"]
    table = contrast.sections(groups)[1]
    assert f"{numbers['rows']} or 60 rows" in table.notes[0]
    assert "floor" in table.table[0]
    assert not any(row[-2] for row in table.table[1:])  # floors of different data are not averaged
