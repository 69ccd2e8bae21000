"""Runs as graphs: in onnxruntime and as PyTorch programs they say what Python says, in original units."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import tiny

import aae
from aae import export, recipes
from aae.anomaly import Usual, usual
from aae.cli import main
from aae.config import replace, resolve
from aae.data import Dataset, original
from aae.errors import ConfigError
from aae.estimators import AAEOutlierDetector
from aae.training import train_in_memory

onnxruntime = pytest.importorskip("onnxruntime")

CLOSE = 1e-5
"""Of the largest value that may come out: for 8-bit images 255, for codes and scores at least 1."""


def rows_of(data: Dataset, n: int = 1000) -> np.ndarray:
    return original(data.x[:n], data.spec).astype(data.spec.dtype if not data.spec.columns else np.float64)


def calibrated(run: aae.Run, data: Dataset) -> Usual:
    return usual(run, *(original(data.x[rows], data.spec) for rows in (data.splits.train, data.splits.validation)))


def session(path: Path) -> Any:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def said(path: Path) -> dict[str, Any]:
    return json.loads(session(path).get_modelmeta().custom_metadata_map["aae"])


def outputs(path: Path, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    ready = session(path)
    return dict(zip([o.name for o in ready.get_outputs()], ready.run(None, inputs), strict=True))


def close(found: np.ndarray, wanted: np.ndarray) -> bool:
    assert found.shape == wanted.shape
    return bool(np.abs(found - wanted).max() <= CLOSE * max(1.0, np.abs(wanted).max()))


def colour(channels_last: bool) -> Dataset:
    """120 little colour images of floats, some with their channels last."""
    x = np.random.default_rng(0).random((120, 6, 7, 3) if channels_last else (120, 3, 6, 7)).astype(np.float32)
    return aae.data.dataset(x, None, replace(tiny(), {"data.layout": "images"}).data)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A table with a column of every kind, most with gaps."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("table") / "people.csv"
    lines = ["age,height,seen,smokes,town"]
    for _ in range(1000):
        age, height = rng.integers(18, 90), 170 + 10 * rng.normal()
        day = np.datetime64("2020-01-01") + int(rng.integers(1000))
        shown = [age, f"{height:.2f}", day, rng.choice(["true", "false"]), rng.choice(["Ulm", "Bonn", "Kiel"])]
        lines.append(",".join("" if rng.random() < 0.1 and i != 2 else str(value) for i, value in enumerate(shown)))
    path.write_text("\n".join(lines) + "\n")
    return aae.data.load(replace(recipes.recipe("table-8d-gaussian"), {"data.source": str(path)}).data)


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "convolutional": {"model.network": "conv", "model.channels": (4, 8)},
    "spectral": {"adversarial.spectral_norm": True, "model.posterior": "gaussian"},
    "noise": {"model.posterior": "noise"},
    "told": {"prior.kind": "mixture", "prior.components": 10, "prior.labels": True},
    "supervised": {"model.kind": "supervised"},
    "semi-supervised": {"model.kind": "semi-supervised"},
    "clusters": {"model.kind": "clustering", "model.clusters": 4},
    "dimension-reduction": {
        "model.kind": "dimension-reduction",
        "model.clusters": 4,
        "model.normalization": "batch",
        "average": 0.5,
    },
    "wae-mmd": {"model.kind": "wae-mmd", "model.network": "conv", "model.normalization": "batch"},
    "autoencoder": {"model.kind": "autoencoder"},
}


SLOW = ("spectral", "noise", "supervised", "clusters", "wae-mmd", "autoencoder")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in VARIANTS])
def test_onnx_equals_python(name: str, digits: Dataset, tmp_path: Path) -> None:
    settings = {key.replace(".", "__"): value for key, value in VARIANTS[name].items()}
    settings["epochs"] = 1
    run = train_in_memory(tiny(**settings), digits)
    known = calibrated(run, digits)
    written = export.to_onnx(run, tmp_path, known)
    names = {made.path.stem for made in written}
    assert names == {"encoder", "decoder", "anomaly"} | ({"classifier"} if run.model.classifies else set())
    assert max(made.difference for made in written) < CLOSE

    x = rows_of(digits)
    assert session(tmp_path / "encoder.onnx").get_inputs()[0].type == "tensor(uint8)"
    codes = outputs(tmp_path / "encoder.onnx", rows=x)["codes"]
    assert close(codes, run.encode(x))
    assert close(outputs(tmp_path / "encoder.onnx", rows=x[:1])["codes"], run.encode(x[:1]))  # any number of rows

    beside = {}
    if run.model.beside:
        beside = {"classes": np.eye(run.model.beside, dtype=np.float32)[np.arange(1000) % run.model.beside]}
    decoded = outputs(tmp_path / "decoder.onnx", codes=codes, **beside)["rows"]
    assert close(decoded, run.decode(codes, beside.get("classes")))
    assert decoded.min() >= 0
    assert decoded.max() > 1  # original units

    judged = outputs(tmp_path / "anomaly.onnx", rows=x)
    assert close(judged["score"], known.score(run, x))
    assert np.array_equal(judged["odd"], judged["score"] > known.threshold)
    about = said(tmp_path / "anomaly.onnx")
    assert about["threshold"] == known.threshold
    assert about["evidence"] == list(known.kinds)
    assert ("residual" in known.kinds) == (name != "supervised")
    assert ("discriminator" in known.kinds) == (name not in ("autoencoder", "wae-mmd"))

    if run.model.classifies:
        found = outputs(tmp_path / "classifier.onnx", rows=x)
        assert close(found["probabilities"], run.predict_proba(x))
        assert np.array_equal(found["predicted"], run.predict(x))
        classes = said(tmp_path / "classifier.onnx")["classes"]
        assert found["class"].tolist() == [classes[k] for k in found["predicted"]]


@pytest.mark.parametrize("last", [False, True])
def test_images_keep_their_layout(last: bool, tmp_path: Path) -> None:
    data = colour(last)
    run = train_in_memory(tiny(epochs=1, batch_size=32, model__network="conv", model__channels=(4,)), data)
    export.to_onnx(run, tmp_path)
    x = rows_of(data)
    codes = outputs(tmp_path / "encoder.onnx", rows=x)["codes"]
    assert close(codes, run.encode(x))
    found = outputs(tmp_path / "decoder.onnx", codes=codes)["rows"]
    assert found.shape == x.shape
    assert close(found, run.decode(codes))


def test_a_table_keeps_its_columns(table: Dataset, tmp_path: Path) -> None:
    base = recipes.recipe("table-8d-gaussian")
    widths = dict.fromkeys(("model.encoder", "model.decoder", "model.discriminator"), (32,))
    run = train_in_memory(resolve(base, replace(base, {"epochs": 3, "threads": 1, **widths})), table)
    known = calibrated(run, table)
    export.to_onnx(run, tmp_path, known)
    x = rows_of(table)
    assert np.isnan(x).any()
    codes = outputs(tmp_path / "encoder.onnx", rows=x)["codes"]
    assert close(codes, run.encode(x))
    found = outputs(tmp_path / "decoder.onnx", codes=codes)
    wanted = run.decode(codes)
    for i, column in enumerate(run.spec.columns):
        assert close(found["rows"][:, i], wanted[:, i]), column.name
    assert close(found["features"], run.decoded_features(codes))
    assert close(outputs(tmp_path / "anomaly.onnx", rows=x)["score"], known.score(run, x))
    columns = said(tmp_path / "decoder.onnx")["data"]["columns"]
    assert [c["name"] for c in columns] == ["age", "height", "seen", "smokes", "town"]
    assert columns[4]["categories"] == ["Bonn", "Kiel", "Ulm"]


def test_conditions_are_given_in_original_units(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "people.csv"
    lines = [f"{rng.normal():.3f},{rng.normal():.3f},{rng.integers(18, 90)}" for _ in range(300)]
    path.write_text("\n".join(["a,b,age", *lines]) + "\n")
    base = recipes.recipe("table-8d-gaussian")
    widths = dict.fromkeys(("model.encoder", "model.decoder", "model.discriminator"), (16,))
    asked = {
        "epochs": 1,
        "model.kind": "supervised",
        "model.latent": 2,
        "data.source": str(path),
        "data.condition": ("age",),
        **widths,
    }
    config = resolve(base, replace(base, asked))
    run = train_in_memory(config, aae.data.load(config.data))
    export.to_onnx(run, tmp_path)
    codes, ages = run.sample_prior(50), rng.integers(18, 90, (50, 1)).astype(np.float64)
    found = outputs(tmp_path / "decoder.onnx", codes=codes, conditions=ages)
    assert close(found["rows"], run.decode(codes, condition={"age": ages[:, 0]}))


def test_torch_programs_equal_python(trained: aae.Run, digits: Dataset, tmp_path: Path) -> None:
    known = calibrated(trained, digits)
    assert len(export.to_torch(trained, tmp_path, known)) == 3
    extra = {"aae": ""}
    x = rows_of(digits)
    encoder = torch.export.load(tmp_path / "encoder.pt2", extra_files=extra).module()
    assert close(encoder(torch.from_numpy(x)).numpy(), trained.encode(x))
    assert json.loads(extra["aae"])["data"]["name"] == "digits"
    score, odd, evidence = torch.export.load(tmp_path / "anomaly.pt2").module()(torch.from_numpy(x))
    assert close(score.numpy(), known.score(trained, x))
    assert np.array_equal(odd.numpy(), score.numpy() > known.threshold)
    assert evidence.shape == (1000, 4)


def test_odd_rows_are_found_and_usual_ones_seldom(trained: aae.Run, digits: Dataset) -> None:
    known = calibrated(trained, digits)
    usual_rows = original(digits.x[digits.splits.test], digits.spec)
    odd = 16 - usual_rows  # white on black
    assert (known.score(trained, usual_rows) > known.threshold).mean() < 0.12
    assert (known.score(trained, odd) > known.threshold).mean() > 0.9


def test_an_outlier_detector_exports_its_own_threshold(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
    detector = AAEOutlierDetector(epochs=2, hidden=(16,), random_state=0).fit(x)
    export.to_onnx(detector.run_, tmp_path, detector.usual_)
    found = outputs(tmp_path / "anomaly.onnx", rows=x)
    assert close(found["score"], detector.anomaly_score(x))
    clear = np.abs(found["score"] + detector.offset_) > CLOSE  # the threshold is the score of one of the rows
    assert np.array_equal(found["odd"][clear], (detector.predict(x) == -1)[clear])
    assert 0.01 < found["odd"].mean() < 0.2


def test_the_command(trained: aae.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(trained.path), "--onnx", str(tmp_path / "o"), "--no-anomaly"]) == 0
    assert {path.name for path in (tmp_path / "o").iterdir()} == {"encoder.onnx", "decoder.onnx"}
    assert "from Python over 256 rows" in capsys.readouterr().out
    (tmp_path / "file").write_text("")
    assert main(["export", str(trained.path), "--onnx", str(tmp_path / "file"), "--no-anomaly"]) == 6
    assert "file is a file, where a folder is wanted" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ([], "say what to write"),
        (["--onnx", "o", "--points", "3"], "--points is about the explorer"),
        (["--explorer", "page.html", "--false-alarm-rate", "0.1"], "are about graphs"),
        (["--explorer", "page.html", "--no-anomaly"], "are about graphs"),
        (["--onnx", "o", "--no-anomaly", "--false-alarm-rate", "0.1"], "leave out --no-anomaly"),
        (["--onnx", "o", "--false-alarm-rate", "1.5"], "must lie between 0 and 1, got 1.5"),
    ],
)
def test_what_cannot_be_exported(
    words: list[str], what: str, trained: aae.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(trained.path), *words]) == 2
    assert what in capsys.readouterr().err


def test_a_graph_that_differs_is_not_written(trained: aae.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aae.Run, "encode", lambda self, x, **_: np.zeros((len(x), 2), np.float32))
    with pytest.raises(ConfigError, match="away from Python"):
        export.to_onnx(trained, tmp_path)
    assert not list(tmp_path.iterdir())
