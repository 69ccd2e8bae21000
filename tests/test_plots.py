"""Figures carry the data they are given, can be read, and leave nothing behind."""

import io
import itertools
import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from aae import plots
from aae.errors import DataError, StorageError
from aae.plots.grids import tile
from aae.plots.latent import thin

SQUARE = 2.0 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
TURN = np.linspace(0, 2 * np.pi, 60)
CIRCLES = [r * np.stack([np.cos(TURN), np.sin(TURN)], axis=1) for r in (1, 2, 3)]
OKABE_ITO = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000")


@pytest.fixture(scope="module")
def digits():
    """Digits [1797, 64] with their labels, and PCA codes of deviation 1 in place of an encoder's."""
    rows, labels = load_digits(return_X_y=True)
    codes = PCA(3, whiten=True, random_state=0).fit_transform(rows)
    return rows, labels, codes


def artists(figure, gid):
    return figure.findobj(lambda artist: artist.get_gid() == gid)


def offsets(figure, gid):
    return np.concatenate([np.asarray(a.get_offsets()) for a in artists(figure, gid)])


def as_set(points):
    return {tuple(p) for p in np.asarray(points, dtype=float).round(9)}


def history(epochs=8, splits=("train", "validation", "test")):
    terms = ("reconstruction", "discriminator", "generator")
    columns = {"epoch": np.arange(1, epochs + 1), "samples_per_second": np.full(epochs, 9e4)}
    for k, (term, split) in enumerate(itertools.product(terms, splits)):
        columns[f"{term}_{split}"] = 0.5 + np.arange(epochs) / 10 + k
    return columns


def written(figure):
    """The text that a person sees, as (text, box in pixels)."""
    texts = [figure._suptitle] if figure._suptitle else []
    texts += [text for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        texts += [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if low <= tick.get_loc() <= high:
                    texts += [t for t in (tick.label1, tick.label2) if t.get_visible()]
    return [(t.get_text(), t.get_window_extent()) for t in texts if t.get_text().strip()]


def check_readable(figure):
    """The picture is not blank, and every text lies inside it, on top of no other text."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = np.asarray(Image.open(io.BytesIO(plots.to_png_bytes(figure, dpi=100))))
    assert picture[..., :3].std() > 3
    assert picture[0, 0].tolist()[:3] == [255, 255, 255]
    assert picture.shape[2] == 3 or (picture[..., 3] == 255).all()
    page, texts = figure.bbox.padded(-4), written(figure)
    assert texts
    for text, box in texts:
        inside = box.x0 >= page.x0 and box.y0 >= page.y0 and box.x1 <= page.x1 and box.y1 <= page.y1
        assert inside, f"{text!r} leaves the picture: {box} of {page}"
    for (one, a), (other, b) in itertools.combinations(texts, 2):
        apart = a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0
        assert apart, f"{one!r} lies over {other!r}"
    for legend, axes in itertools.product(figure.legends, figure.axes):
        a, b = legend.get_window_extent(), axes.get_window_extent()
        assert a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0


def every_figure(digits):
    rows, labels, codes = digits
    rng = np.random.default_rng(0)
    q = np.linspace(-1.9, 1.9, 20)
    colour = rng.random((12, 3, 32, 32))
    table = rows[:24, 10:22] * np.logspace(-2, 5, 12)
    wide = np.stack([rng.uniform(-2, 2, 400), rng.uniform(-1, 1, 400)], axis=1)
    yield "latent", plots.latent_scatter(codes[:1400, :2], codes[1400:, :2], labels[:1400], labels[1400:], None, SQUARE)
    yield (
        "uniform",
        plots.latent_scatter(wide, wide * 1.03, outline=SQUARE, outline_label="uniform prior", max_points=9),
    )
    yield "circles", plots.latent_scatter(codes, codes[:9], outline=CIRCLES)
    yield "one class", plots.latent_scatter(codes[:5], codes[:1], np.zeros(5, int), np.zeros(1, int), ["only"])
    yield "one code", plots.latent_scatter(codes[:1], codes[:0])
    yield "line", plots.latent_scatter(codes[:99, :1], codes[99:150, :1], labels[:99], labels[99:150], outline=[-2, 2])
    names = [f"a class with the long name {k}" for k in range(40)]
    yield "many", plots.latent_scatter(wide, wide[:9], np.arange(400) % 41 - 1, np.zeros(9, int), names)
    yield "grey manifold", plots.manifold(rng.random((20, 20, 28, 28)), (28, 28), (100 * q, 1000 * q[::-1]))
    yield "colour manifold", plots.manifold(colour.reshape(3, 4, -1), (3, 32, 32))
    yield "table manifold", plots.manifold(table.reshape(4, 6, 12), (12,), (q[:6], q[:4]))
    yield "one row", plots.manifold(rows[None, :20], (8, 8), (q, [0.0]))
    yield "one column", plots.manifold(rows[:20, None], (8, 8), ([0.0], q))
    yield "one cell", plots.manifold(rows[None, :1], (8, 8))
    squares = [np.array([[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1]]) for x in (-2, -1, 0, 1) for y in (-1, 0)]
    share = np.array([0, 1, 1.2, 0.9, 8, 0.1, 1, 1])
    yield "holes", plots.hole_map(wide, squares, share, (0.02, 1.4), SQUARE)
    yield "line of holes", plots.hole_map(codes[:99, :1], squares[:3], share[:3])
    tiles = rows[:12].reshape(3, 4, 8, 8)
    yield (
        "holes and manifold",
        plots.hole_map(wide, squares, share, None, SQUARE, tiles, (8, 8), np.arange(12.0).reshape(3, 4)),
    )
    yield (
        "holes of a table",
        plots.hole_map(wide, squares, share, None, None, table.reshape(4, 6, 12), (12,), np.eye(4, 6)),
    )
    yield "losses", plots.losses(history())
    yield "one epoch", plots.losses(history(1))
    yield "one term", plots.losses({"epoch": [1, 2], "reconstruction_train": [2.0, 1.0]})
    yield "five terms", plots.losses({"epoch": [1, 2], **{f"term_{k}_test": [1.0, k] for k in range(5)}})
    yield "digits", plots.reconstructions(rows[:25], rows[25:50], (8, 8), labels[:25])
    yield "one pair", plots.reconstructions(rows[:1], rows[1:2], (8, 8))
    yield (
        "photographs",
        plots.reconstructions(colour, colour, (3, 32, 32), ["aeroplane", "lorry", "a very long name"] * 4),
    )
    yield "profiles", plots.reconstructions(table, table * 1.1, (12,), labels[:24])
    yield (
        "named",
        plots.reconstructions(table, table, (12,), [f"class {k} of a long, long list of them" for k in range(24)]),
    )
    yield "one profile", plots.reconstructions(table[:1], table[:1], (12,))
    yield "samples", plots.samples(rows[:64], (8, 8))
    yield "one sample", plots.samples(rows[:1], (8, 8))
    yield "flat samples", plots.samples(rng.random((7, 4, 40)), (4, 40))
    yield "vectors", plots.samples(table, (12,))
    yield "one vector", plots.samples(table[:1], (12,))
    panels = [
        plots.Panel("PCA", codes, labels, SQUARE, 0.42),
        plots.Panel("Autoencoder", codes * [3, 8, 1], labels, SQUARE, 0.31, "codes follow no prior"),
        plots.Panel("VAE", codes, labels, CIRCLES, 0.18),
        plots.Panel("AAE", wide, None, SQUARE, 0.004),
        plots.Panel("One dimension", codes[:, :1], labels, [-2, 2]),
    ]
    yield "comparison", plots.comparison(panels)
    yield "long legend", plots.comparison([plots.Panel("AAE", wide, np.arange(400) % 40, SQUARE)] * 2, names)
    for count, outline in ((2, None), (2, SQUARE), (3, None)):
        crowd = [plots.Panel("AAE", np.tile(codes, (3, 1)), np.tile(labels, 3) % 10, outline)] * count
        yield f"{count} panels of ten classes", plots.comparison(crowd)
    yield "one panel", plots.comparison([plots.Panel("AAE", wide)])


def test_every_figure_is_readable_and_leaves_no_global_figure(digits):
    for name, figure in every_figure(digits):
        assert type(figure) is Figure, name
        try:
            check_readable(figure)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error
    pyplot = sys.modules.get("matplotlib.pyplot")  # scikit-learn may have loaded it, we never do
    assert pyplot is None or pyplot.get_fignums() == []


def test_plots_import_neither_torch_nor_pyplot():
    code = "import sys, aae.plots; print([m for m in ('torch', 'matplotlib.pyplot') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- holes -----------------------------------------------------------------------------------------------------------


def test_holes_are_hatched_crowded_cells_coloured_and_tiles_tinted():
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    cells = [square, square + 1, square + 2]
    images, tiles = np.zeros((1, 3, 4, 4)), np.array([[0.0, 4.0, np.nan]])
    figure = plots.hole_map(np.full((9, 2), 0.5), cells, [0, 1, 4], (0.1, 1.5), None, images, (4, 4), tiles, 0, 1)
    holes, (cells_drawn,), (tint,) = artists(figure, "holes"), artists(figure, "cells"), artists(figure, "tint")
    assert [len(one.get_paths()) for one in holes] == [1, 1]
    assert all(one.get_hatch() for one in holes)
    assert np.array_equal(holes[0].get_paths()[0].vertices[:4], cells[0])
    fair, crowded = cells_drawn.get_facecolors()
    assert np.ptp(fair[:3]) < 0.02  # grey
    assert crowded[0] > crowded[2] + 0.5  # orange
    assert (tint.get_facecolors()[:, 3] > 0).tolist() == [False, True, False]
    title = figure.get_suptitle()
    assert "33 % of the cells are holes (10 % by chance)" in title
    assert "4.0 times its share (1.5 by chance)" in title


# --- a prior, and health ---------------------------------------------------------------------------------------------


def test_crosses_lie_over_samples_and_the_legend_has_the_samples_colour():
    z = np.random.default_rng(0).normal(size=(50, 2))
    figure = plots.prior_picture(z, "a prior", grid=z[:9])
    (dots,), (crosses,) = artists(figure, "samples"), artists(figure, "grid")
    assert crosses.get_zorder() > dots.get_zorder()
    (legend,) = figure.legends
    handles = {handle.get_label(): handle for handle in legend.legend_handles}
    assert to_hex(handles["samples"].get_color()) == to_hex(dots.get_facecolors()[0])


def test_numbers_on_the_axes_are_whole_and_none_is_taken_out_of_them():
    for scale, at in ((1e-7, 1.0), (1e6, 0.0), (1e-5, 0.0)):
        z = at + scale * np.random.default_rng(0).normal(size=(50, 2))
        figure = plots.prior_picture(z, "a prior")
        figure.draw_without_rendering()
        for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis):
            assert axis.get_offset_text().get_text() == ""


def test_a_ratio_is_written_as_a_plain_number():
    names = ("told_apart", "accuracy_real", "accuracy_fake", "r2")
    history = {"epoch": [1, 2], "gradient_ratio": [1.2, 3.1]} | {name: [0.5, 0.5] for name in names}
    figure = plots.health(history)
    figure.draw_without_rendering()
    axis = figure.axes[3].yaxis
    texts = [tick.get_text() for tick in (*axis.get_majorticklabels(), *axis.get_minorticklabels())]
    assert {"1", "2", "3"} <= {text for text in texts if text}
    assert all(float(text) > 0 for text in texts if text)


# --- colours ---------------------------------------------------------------------------------------------------------


def lab(linear):
    """Linear sRGB [n, 3] to CIE Lab, D65."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = (np.clip(linear, 0, 1) @ to_xyz.T / [0.95047, 1, 1.08883]).T
    x, y, z = (np.where(v > 0.008856, np.cbrt(v), 7.787 * v + 16 / 116) for v in (x, y, z))
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def nearest(colours, vision):
    srgb = np.array([to_rgb(c) for c in colours])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = lab(linear @ np.array(VISION[vision]).T)
    return min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))


def test_ten_classes_are_further_apart_than_the_eight_of_okabe_and_ito():
    for vision in VISION:
        assert nearest(plots.PALETTE, vision) > nearest(OKABE_ITO, vision), vision
    assert min(nearest([*plots.PALETTE, plots.UNLABELLED, "#FFFFFF"], v) for v in VISION) > 10


def test_legends_of_the_health_figure_cover_the_lines_behind_them():
    names = ("told_apart", "accuracy_real", "accuracy_fake", "r2", "gradient_ratio")
    figure = plots.health({"epoch": np.arange(1, 4)} | dict.fromkeys(names, np.array([0.9, 0.6, 0.5])))
    for axes in figure.axes:
        frame = axes.get_legend().get_frame()
        assert axes.get_legend().get_frame_on()
        assert frame.get_alpha() >= 0.9
        assert frame.get_facecolor()[:3] == (1, 1, 1)


def test_thirty_shades_are_all_different_and_begin_with_the_ten():
    from aae.palette import shaded

    shades = shaded()
    assert shades[:10] == plots.PALETTE
    assert len({*shades, plots.UNLABELLED}) == 31
    assert shaded(("#1F1F7A",)) == ("#1F1F7A", "#8F8FBC", "#0F0F3D")


def test_classes_have_their_own_colour_cycle_after_ten_and_unlabelled_is_grey():
    colours = plots.class_colours(np.arange(-1, 20))
    assert len(np.unique(colours, axis=0)) == 11
    np.testing.assert_array_equal(colours[1:11], colours[11:21])
    red, green, blue, alpha = colours[0]
    assert red == green == blue
    assert alpha == 1


def test_the_legend_lists_the_classes_that_share_a_colour(digits):
    _, _, codes = digits
    labels = np.array([0, 10, 3, -1])
    figure = plots.latent_scatter(codes[:4], codes[:0], labels, classes=[f"c{k}" for k in range(11)])
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["training", "test", "c0, c10", "c3", "unlabelled"]


# --- latent space ----------------------------------------------------------------------------------------------------


def test_latent_scatter_draws_every_code_in_the_colour_of_its_class(digits):
    _, labels, codes = digits
    figure = plots.latent_scatter(codes[:1400, :2], codes[1400:, :2], labels[:1400], labels[1400:], None, SQUARE, "box")
    for gid, part in (("training", slice(1400)), ("test", slice(1400, None))):
        (points,) = artists(figure, gid)
        assert as_set(points.get_offsets()) == as_set(codes[part, :2])
        where = {tuple(z): c for z, c in zip(codes[part, :2].round(9), plots.class_colours(labels[part]), strict=True)}
        colours = np.broadcast_to(points.get_facecolor(), (len(points.get_offsets()), 4))
        for z, colour in zip(np.asarray(points.get_offsets()).round(9), colours, strict=True):
            np.testing.assert_allclose(colour[:3], where[tuple(z)][:3])
    (outline,) = artists(figure, "outline")
    assert as_set(outline.get_paths()[0].vertices) == as_set(SQUARE)
    assert "box" in [t.get_text() for t in figure.legends[0].get_texts()]


def test_training_and_test_have_different_marks(digits):
    _, _, codes = digits
    figure = plots.latent_scatter(codes[:50], codes[50:60])
    circle, cross = (artists(figure, g)[0].get_paths()[0] for g in ("training", "test"))
    assert len(circle.vertices) > 8 > len(cross.vertices)
    left, right = (artists(figure, g)[0].get_edgecolor()[0][:3] for g in ("training", "test"))
    assert not np.allclose(left, right)  # without classes, colour tells them apart as well


def test_all_codes_and_the_outline_lie_in_view(digits):
    _, _, codes = digits
    far = codes[:, :2] * [1, 30] + 50
    axes = plots.latent_scatter(far[:900], far[900:], outline=CIRCLES).axes[0]
    everything = np.concatenate([far, *CIRCLES])
    for limits, values in zip((axes.get_xlim(), axes.get_ylim()), everything.T, strict=True):
        assert limits[0] < values.min()
        assert values.max() < limits[1]


def test_both_code_dimensions_have_one_unit(digits):
    _, _, codes = digits
    figures = [plots.latent_scatter(codes * [1, 5, 1], codes), plots.comparison([plots.Panel("a", codes * [5, 1, 1])])]
    for figure in figures:
        figure.draw_without_rendering()
        (x0, y0), (x1, y1) = figure.axes[0].transData.transform([(0, 0), (1, 1)])
        assert x1 - x0 == pytest.approx(y1 - y0)


def test_more_than_two_dimensions_show_the_first_two_and_say_so(digits):
    _, _, codes = digits
    figure = plots.latent_scatter(codes[:40], codes[40:50])
    assert as_set(offsets(figure, "training")) == as_set(codes[:40, :2])
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("code dimension 1", "code dimension 2")


def test_one_dimension_keeps_x_and_outlines_the_interval(digits):
    _, _, codes = digits
    for interval in ([-2, 2], np.array([[-2.0], [2.0]]), SQUARE[:, :1]):
        figure = plots.latent_scatter(codes[:40, :1], codes[40:50, :1], outline=interval)
        np.testing.assert_allclose(np.sort(offsets(figure, "training")[:, 0]), np.sort(codes[:40, 0]))
        (outline,) = artists(figure, "outline")
        assert set(outline.get_paths()[0].vertices[:, 0]) == {-2.0, 2.0}
    two = plots.latent_scatter(codes[:40, :1], codes[40:50, :1], outline=[(-2, -1), (1, 2)])
    assert len(artists(two, "outline")[0].get_paths()) == 2


def test_a_list_of_polygons_is_drawn_and_a_list_of_points_is_one_polygon(digits):
    _, _, codes = digits
    several = plots.latent_scatter(codes[:9], codes[:9], outline=CIRCLES)
    assert len(artists(several, "outline")[0].get_paths()) == 3
    one = plots.latent_scatter(codes[:9], codes[:9], outline=SQUARE.tolist())
    assert len(artists(one, "outline")[0].get_paths()) == 1
    assert artists(plots.latent_scatter(codes[:9], codes[:9]), "outline") == []


def test_thinning_keeps_max_points_says_so_and_repeats_by_seed():
    codes = np.random.default_rng(0).normal(size=(3000, 2))
    figures = [plots.latent_scatter(codes[:2000], codes[2000:], max_points=300, seed=s) for s in (0, 0, 1)]
    drawn = [as_set(offsets(f, "training")) | as_set(offsets(f, "test")) for f in figures]
    assert len(drawn[0]) == 300
    assert drawn[0] <= as_set(codes)
    assert drawn[0] == drawn[1] != drawn[2]
    assert "2,000 training rows and 1,000 test rows\n(300 of them, chosen at random)" in figures[0].axes[0].get_title()
    whole = plots.latent_scatter(codes[:2000], codes[2000:], max_points=3000)
    assert "chosen" not in whole.axes[0].get_title()


def test_thinning_is_fair():
    """Over many seeds each of 40 points is chosen equally often: a chi-square far from its 0.999 quantile."""
    counts = sum(np.bincount(thin(40, 10, np.random.default_rng(s)), minlength=40) for s in range(2000))
    expected, missing = 500, 0.75  # each count has variance 2000 * 1/4 * 3/4
    assert ((counts - expected) ** 2 / (expected * missing)).sum() * 39 / 40 < 72.1  # 0.999 quantile, 39 degrees


@given(n=st.integers(0, 60), most=st.integers(1, 60), seed=st.integers(0, 99))
def test_thinning_never_repeats_a_point(n, most, seed):
    chosen = thin(n, most, np.random.default_rng(seed))
    assert len(set(chosen)) == len(chosen) == min(n, most)
    assert set(chosen) <= set(range(n))


def test_comparison_says_how_much_of_each_prior_is_empty(digits):
    _, labels, codes = digits
    shares = {"PCA": 0.12, "AAE": 0.0, "VAE": 0.001, "worst": 0.9999}
    figure = plots.comparison([plots.Panel(n, codes, labels, SQUARE, s, f"note {n}") for n, s in shares.items()])
    titles = [axes.get_title().strip().split("\n") for axes in figure.axes]
    assert [t[1].removesuffix(" of the prior empty") for t in titles] == ["12 %", "0 %", "under 1 %", "over 99 %"]
    assert [t[2] for t in titles] == [f"note {n}" for n in shares]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [*map(str, range(10)), "prior"]
    assert len(artists(figure, "outline")) == 4
    plain = plots.comparison([plots.Panel("AAE", codes)])
    assert plain.axes[0].get_title().strip() == "AAE"
    assert plain.legends == []


def test_panels_of_the_same_rows_are_thinned_alike():
    codes = np.random.default_rng(0).normal(size=(500, 2))
    figure = plots.comparison([plots.Panel("a", codes), plots.Panel("b", -codes)], max_points=50)
    np.testing.assert_array_equal(offsets(figure, "a"), -offsets(figure, "b"))
    assert len(offsets(figure, "a")) == 50
    assert "50" in figure.get_suptitle()


# --- grids -----------------------------------------------------------------------------------------------------------


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_tiling_puts_every_pixel_where_it_belongs(data):
    rows, cols, h, w, gap = (data.draw(st.integers(low, 4)) for low in (1, 1, 1, 1, 0))
    colour = data.draw(st.booleans())
    shape = (3, h, w) if colour else (h, w)
    cells = np.random.default_rng(data.draw(st.integers(0, 9))).integers(0, 256, (rows, cols, *shape)).astype(float)
    picture = tile(cells, np.array(0.0), np.array(255.0), gap)
    assert picture.shape == (rows * (h + gap) - gap, cols * (w + gap) - gap, 3)
    expected = np.full_like(picture, 255)
    for i, j, y, x in np.ndindex(rows, cols, h, w):
        expected[i * (h + gap) + y, j * (w + gap) + x] = cells[i, j, :, y, x] if colour else cells[i, j, y, x]
    np.testing.assert_array_equal(picture, expected)


def test_pixels_beyond_the_limits_are_clipped_and_a_flat_image_is_black():
    row = np.array([[[[-5.0, 0.0, 1.0, 2.0, 9.0]]]])  # [1, 1, 1, 5]
    assert tile(row, np.array(0.0), np.array(2.0))[0, :, 0].tolist() == [0, 0, 128, 255, 255]
    assert tile(np.full((1, 1, 2, 2), 7.0), np.array(7.0), np.array(7.0)).max() == 0


def test_small_images_of_a_manifold_are_told_apart_by_a_white_line():
    (image,) = plots.manifold(np.zeros((2, 3, 8, 8)), (8, 8)).axes[0].images
    assert (image.get_array()[:, 8] == 255).all()
    assert (image.get_array()[:8, :8] == 0).all()


def test_manifold_puts_row_zero_on_top_and_labels_both_axes():
    images = np.zeros((3, 5, 16, 16))
    images[0, 4] = 1.0  # the highest second coordinate, the highest first one
    first, second = np.array([-2, -1, 0, 1, 2.0]), np.array([30, 20, 10.0])
    axes = plots.manifold(images, (16, 16), (first, second)).axes[0]
    (image,) = axes.images
    assert image.get_extent() == [0, 5, 0, 3]
    picture = image.get_array()
    assert (picture[:16, 64:] == 255).all()
    assert picture.astype(int).sum() == 256 * 3 * 255
    assert [t.get_text() for t in axes.get_xticklabels()] == ["−2.00", "−1.00", "0.00", "1.00", "2.00"]
    assert dict(zip(axes.get_yticks(), [t.get_text() for t in axes.get_yticklabels()], strict=True)) == {
        2.5: "30.00",
        1.5: "20.00",
        0.5: "10.00",
    }


def test_codes_outside_the_prior_are_faded_and_said_to_be():
    images, outside = np.zeros((2, 3, 16, 16)), np.zeros((2, 3), dtype=bool)
    outside[1, 2] = True
    axes = plots.manifold(images, (16, 16), vmin=0, vmax=1, outside=outside).axes[0]
    picture = axes.images[0].get_array()
    assert (picture[16:, 32:] == 191).all()  # three quarters of the way from black to white
    assert (picture[:16] == 0).all()
    assert (picture[16:, :32] == 0).all()
    assert "faded: codes outside the prior" in axes.get_title()
    profiles = plots.manifold(np.random.default_rng(0).random((2, 3, 5)), (5,), outside=outside).axes[0].collections
    assert sorted((round(part.get_alpha(), 2), len(part.get_paths())) for part in profiles) == [(0.25, 1), (1.0, 5)]


@pytest.mark.parametrize("off", [True, False])
def test_nothing_is_faded_where_all_codes_are_alike(off):
    axes = plots.manifold(np.zeros((2, 3, 16, 16)), (16, 16), vmin=0, vmax=1, outside=np.full((2, 3), off)).axes[0]
    assert (axes.images[0].get_array() == 0).all()
    assert ("all of these codes lie outside the prior" in axes.get_title()) == off
    assert "faded" not in axes.get_title()


@pytest.mark.parametrize(("rows", "cols"), [(20, 20), (1, 7), (31, 2), (1, 1)])
def test_ticks_name_the_codes_of_the_cells_they_stand_at(rows, cols):
    first, second = np.arange(cols), np.arange(rows)[::-1]
    axes = plots.manifold(np.random.default_rng(0).random((rows, cols, 2, 2)), (2, 2), (first, second)).axes[0]
    for at, text in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True):
        assert float(text.get_text()) == at - 0.5
    for at, text in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True):
        assert float(text.get_text()) == at - 0.5  # row i from the top has the value rows - 1 - i
    assert 1 <= len(axes.get_xticks()) <= 7
    assert len(set(np.diff(axes.get_xticks()))) <= 1


def test_vectors_become_one_collection_whose_steps_carry_the_values():
    grid = np.random.default_rng(0).random((3, 4, 12))
    figure = plots.manifold(grid, (12,), vmin=0, vmax=1)
    (collection,) = figure.axes[0].collections
    paths = collection.get_paths()
    assert len(paths) == 12
    for k, path in enumerate(paths):
        i, j = divmod(k, 4)
        x, y = path.vertices[:-1].T  # the last one closes the polygon
        assert x.min() > j
        assert x.max() < j + 1
        tops = (y - (2 - i) - 0.1) / 0.8
        np.testing.assert_allclose(tops[1:-1:2], grid[i, j], atol=1e-12)
        np.testing.assert_allclose(tops[2:-1:2], grid[i, j], atol=1e-12)


def test_columns_of_different_units_are_all_visible():
    table = np.random.default_rng(0).random((9, 3)) * [1e-6, 1.0, 1e6]
    (collection,) = plots.samples(table, (3,)).axes[0].collections
    heights = np.array([p.vertices[1:7:2, 1] % 1 for p in collection.get_paths()])  # [rows, columns]
    np.testing.assert_allclose(np.ptp(heights, axis=0), 0.8)
    (fixed,) = plots.samples(table, (3,), vmin=[0, 0, 0], vmax=[2e-6, 2, 2e6]).axes[0].collections
    heights = np.array([p.vertices[1:7:2, 1] % 1 for p in fixed.get_paths()])
    np.testing.assert_allclose((heights - 0.1) / 0.8 * [2e-6, 2, 2e6], table)


def test_reconstructions_show_originals_above_decoded():
    before, after = np.full((3, 2, 2), 9.0), np.zeros((3, 2, 2))
    before[:, 0, 0] = 0.0
    figure = plots.reconstructions(before, after, (2, 2), labels=[4, -1, 6])
    axes = figure.axes[0]
    picture = axes.images[0].get_array()[..., 0]
    assert picture[1, 0] == 255
    assert picture[0, 0] == 0
    assert picture[3:, 0].max() == 0
    assert [t.get_text() for t in axes.get_yticklabels()] == ["original", "decoded"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["4", "", "6"]
    blocks = plots.reconstructions(np.zeros((25, 4)), np.ones((25, 4)), (2, 2), vmin=0, vmax=1).axes
    assert len(blocks) == 3


def test_vector_reconstructions_overlay_both_profiles():
    rng = np.random.default_rng(0)
    before, after = rng.random((6, 12)), 3 * rng.random((6, 12)) - 1
    figure = plots.reconstructions(before, after, (12,), vmin=-1, vmax=2)
    left, right = figure.axes[0].collections
    for collection, values in ((left, before), (right, after)):
        heights = np.array([p.vertices[1:25:2, 1] % 1 for p in collection.get_paths()])
        np.testing.assert_allclose((heights - 0.1) / 0.8 * 3 - 1, values, atol=1e-12)
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["original", "reconstruction"]
    single = plots.reconstructions(before[:1], after[:1], (12,)).axes[0].collections[0]
    assert len(set(single.get_paths()[0].vertices[:, 1])) > 6  # one pair is not flattened by its own range


def test_flat_rows_and_shaped_rows_give_the_same_picture():
    rows = np.random.default_rng(0).random((5, 3, 4, 6))
    flat, shaped = (plots.samples(r, (3, 4, 6)).axes[0].images[0].get_array() for r in (rows.reshape(5, -1), rows))
    np.testing.assert_array_equal(flat, shaped)


def test_sample_picture_keeps_every_pixel(digits):
    rows = np.random.default_rng(0).integers(0, 256, (6, 28, 28)).astype(np.uint8)
    picture = plots.sample_picture(rows, (28, 28), vmin=0, vmax=255)
    assert picture.mode == "RGB"
    factor = picture.width // (3 * 28 + 2)
    small = np.asarray(picture)[::factor, ::factor, 0]
    assert small.shape == (2 * 28 + 1, 3 * 28 + 2)
    np.testing.assert_array_equal(small[:28, :28], rows[0])
    np.testing.assert_array_equal(small[29:, 58:], rows[5])
    assert np.asarray(plots.sample_picture(digits[0][:7, 10:22], (12,))).std() > 3
    colour = np.asarray(plots.sample_picture(np.random.default_rng(0).random((2, 3, 32, 32)), (3, 32, 32)))
    assert (colour[..., 0] != colour[..., 1]).any()


# --- losses ----------------------------------------------------------------------------------------------------------


def test_losses_have_a_panel_for_each_term_with_its_own_curves():
    columns = history()
    figure = plots.losses(columns)
    assert [a.get_title() for a in figure.axes] == ["Reconstruction loss", "Discriminator loss", "Generator loss"]
    for axes, term in zip(figure.axes, ("reconstruction", "discriminator", "generator"), strict=True):
        curves = {line.get_label(): line for line in axes.lines}
        for split, name in (("train", "training"), ("validation", "validation"), ("test", "test")):
            np.testing.assert_array_equal(curves[name].get_xdata(), columns["epoch"])
            np.testing.assert_array_equal(curves[name].get_ydata(), columns[f"{term}_{split}"])
        assert ("log 2" in curves) == (term != "reconstruction")


def test_log_two_is_where_it_should_be_and_in_view():
    for axes in plots.losses(history()).axes[1:]:
        (line,) = (line for line in axes.lines if line.get_gid() == "log2")
        assert set(line.get_ydata()) == {math.log(2)}
        assert line.get_linestyle() == "--"
        assert axes.get_ylim()[0] < math.log(2) < axes.get_ylim()[1]
    figure = plots.losses(history(), log2_for=())
    assert all(line.get_gid() != "log2" for axes in figure.axes for line in axes.lines)
    assert "log 2" not in " ".join(t.get_text() for t in figure.legends[0].get_texts())


def test_one_epoch_is_a_visible_dot():
    for axes in plots.losses(history(1)).axes:
        assert all(line.get_marker() == "o" for line in axes.lines if line.get_gid() != "log2")
        assert axes.get_xlim()[0] < 1 < axes.get_xlim()[1]


def test_values_that_were_not_measured_are_left_out():
    values = np.array([3.0, np.nan, 2.0, np.inf, 1.0])
    columns = {
        "epoch": np.arange(5),
        "kl_train": values,
        "kl_test": np.full(5, np.nan),
        "error_test": np.full(5, np.nan),
    }
    figure = plots.losses(columns)
    assert [a.get_title() for a in figure.axes] == ["KL loss"]  # error was never measured
    drawn = [line for line in figure.axes[0].lines if len(line.get_xdata())]
    assert [line.get_label() for line in drawn] == ["training"]
    np.testing.assert_array_equal(drawn[0].get_xdata(), [0, 2, 4])
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["training"]


# --- animation and files ---------------------------------------------------------------------------------------------


def frames_of(path):
    with Image.open(path) as gif:
        times = []
        pictures = []
        for k in range(gif.n_frames):
            gif.seek(k)
            times.append(gif.info["duration"])
            pictures.append(np.asarray(gif.convert("RGB")))
        return pictures, times, gif.info["loop"]


def test_animation_has_every_frame_stands_still_and_holds_the_last(tmp_path):
    rng = np.random.default_rng(0)
    end = rng.uniform(-2, 2, (300, 2))
    frames = [end * (1 + (9 - k) / 3) for k in range(10)]
    path = plots.animation(frames, range(10), np.arange(300) % 10, SQUARE, tmp_path / "new folder" / "a.gif")
    pictures, times, loop = frames_of(path)
    assert len(pictures) == 10
    assert loop == 0
    assert times[-1] > 5 * max(times[:-1])
    assert (pictures[0] != pictures[9]).any()
    for picture in pictures:  # axis labels, legend and ticks are the same in each
        np.testing.assert_array_equal(picture[-45:], pictures[0][-45:])
        np.testing.assert_array_equal(picture[:, -60:], pictures[0][:, -60:])
        assert picture[-1, -1].tolist() == [255, 255, 255]
    for colour in plots.PALETTE:  # the legend's dots keep the colour of their class
        rgb = np.rint(255 * np.array(to_rgb(colour))).astype(int)
        assert (pictures[0][:, -60:] == rgb).all(axis=2).any(), colour


def test_each_frame_shows_the_codes_of_its_own_epoch(tmp_path):
    path = plots.animation([[[x, 0.0]] for x in (-1, 0, 1)], [1, 2, 3], [1], SQUARE, tmp_path / "a.gif")
    orange = np.rint(255 * np.array(to_rgb(plots.PALETTE[1]))).astype(int)
    seen = [np.argwhere((picture[:, :380] == orange).all(axis=2)).mean(axis=0) for picture in frames_of(path)[0]]
    steps = np.diff(seen, axis=0)  # [2, (down, right)] in pixels
    assert (steps[:, 1] > 30).all()
    assert np.ptp(steps[:, 1]) < 2
    assert abs(steps[:, 0]).max() < 2


@pytest.mark.parametrize("latent", [1, 2, 5])
@pytest.mark.parametrize("frames", [1, 3])
def test_animation_takes_any_dimension_and_a_single_frame(tmp_path, latent, frames):
    codes = np.random.default_rng(0).normal(size=(frames, 20, latent))
    path = plots.animation(codes, np.arange(frames), path=tmp_path / "a.gif")
    with Image.open(path) as gif:
        assert gif.n_frames == frames
        assert np.asarray(gif.convert("RGB")).std() > 3


def test_sixty_frames_make_a_small_file(tmp_path):
    rng = np.random.default_rng(0)
    end = rng.uniform(-2, 2, (1500, 2))
    frames = [end * (2 - k / 59) + rng.normal(0, 0.05, (1500, 2)) for k in range(60)]
    path = plots.animation(frames, range(60), np.arange(1500) % 10, SQUARE, tmp_path / "a.gif")
    assert path.stat().st_size < 2_000_000
    with Image.open(path) as gif:
        assert gif.n_frames == 60


def test_save_writes_a_png_whole_or_not_at_all(tmp_path, digits):
    figure = plots.samples(digits[0][:4], (8, 8))
    path = plots.save(figure, tmp_path / "made" / "a.png", dpi=50)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.size == tuple(int(50 * inches) for inches in figure.get_size_inches())
    assert [p.name for p in path.parent.iterdir()] == ["a.png"]
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError, match=r"a\.png"):
        plots.save(figure, tmp_path / "file" / "a.png")
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(StorageError, match=r"taken\.png"):
        plots.save(figure, tmp_path / "taken.png")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "made", "taken.png"]
    with pytest.raises(DataError, match=r"\.png"):
        plots.save(figure, tmp_path / "a.jpg")


# --- mistakes --------------------------------------------------------------------------------------------------------

ONE = np.zeros((3, 2))
BAD = np.array([[0, 0], [np.nan, 0], [0, 0.0]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.latent_scatter(BAD, ONE), "train_codes: row 1 is"),
        (lambda: plots.latent_scatter(ONE, ONE[:, 0]), r"test_codes must have the shape"),
        (lambda: plots.latent_scatter(ONE, ONE[:, :1]), "2 dimensions and test_codes 1"),
        (lambda: plots.latent_scatter(ONE[:0], ONE[:0]), "no codes"),
        (lambda: plots.latent_scatter(ONE, ONE, [0, 1]), "train_labels must hold one label for each of 3 rows"),
        (lambda: plots.latent_scatter(ONE, ONE, None, [0, 1, 2], ["a", "b"]), "row 2 has label 2"),
        (lambda: plots.latent_scatter(ONE, ONE, [0, 0.5, 1]), "whole numbers"),
        (lambda: plots.hole_map(ONE, [ONE], [1, 2]), "for each of 1 cells"),
        (lambda: plots.hole_map(ONE, [ONE], [1], images=np.zeros((2, 2, 3)), shape=(3,)), "tile_ratio"),
        (lambda: plots.latent_scatter(ONE, ONE, outline=np.zeros((4, 3))), "outline must be"),
        (lambda: plots.latent_scatter(ONE, ONE, max_points=0), "max_points must be 1 or more"),
        (lambda: plots.comparison([]), "one panel or more"),
        (lambda: plots.comparison([plots.Panel("a", ONE, empty_share=12)]), "0 to 1, got 12"),
        (lambda: plots.samples(np.zeros((2, 5)), (2, 2)), r"\[rows, 4\], got \[2, 5\]"),
        (lambda: plots.samples(np.zeros((0, 4)), (2, 2)), "rows is empty"),
        (lambda: plots.samples(np.full((2, 4), np.nan), (4,)), "finite"),
        (lambda: plots.samples(np.zeros((2, 4)), (1, 1, 2, 2)), "shape must be"),
        (lambda: plots.manifold(np.zeros((2, 3, 4)), (2, 2), outside=[True]), "of each of 2 x 3 codes"),
        (lambda: plots.manifold(np.zeros((2, 3, 4)), (2, 2), ([1], [2])), "3 values for the columns and 2"),
        (lambda: plots.manifold(np.zeros((2, 0, 4)), (2, 2)), r"\[rows, cols"),
        (lambda: plots.reconstructions(ONE, ONE[:1], (2,)), "3 originals but 1 reconstructions"),
        (lambda: plots.reconstructions(ONE, ONE, (2,), [1]), "1 labels for 3 originals"),
        (lambda: plots.losses({"a_train": [1]}), "no column epoch"),
        (lambda: plots.losses({"epoch": [1], "speed": [1]}), "no measured loss"),
        (lambda: plots.losses({"epoch": [1], "a_train": [1, 2]}), "a_train has 2 values, but epoch has 1"),
        (lambda: plots.animation([], []), "one frame or more"),
        (lambda: plots.animation([ONE, ONE[:2]], [1, 2]), "same codes"),
        (lambda: plots.animation([ONE], [1, 2]), "1 frames"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(DataError, match=message):
        call()


def test_the_legend_of_curves_lies_beside_them() -> None:
    """However they run: here they fill the whole height."""
    runs = {f"a run with a long name, seed {i}": ([1, 10, 20], [100 - 9 * i, 1 + i, 100 - 9 * i]) for i in range(6)}
    figure = plots.curves(runs, "epoch", "error")
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(runs)
    assert not legend.get_window_extent().overlaps(figure.axes[0].get_window_extent())


def test_last_values_of_curves_that_end_together_do_not_lie_on_each_other():
    steps = np.arange(1, 31)
    runs = {str(k): (steps, 10 / steps + 0.002 * k) for k in range(6)}
    figure = plots.curves(runs, "epoch", "error")
    (axes,) = figure.axes
    figure.draw_without_rendering()
    boxes = sorted((text.get_window_extent() for text in axes.texts), key=lambda box: box.y0)
    assert len(boxes) == 6
    assert all(low.y1 <= high.y0 + 1 for low, high in itertools.pairwise(boxes))
    (alone,) = plots.curves({"a": runs["0"]}, "epoch", "error").axes[0].texts
    assert alone.get_text() == " 0.33"
    assert alone.get_position() == (0, 0)
