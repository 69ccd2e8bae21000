"""Priors from files and settings: read right, refused by name, kept with the run, and drawn from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from conftest import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

import aae
from aae import priors
from aae.cli import main
from aae.comparison import baseline
from aae.config import Prior as Settings
from aae.config import check, replace, resolve
from aae.data import Dataset
from aae.errors import AAEError, ConfigError, DataError
from aae.export.graphs import example
from aae.game import Game
from aae.models import build
from aae.phases import Batch
from aae.priors.files import SIDE, pack, read_mixture, read_picture, read_points, unpack
from aae.report import write
from aae.training import train_in_memory

LETTER = np.array([[0, 255, 255], [0, 255, 255], [0, 0, 128]], np.uint8)  # an L: dark on white, one grey pixel


def picture(path: Path, pixels: np.ndarray = LETTER) -> Path:
    Image.fromarray(pixels).save(path)
    return path


# Reading


def test_dark_or_bright_pixels_are_ink(tmp_path: Path) -> None:
    file = picture(tmp_path / "l.png")
    assert read_picture(file).tolist() == [[255, 0, 0], [255, 0, 0], [255, 255, 127]]
    assert read_picture(file, "bright").tolist() == LETTER.tolist()
    shape = priors.from_picture(file, half_width=1.5)
    assert shape.contains(torch.tensor([[-1.0, 1.0], [1.0, 1.0], [1.0, -1.0], [0.0, 0.0]])).tolist() == [
        True,
        False,
        True,
        False,
    ]
    assert "l.png" in shape.describe()


def test_transparent_paper_is_white_and_colours_are_grey(tmp_path: Path) -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0, 3] = 255
    assert read_picture(picture(tmp_path / "t.png", pixels)).tolist() == [[255, 0], [0, 0]]


def test_a_large_picture_is_averaged_down_and_the_noise_of_compression_is_no_ink(tmp_path: Path) -> None:
    large = np.full((300, 200), 255, np.uint8)
    large[100:200, 50:150] = 0
    Image.fromarray(large).save(tmp_path / "large.jpg", quality=40)
    ink = read_picture(tmp_path / "large.jpg")
    assert ink.shape[0] == SIDE
    assert ink[:20].max() == 0
    assert ink[60:68, 40:44].min() > 240
    assert (ink > 0).mean() == pytest.approx(1 / 6, abs=0.03)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "x,y\n1,2\n3,four\n", "line 3 must hold 2 numbers"),
        ("a.csv", "1,2\n3\n", "line 2 must hold 2 numbers"),
        ("a.csv", "", "it is empty"),
        ("a.csv", "x,y\n", "nothing but a line of names"),
        ("a.csv", "x,y\n1,2\n\n3,nan\n", "line 4, number 2 is nan"),
        ("a.csv", "x,y\n1,2\n3,1e39\n", "line 3, number 2 is 1e+39"),
        ("a.csv", "1,5;2,5\n3,5;4,5\n", "line 1 has decimal commas; write 2.5 instead of 2,5; got 1,5;2,5"),
        ("a.csv", "1,5;2;3\n1;2;3\n4;5;6\n", "line 1 has decimal commas"),
        ("a.csv", "x\ty\n1\t2\n3,5\t4\n", "line 3 has decimal commas"),
        ("a.csv", "x,y,z\n1,2,3\n4,5\n", "line 3 must hold 3 numbers"),
        ("a.csv", "x,y\n1," + 200_000 * "2" + "\n", "line 2 cannot be read: field larger"),
        ("a.csv", "label\n0\n1\n", "it has a column label, and none of numbers beside it"),
        ("a.csv", "1 2\n3 4\n", "separated by commas, semicolons or tabs"),
        ("a.csv", "x,label\n1,0.5\n2,1\n", "the column label must hold whole numbers"),
        ("a.npy", "not an array", "cannot be read"),
        ("a.txt", "1 2", "expected a point cloud"),
    ],
)
def test_a_cloud_that_cannot_be_read_is_refused_by_name(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as caught:
        read_points(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert said in str(caught.value)


def test_points_come_from_three_kinds_of_file(tmp_path: Path) -> None:
    points = np.array([[0.5, 1.0], [2.0, -3.0], [4.0, 0.25]], np.float32)
    np.save(tmp_path / "a.npy", points)
    np.savez(tmp_path / "a.npz", points=points, labels=np.array([0, 1, 1]))
    (tmp_path / "a.csv").write_text("x,label,y\n" + "".join(f"{x},{i > 0:d},{y}\n" for i, (x, y) in enumerate(points)))
    for name in ("a.npy", "a.npz", "a.csv"):
        found = read_points(tmp_path / name)
        assert np.array_equal(found["points"], points)
        assert name == "a.npy" or found["labels"].tolist() == [0, 1, 1]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("head", ["", "x,y\n"])
def test_columns_are_separated_by_commas_semicolons_or_tabs(separator: str, head: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text((head + "1,2.5\n3,-4\n").replace(",", separator))
    assert read_points(tmp_path / "a.csv")["points"].tolist() == [[1, 2.5], [3, -4]]
    assert priors.from_points(tmp_path / "a.csv").latent == 2


def test_separators_within_quotes_separate_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('"x, in m, of all";"y, in m, of all"\n1;2.5\n3;-4\n')
    assert read_points(tmp_path / "a.csv")["points"].tolist() == [[1, 2.5], [3, -4]]


@pytest.mark.filterwarnings("error")
def test_numbers_beyond_float32_are_refused_by_file_and_row(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[0.0, 1.0], [2.0, 1e300]]))
    with pytest.raises(DataError) as caught:
        read_points(tmp_path / "a.npy")
    assert str(tmp_path / "a.npy") in str(caught.value)
    assert "row 1, column 1 (counted from 0) is 1e+300" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read as a mixture"),
        ("[1, 2]", "found a list"),
        ('{"means": [[0, 0], [1]], "covariances": [[1, 0], [0, 1]]}', "means must be numbers in rows of one length"),
        ('{"means": [["a", 0]], "covariances": [[1, 0], [0, 1]]}', "means must be real numbers"),
        ('{"means": {"a": 1}, "covariances": [[1, 0], [0, 1]]}', "means must be real numbers"),
        ('{"means": [[NaN, 0]], "covariances": [[1, 0], [0, 1]]}', "means must be finite"),
        ('{"means": [[0, 0]], "covariances": [[1, 2], [2, 1]]}', "must be positive definite"),
        ('{"means": [[0, 0]], "covariances": [[1]]}', "the covariances must be"),
        ('{"means": [[0, 0]], "covariances": [[1, 0], [0, 1]], "weights": [-1]}', "weights must be 1 numbers above 0"),
        ('{"means": [[1e30, 0]], "covariances": [[1, 0], [0, 1]]}', "puts codes about 1e+30 from 0"),
    ],
)
def test_a_mixture_that_is_none_is_refused_by_name(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(DataError) as caught:
        read_mixture(tmp_path / "m.json")
    assert str(tmp_path / "m.json") in str(caught.value)
    assert said in str(caught.value)


def test_points_in_one_place_are_refused_by_file_unless_they_are_blurred(tmp_path: Path) -> None:
    np.save(tmp_path / "same.npy", np.ones((5, 2)))
    with pytest.raises(DataError) as caught:
        priors.prior("points", file=str(tmp_path / "same.npy"))
    assert str(tmp_path / "same.npy") in str(caught.value)
    assert "prior.width" in str(caught.value)
    assert priors.prior("points", file=str(tmp_path / "same.npy"), width=0.5).spread == pytest.approx(0.5)


def test_ink_is_dark_or_bright(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ink must be dark or bright, got 'white'"):
        priors.from_picture(picture(tmp_path / "l.png"), ink="white")  # type: ignore[arg-type]


def test_blank_and_broken_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="all white"):
        read_picture(picture(tmp_path / "w.png", np.full((4, 4), 255, np.uint8)))
    (tmp_path / "b.png").write_bytes(b"\x89PNG broken")
    for name in ("b.png", "none.png"):
        with pytest.raises(DataError, match=name):
            read_picture(tmp_path / name)


def test_a_mixture_comes_from_a_file(tmp_path: Path) -> None:
    values = {"means": [[0, 0, 0], [5, 5, 5]], "covariances": np.eye(3).tolist(), "weights": [1, 3]}
    (tmp_path / "m.json").write_text(json.dumps(values))
    np.savez(tmp_path / "m.npz", **{name: np.array(value) for name, value in values.items()})
    for name in ("m.json", "m.npz"):
        one = priors.prior("mixture", file=str(tmp_path / name))
        assert (one.latent, one.classes) == (3, 2)
        assert one.mean.tolist() == [3.75] * 3
    (tmp_path / "bad.json").write_text('{"means": [[0]]}')
    with pytest.raises(DataError, match="expected `means`"):
        read_mixture(tmp_path / "bad.json")


@given(
    array=hnp.arrays(np.float32, hnp.array_shapes(max_dims=3), elements=st.floats(-1e6, 1e6, width=32)), name=st.text()
)
@settings(max_examples=40, deadline=None)
def test_what_is_packed_is_unpacked(array: np.ndarray, name: str) -> None:
    packed = pack(name, {"points": array})
    assert packed == pack(name, {"points": array})
    again, arrays = unpack(packed)
    assert again == name.replace(":", "_")
    assert np.array_equal(arrays["points"], array)


@given(st.text(max_size=40))
@settings(max_examples=40, deadline=None)
def test_damaged_content_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"prior\.content is damaged"):
        unpack(f"name:{text}!")


# With a run


def test_a_picture_travels_with_its_run(tmp_path: Path, digits: Dataset) -> None:
    """Trained, then the picture goes: the run loads, samples, resumes, and its configuration trains again."""
    file = picture(tmp_path / "l.png")
    config = tiny(prior__kind="picture", prior__file=str(file), epochs=1)
    run = aae.train(config, tmp_path / "run", data=digits)
    file.unlink()
    again = aae.Run.load(tmp_path / "run")
    assert again.config.prior.file is None
    assert np.array_equal(again.sample_prior(50), run.sample_prior(50))
    assert again.prior.contains(torch.from_numpy(again.sample_prior(500))).all()
    assert aae.resume(tmp_path / "run", data=digits).finished
    second = aae.train(aae.config.from_file(tmp_path / "run" / "config.json", config), tmp_path / "two", data=digits)
    assert (tmp_path / "two" / "weights.safetensors").read_bytes() == (
        tmp_path / "run" / "weights.safetensors"
    ).read_bytes()
    assert second.prior.describe() == run.prior.describe()


def test_a_run_out_of_reach_is_loaded_and_none_begins(
    tmp_path: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(prior__kind="uniform", prior__scale=1e-7, epochs=1)
    for train in (lambda: aae.train(config, tmp_path / "none", data=digits), lambda: train_in_memory(config, digits)):
        with pytest.raises(ConfigError, match=r"prior\.scale = 1e-07 gives codes a deviation of"):
            train()
    assert not (tmp_path / "none").exists()
    with monkeypatch.context() as before:  # as a version did that asked for nothing
        before.setattr("aae.training.admit", lambda settings, latent: None)
        aae.train(config, tmp_path / "run", data=digits)
    again = aae.Run.load(tmp_path / "run")
    assert again.prior.bounds().abs().max() == pytest.approx(1e-7)
    assert again.encode(digits.x[:3].reshape(3, 8, 8)).shape == (3, 2)
    assert again.sample(2).shape == (2, 8, 8)
    assert example(again, 3)[0].shape[0] == 3, "what an export is traced with, from the prior"
    assert aae.resume(tmp_path / "run", data=digits).finished


def test_the_manifold_fades_what_is_decoded_where_the_prior_is_not(tmp_path: Path, digits: Dataset) -> None:
    """Of an L, whose top right is empty: no tile there is darker than a quarter of black over white."""
    config = tiny(prior__kind="picture", prior__file=str(picture(tmp_path / "l.png")), epochs=1)
    run = aae.train(config, tmp_path / "run", data=digits)
    write(run, compare=False, data=digits)
    pixels = np.asarray(Image.open(tmp_path / "run" / "figures" / "manifold.png").convert("L"))
    high, wide = pixels.shape

    def darkest(top: float, bottom: float, left: float, right: float) -> int:
        part = pixels[int(top * high) : int(bottom * high), int(left * wide) : int(right * wide)]
        return int(part.min())

    assert darkest(0.15, 0.4, 0.6, 0.9) >= 191  # top right
    assert darkest(0.15, 0.4, 0.15, 0.3) < 150  # top left
    assert darkest(0.75, 0.88, 0.6, 0.9) < 150  # bottom right


def test_a_new_file_takes_the_place_of_what_was_read_before() -> None:
    read = tiny(prior__kind="picture", prior__content="old:AAAA")
    chosen = resolve(read, replace(read, {"prior.file": "new.png"}), written=["prior.file"])
    assert (chosen.prior.file, chosen.prior.content) == ("new.png", "")
    assert resolve(read, read).prior == read.prior


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"prior.kind": "mixture", "prior.labels": True, "prior.components": 7}, "has 7 classes for the 10 of digits"),
        ({"prior.kind": "one-hot", "prior.labels": True, "model.latent": 7}, "set model.latent to 10"),
        (
            {"prior.kind": "product", "prior.labels": True, "prior.blocks": ("a=one-hot:7",), "model.latent": 7},
            "give it a block of 10 classes, such as digit=one-hot:10",
        ),
        ({"prior.kind": "swiss-roll", "model.latent": 3}, "set model.latent to 2"),
        ({"prior.kind": "picture", "prior.file": "none.png"}, "none.png cannot be read as a picture"),
    ],
)
def test_what_does_not_fit_is_refused_before_training(
    changes: dict[str, object], said: str, tmp_path: Path, digits: Dataset
) -> None:
    with pytest.raises(AAEError) as caught:
        aae.train(check(replace(tiny(), changes)), tmp_path / "run", data=digits)
    assert said in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", ["points", "mixture"])
def test_what_a_file_lacks_is_not_asked_of_a_setting(kind: str, tmp_path: Path, digits: Dataset) -> None:
    """A file decides how many classes there are, so `prior.components` would be refused in the next breath."""
    np.savez(tmp_path / "points.npz", points=np.eye(2), labels=[0, 1])
    np.savez(tmp_path / "mixture.npz", means=np.eye(2), covariances=np.eye(2))
    changes = {"prior.kind": kind, "prior.file": str(tmp_path / f"{kind}.npz"), "prior.labels": True}
    with pytest.raises(ConfigError, match="has 2 classes for the 10 of digits") as caught:
        build(check(replace(tiny(), changes)), digits.spec)
    assert "prior.file" in str(caught.value)
    assert "components" not in str(caught.value)


# Labels


def test_the_discriminator_is_told_the_class_and_unlabelled_rows_as_one_more(digits: Dataset) -> None:
    config = tiny(prior__kind="mixture", prior__labels=True, data__labelled=100)
    model = build(config, digits.spec)
    assert next(model.discriminator.parameters()).shape[1] == 2 + 11  # type: ignore[union-attr]
    z = torch.zeros(22, 2)
    y = torch.tensor([*range(10), -1])
    says = model.discriminate(Batch(z[:11], torch.Generator(), y))(z)  # type: ignore[operator]
    assert torch.allclose(says[:11], says[11:]), "prior samples and codes of a row are told the same class"
    assert len(set(says[:11].tolist())) == 11


def test_training_sees_as_many_labels_as_asked_for(digits: Dataset) -> None:
    config = tiny(prior__kind="swiss-roll", prior__labels=True, data__labelled=100)
    from aae.data import load

    data = load(config.data)
    game = Game.new(config, data, torch.device("cpu"))
    batch = game.batch(torch.from_numpy(data.splits.train), torch.Generator())
    assert batch.y is not None
    assert int((batch.y >= 0).sum()) == 100
    assert torch.bincount(batch.y[batch.y >= 0]).tolist() == [10] * 10


@pytest.mark.parametrize("kind", ["autoencoder", "vae"])
def test_a_baseline_of_a_labelled_run_learns_no_labels(kind: Literal["autoencoder", "vae"], digits: Dataset) -> None:
    config = tiny(prior__kind="mixture", prior__labels=True, data__labelled=100, data__label_seed=3)
    beside = check(baseline(config, digits.spec, kind))
    assert (beside.data.labelled, beside.data.label_seed) == (None, 0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["swiss-roll", "one-hot"])
def test_a_labelled_run_is_reported_beside_baselines_that_learn_no_labels(kind: str, tmp_path: Path) -> None:
    """Every figure and number can be made for a prior without quantiles, and for one without a density."""
    latent = 10 if kind == "one-hot" else 2
    config = tiny(prior__kind=kind, prior__labels=True, data__labelled=100, model__latent=latent, epochs=1)
    run = aae.train(config, tmp_path / "run")
    assert run.report().stat().st_size > 0
    numbers = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert {"inside", "empty_cells", "max_ks", "c2st"} <= numbers.keys()
    assert set(numbers["comparison"]) == {"PCA", "Autoencoder", "VAE", "AAE"}
    values, rows = run.traverse(3)
    assert (values.shape, rows.shape) == ((2, 3), (3, 3, 8, 8))


def test_the_multiple_that_is_suggested_can_be_had(digits: Dataset) -> None:
    import re

    from aae.data import load

    with pytest.raises(ConfigError, match="set it to a multiple") as caught:
        load(tiny(prior__kind="ring", prior__labels=True, data__labelled=99_999).data)
    suggested = int(re.findall(r"such as (\d+)", str(caught.value))[0])
    assert load(tiny(prior__kind="ring", prior__labels=True, data__labelled=suggested).data).spec == digits.spec


# The command line


def test_priors_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["priors"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said] == list(priors.KINDS)


MIXTURE = {"means": [[0, 0], [2, 2]], "covariances": [[0.1, 0], [0, 0.1]]}


@pytest.mark.parametrize("what", ["ring", "product", "picture", "picture.tif", "cloud", "one-hot", "m.json", "m.npz"])
def test_a_prior_is_drawn(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = what
    if what == "picture":
        name = str(picture(tmp_path / "l.png"))
    if what == "picture.tif":
        name = str(picture(tmp_path / "l.tif"))
    if what == "m.json":
        (tmp_path / what).write_text(json.dumps(MIXTURE))
    if what == "m.npz":
        np.savez(tmp_path / what, means=MIXTURE["means"], covariances=MIXTURE["covariances"])
    if what.startswith("m."):
        name = str(tmp_path / what)
    if what == "cloud":
        name = str(tmp_path / "c.npy")
        np.save(tmp_path / "c.npy", np.random.default_rng(0).normal(size=(50, 1)))
    assert main(["priors", "show", name, "-o", str(tmp_path / "out.png")]) == 0
    assert "drew " in capsys.readouterr().out
    assert np.asarray(Image.open(tmp_path / "out.png").convert("L")).std() > 5


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["priors", "show"], 2, "needs a prior and a file to write"),
        (["priors", "list", "ring"], 2, "aae priors show NAME_OR_FILE"),
        (["priors", "show", "rign", "-o", "x.png"], 2, 'Did you mean "ring"'),
        (["priors", "show", "picture", "-o", "x.png"], 2, "needs prior.file"),
        (["priors", "show", "none.png", "-o", "x.png"], 3, "none.png cannot be read"),
        (["priors", "show", "ring", "-o", "x.jpg"], 2, "must end in .png"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == code
    assert said in capsys.readouterr().err


def test_a_file_that_no_prior_is_read_from_is_said_to_be_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.txt").write_text("1 2")
    for name in ("x.txt", "."):
        assert main(["priors", "show", str(tmp_path / name), "-o", str(tmp_path / "o.png")]) == 2
        said = capsys.readouterr().err
        assert str(tmp_path / name) in said
        assert ".png" in said
        assert ".json" in said


@pytest.mark.parametrize("command", ["train", "tune"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--prior", "ring"], "did you mean --prior.kind ring?"),
        (["--prior=ring"], "did you mean --prior.kind ring?"),
        (["--prior.kind", "rnig"], 'Did you mean "ring"?'),
        (["--prior", "rnig"], "did you mean --prior.kind ring?"),
        (["--model=clusterin"], "did you mean --model.kind clustering?"),
        (["--model.kind=semisupervised"], 'Did you mean "semi-supervised"?'),
    ],
)
def test_a_word_that_is_nearly_right_is_put_right(
    command: str, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, *words]) == 2
    assert said in capsys.readouterr().err.splitlines()[0]


def test_settings_name_every_kind() -> None:
    from typing import get_args, get_type_hints

    assert list(get_args(get_type_hints(Settings)["kind"])) == list(priors.KINDS)
