"""The explorer's page in a real browser: the server's, and the one that is a file."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import tiny
from explorer_kit import Asking, open_browser, serving
from test_explorer_export import BODIES, padded

import aae
from aae.data import Dataset
from aae.data.frames import to_pandas
from aae.evaluation import data_of
from aae.explorer import export
from aae.explorer.networks import run, write
from aae.explorer.scene import Scene

READY = "return typeof aaeExplorer === 'object' && aaeExplorer.timings.length > 0"
CODE = "return Array.from(aaeExplorer.code)"
DECODED = "return Array.from(aaeExplorer.decoded)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    driver = open_browser()
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def served(trained: aae.Run, digits: Dataset) -> Iterator[Asking]:
    scene = Scene(trained, digits)
    scene.refresh()
    with serving(scene) as asking:
        yield asking


@pytest.fixture(scope="module")
def file(trained: aae.Run, digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "page.html"
    export(trained, path, digits)
    return path


def wait(browser: Any, script: str) -> Any:
    """What the script returns, once that is true."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if found := browser.execute_script(script):
            return found
        time.sleep(0.05)
    raise AssertionError(f"never true: {script}; the page says {browser.find_element('id', 'notice').text!r}")


@pytest.fixture(params=["server", "file"])
def page(request: pytest.FixtureRequest, browser: Any) -> Any:
    """The page as a server sends it, and as a file; no page may complain."""
    if request.param == "server":
        browser.get(request.getfixturevalue("served").server.address)
    else:
        browser.get(request.getfixturevalue("file").as_uri())
    wait(browser, READY)
    yield browser
    said = browser.get_log("browser")
    assert [entry for entry in said if entry["source"] != "rendering"] == []  # which is advice about speed


def pointer(browser: Any) -> Callable[[float, float], Any]:
    """Moves of the pointer to places on the plane, in code units, to be chained and performed."""
    from selenium.webdriver import ActionChains

    def to(x: float, y: float) -> Any:
        script = (
            "const v = aaeExplorer.view, p = v.toScreen(...arguments), plane = document.getElementById('plane');"
            "plane.scrollIntoView(); const box = plane.getBoundingClientRect(); return [p[0] + box.x, p[1] + box.y]"
        )
        actions = ActionChains(browser, duration=20)
        px, py = browser.execute_script(script, x, y)
        actions.w3c_actions.pointer_action.move_to_location(round(px), round(py))
        return actions

    return to


def settle(browser: Any, code: np.ndarray) -> np.ndarray:
    """The decoded row, once it is that of `code`."""
    near = "Math.abs(aaeExplorer.code[{}] - ({})) < 0.05"
    there = " && ".join(near.format(k, x) for k, x in enumerate(code))
    wait(browser, f"return {there} && !aaeExplorer.decoding.busy")
    return np.array(browser.execute_script(DECODED))


def test_the_picture_follows_the_pointer_and_is_what_python_decodes(page: Any, trained: aae.Run) -> None:
    """To 1e-3 of the data's range, though the file's weights have 16 bits; and that is what is drawn."""
    to, found = pointer(page), []
    for place in ((-0.8, 0.7), (0.9, -0.6)):
        to(*place).perform()
        row = settle(page, np.array(place))
        wanted = trained.decode([page.execute_script(CODE)]).reshape(-1)
        np.testing.assert_allclose(row, wanted, atol=16e-3)
        drawn = "const c = document.querySelector('#decoded canvas').getContext('2d');"
        drawn += "return Array.from(c.getImageData(0, 0, 8, 8).data)"
        np.testing.assert_allclose(page.execute_script(drawn)[::4], row * 255 / 16, atol=1)
        found.append(row)
    assert np.abs(found[0] - found[1]).max() > 0.01


def test_the_file_needs_nothing_from_outside(file: Path, browser: Any) -> None:
    text = file.read_text()
    assert set(re.findall(r"https?://[^\"' <)]+", text)) <= {"http://www.w3.org/2000/svg"}
    browser.get(file.as_uri())
    wait(browser, READY)
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    blocked = "return fetch('data:,x').then(() => 'let through', () => 'blocked')"
    assert browser.execute_script(blocked) == "blocked"
    browser.get_log("browser")  # which holds that refusal


def test_the_token_leaves_the_address_bar(served: Asking, browser: Any) -> None:
    browser.get(served.server.address)
    wait(browser, READY)
    assert browser.current_url == f"http://127.0.0.1:{served.server.port}/"
    browser.get(browser.current_url)  # the cookie opens it
    wait(browser, READY)


def test_the_lasso_selects_what_lies_inside(page: Any, tmp_path: Path) -> None:
    page.find_element("css selector", "[data-tool=lasso]").click()
    to = pointer(page)
    to(-1, -1).click_and_hold().perform()
    for corner in ((1, -1), (1, 0.5), (-1, 0.5)):
        to(*corner).perform()
    to(-1, -1).release().perform()
    chosen = np.array(wait(page, "return aaeExplorer.selection && Array.from(aaeExplorer.selection)"))
    codes = np.array(page.execute_script("return Array.from(aaeExplorer.codes)")).reshape(-1, 2)
    distance = np.abs(codes - np.array([0, -0.25])) - np.array([1, 0.75])
    sure = (np.abs(distance) > 0.02).all(1)  # a pixel is about a hundredth
    assert 0 < chosen.sum() < len(chosen)
    np.testing.assert_array_equal(chosen[sure] == 1, (distance < 0).all(1)[sure])
    card = page.find_element("id", "selection-card").text
    assert card.startswith(f"{chosen.sum():,} points selected")
    csv = page.execute_async_script(
        "const done = arguments[0]; window.download = (name, text) => done(text);"
        "document.querySelector('#selection button').click()"
    )
    lines = csv.strip().split("\n")
    assert lines[0] == "row,split,class,code_1,code_2"
    assert len(lines) == 1 + chosen.sum()


def test_a_click_opens_the_point_there(page: Any, digits: Dataset) -> None:
    from selenium.webdriver import ActionChains, Keys

    to = pointer(page)
    x, y, row = page.execute_script("const e = aaeExplorer; return [e.x[7], e.y[7], e.row[7]]")
    to(x, y).click().perform()
    opened = wait(page, "return aaeExplorer.item >= 0 && [aaeExplorer.item]")[0]
    row = page.execute_script("return aaeExplorer.row[arguments[0]]", opened)
    wait(page, "return document.querySelectorAll('#item canvas').length >= 10")
    card = page.find_element("id", "item-card").text
    assert card.startswith(f"Row {row}")
    assert digits.spec.classes is not None
    assert digits.y is not None
    assert f"Class\n{digits.spec.classes[digits.y[row]]}" in card
    slider = page.find_element("id", "slider-0")
    slider.send_keys(Keys.ARROW_RIGHT * 10)
    wait(page, "return document.querySelector('#edited canvas') !== null")  # the counterfactual
    ActionChains(page).send_keys(Keys.TAB).perform()
    python = page.execute_script("return document.getElementById('python').textContent")
    assert "run.decode([[" in python
    assert f"data.x[[{row}]]" in python


def test_a_path_becomes_a_film_strip_by_pointer_and_by_keys(page: Any) -> None:
    from selenium.webdriver import ActionChains, Keys

    page.find_element("css selector", "[data-tool=path]").click()
    to = pointer(page)
    to(-1, 0).click_and_hold().perform()
    to(0, 0.5).perform()
    to(1, 0).release().perform()
    wait(page, "return document.querySelectorAll('#strip canvas').length === 24")
    ends = page.execute_script("const c = aaeExplorer.strip.codes; return [...c.slice(0, 2), ...c.slice(-2)]")
    np.testing.assert_allclose(ends, [-1, 0, 1, 0], atol=0.05)
    page.find_element("id", "strip-clear").click()
    plane = page.find_element("id", "over")
    plane.send_keys("2", Keys.ENTER, Keys.ARROW_LEFT * 5, Keys.ENTER)
    wait(
        page,
        "return document.querySelectorAll('#strip canvas').length === 24"
        " && !document.getElementById('strip-box').hidden",
    )
    ActionChains(page).send_keys(Keys.ESCAPE).perform()


def test_a_drawn_row_gets_the_code_that_python_gives_it(page: Any, trained: aae.Run) -> None:
    from selenium.webdriver import ActionChains

    page.find_element("id", "input-title").click()
    page.execute_script(
        "window.asked = null; const e = aaeExplorer.source; e.kept = e.encode;"
        "e.encode = (row) => { asked = Array.from(row); return e.kept(row); }"
    )
    pad = page.find_element("id", "pad")
    ActionChains(page, duration=20).move_to_element_with_offset(pad, 0, -60).click_and_hold().move_by_offset(
        0, 120
    ).release().perform()
    wait(page, "return document.getElementById('input-said').textContent.startsWith('Its code')")
    wait(page, "return !aaeExplorer.decoding.busy")
    row = np.array(page.execute_script("return asked")).reshape(1, 8, 8)
    assert row.max() > 4
    np.testing.assert_allclose(page.execute_script(CODE), trained.encode(row)[0], atol=2e-3)


def test_the_legend_hides_and_the_manifold_shows(page: Any) -> None:
    before = page.execute_script("return aaeExplorer.shown.reduce((a, b) => a + b, 0)")
    page.find_element("css selector", "#legend [data-kind='class']").click()
    after = page.execute_script("return aaeExplorer.shown.reduce((a, b) => a + b, 0)")
    assert 0 < after < before
    for name in ("show-manifold", "show-cells", "show-prior"):
        page.find_element("id", name).click()
    wait(page, "return aaeExplorer.tiles.length > 50")
    outside = page.execute_script(
        "return aaeExplorer.tiles.map((t) => [t.x + t.step / 2, t.y - t.step / 2, t.outside])"
    )
    assert all((max(abs(x), abs(y)) > 2) == faded for x, y, faded in outside), "the prior is uniform on (-2, 2)^2"
    assert len({faded for *_, faded in outside}) == 2
    assert "cells" in page.find_element("id", "cells").text
    for tab in ("training", "figures", "settings", "explore"):
        page.find_element("id", f"tab-{tab}").click()
        assert page.find_element("id", tab).is_displayed()
    assert page.execute_script("return document.querySelectorAll('#curves path').length") > 0


def test_a_curve_within_another_cuts_a_hole(browser: Any) -> None:
    browser.get("data:text/html,<title>plane</title>")
    plane = (Path(aae.__file__).parent / "explorer/front/plane.js").read_text()
    square = "(r) => [[-r, -r], [r, -r], [r, r], [-r, r], [-r, -r]]"
    ring = f"[({square})(2), ({square})(1), ({square})(0.2)]"
    found = browser.execute_script(f"{plane}; return [0, 0.5, 1.5, 3].map((x) => insideAll(x, 0.1, {ring}))")
    assert found == [True, False, True, False]


@pytest.mark.parametrize("name", BODIES)
def test_networks_run_in_the_page_as_they_do_in_python(name: str, browser: Any) -> None:
    """Dense and convolutional ones; the page runs what `run`, which has been held against PyTorch, runs."""
    torch.manual_seed(0)
    body, wide = BODIES[name]()
    takes = {"noise-fed": 7, "halving-noise-fed": 66}.get(name, wide)
    written = write("net", body, padded(body, wide, takes), wide, sigmoid=False)
    rows = torch.randn(2, wide)
    arrays = {key: value.ravel().tolist() for key, value in written.arrays.items()}
    script = (
        "const [layers, given, rows] = arguments, arrays = {};"
        "for (const k in given) arrays[k] = Float32Array.from(given[k]);"
        "const network = new Network(layers, arrays); return rows.map((row) => Array.from(network.run(row)))"
    )
    if not browser.execute_script("return typeof Network === 'function'"):
        browser.get("data:text/html,<title>networks</title>")
        browser.execute_script(
            (Path(aae.__file__).parent / "explorer/front/networks.js").read_text() + ";window.Network = Network"
        )
    found = browser.execute_script(script, written.layers, arrays, rows.tolist())
    np.testing.assert_allclose(found, run(written, rows), atol=1e-4)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> tuple[aae.Run, Dataset, Path]:
    """A run on numbers, whole numbers, truth values, days, categories and gaps, and its page as a file."""
    folder, rng = tmp_path_factory.mktemp("table"), np.random.default_rng(0)
    lines = ["size,count,on,day,colour"]
    for i in range(200):
        size, colour = "" if i % 20 == 0 else f"{rng.normal(50, 9):.3f}", ("red", "green", '"a, ""b"""', "")[i % 4]
        lines.append(
            f"{size},{rng.integers(0, 40)},{('false', 'true')[i % 3 == 0]},2024-0{1 + i % 9}-{10 + i % 13},{colour}"
        )
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    made = aae.train(tiny(data__source=str(folder / "table.csv"), batch_size=64), folder / "run")
    export(made, folder / "page.html", data_of(made))
    return made, data_of(made), folder / "page.html"


def choose(browser: Any, name: str, value: str) -> None:
    script = (
        "const s = document.getElementById(arguments[0]); s.value = arguments[1]; s.dispatchEvent(new Event('change'))"
    )
    browser.execute_script(script, name, value)


def test_a_table_of_many_kinds_is_decoded_and_encoded_as_in_python(
    browser: Any, table: tuple[aae.Run, Dataset, Path]
) -> None:
    """In the file; the server asks Python itself."""
    (made, data, path), rng = table, np.random.default_rng(1)
    browser.get(path.as_uri())
    wait(browser, READY)
    codes = rng.uniform(-2, 2, (40, 2))
    ask = "const [call, rows, done] = arguments, s = aaeExplorer.source;"
    many = "s.decode(Float32Array.from(rows.flat()), null).then((x) => done(Array.from(x)))"
    found = np.array(browser.execute_async_script(ask + many, "", codes.tolist())).reshape(40, -1)
    scene = Scene(made, data)
    np.testing.assert_allclose(found, scene.decode(codes), rtol=1e-3, atol=0.05)
    rows = scene.originals(np.arange(30))
    assert np.isnan(rows).any()
    given = [[None if np.isnan(x) else float(x) for x in row] for row in rows]
    one = "Promise.all(rows.map((r) => s.encode(r.map((x) => x ?? NaN)))).then((z) => done(z.map((c) => [...c.code])))"
    found = browser.execute_async_script(ask + one, "", given)
    np.testing.assert_allclose(found, scene.encode(rows)["codes"], atol=5e-3)
    scene.refresh()
    assert np.isfinite(scene.column(0)).all()
    page = browser.find_element("id", "decoded").text
    assert any(colour in page for colour in ("red", "green", 'a, "b"'))


def test_a_table_is_shown_and_saved_in_its_own_words(browser: Any, table: tuple[aae.Run, Dataset, Path]) -> None:
    """Gaps, categories, truth values and days: as colours, as filters, in cards, in CSV, and filled in by hand."""
    from selenium.webdriver import Keys

    _, data, path = table
    browser.get(path.as_uri())
    wait(browser, READY)
    names = browser.execute_script("return aaeExplorer.meta.columns.map((c) => c.name)")
    legend = browser.find_element("id", "legend")
    choose(browser, "colour", str(names.index("size")))  # ten rows have none
    wait(browser, "return document.getElementById('legend').textContent.includes('grey: missing')")
    choose(browser, "colour", str(names.index("day")))
    wait(browser, "return document.getElementById('legend').textContent.includes('2024-0')")
    choose(browser, "colour", str(names.index("colour")))
    wait(browser, "return document.querySelectorAll('#legend [data-kind=column]').length === 4")
    assert "missing (50)" in legend.text
    browser.find_element("css selector", "#legend [data-kind=column]").click()
    assert browser.execute_script("return aaeExplorer.shown.reduce((a, b) => a + b, 0)") == 150
    browser.find_element("id", "show-all").click()
    browser.execute_script("aaeExplorer.select(new Uint8Array(aaeExplorer.n).fill(1)); aaeExplorer.open(3)")
    wait(browser, "return document.querySelector('#mean td') && document.querySelector('#item td')")
    for name in ("item", "mean", "decoded"):
        text = browser.find_element("id", name).text
        assert re.search(r"day 2024-\d\d-\d\d", text), text
        assert re.search(r"on (true|false)", text), text
    csv = browser.execute_async_script(
        "const done = arguments[0]; window.download = (name, text) => done(text);"
        "document.querySelector('#selection button').click()"
    )
    given = (path.parent / "table.csv").read_text().split("\n")[1:-1]
    for line in csv.split("\n")[1:-1]:
        row, _, _, _, _, values = line.split(",", 5)
        wanted = given[int(row)].split(",", 4)
        size, rest = values.split(",", 1)
        assert (float(size or "nan") == float(wanted[0] or "nan")) or (size == wanted[0] == "")
        assert rest == ",".join(wanted[1:])
    browser.execute_script("aaeExplorer.tell('path', [[-1, 0], [1, 0]])")
    wait(browser, "return document.querySelectorAll('#strip thead button').length === 24")
    browser.find_element("id", "input-title").click()
    browser.find_element("id", "fill-item").click()
    wait(browser, "return document.getElementById('input-said').textContent.startsWith('Its code')")
    row = data.x[browser.execute_script("return aaeExplorer.row[3]")]
    assert browser.find_element("id", "field-3").get_attribute("value") == str(np.datetime64(int(row[3]), "s"))[:10]
    browser.execute_script(
        "window.given = null; aaeExplorer.source.encode = async (row) => { given = [...row]; throw Error('stop'); }"
    )
    browser.find_element("id", "field-4").send_keys("(missing)")  # as in some rows
    wait(browser, "return given !== null && Number.isNaN(given[4])")
    browser.find_element("id", "field-1").send_keys(Keys.BACKSPACE * 3)  # which no row lacks
    wait(browser, "return document.getElementById('input-said').textContent.startsWith('count needs a value')")


def test_what_is_copied_as_python_runs(browser: Any, table: tuple[aae.Run, Dataset, Path]) -> None:
    made, data, path = table
    browser.get(path.as_uri())
    wait(browser, READY)
    browser.execute_script("aaeExplorer.open(3); aaeExplorer.tell('path', [[-1, 0], [1, 0]])")
    browser.execute_script("aaeExplorer.select(aaeExplorer.split.map((s, i) => i < 5))")
    wait(browser, "return document.getElementById('python').textContent.includes('frames =')")
    found: dict[str, Any] = {}
    exec(browser.execute_script("return document.getElementById('python').textContent"), found)
    row = browser.execute_script("return aaeExplorer.row[3]")
    assert to_pandas(found["opened"]).equals(to_pandas(made.table(data.x[[row]].numpy())))
    assert [len(found[name]) for name in ("decoded", "again", "frames", "selected")] == [1, 1, 24, 5]


def test_the_legend_keeps_the_focus_and_shows_one_class_alone(page: Any) -> None:
    from selenium.webdriver import ActionChains, Keys

    button = page.find_element("css selector", "#legend [data-kind='class'][data-key='3']")
    button.send_keys(Keys.ENTER)
    assert page.execute_script("return document.activeElement.dataset.key") == "3"
    assert page.execute_script("return [...aaeExplorer.hidden.class]") == [3]
    ActionChains(page).key_down(Keys.SHIFT).send_keys(Keys.ENTER).key_up(Keys.SHIFT).perform()
    assert sorted(page.execute_script("return [...aaeExplorer.hidden.class]")) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    page.find_element("id", "show-all").click()
    assert page.execute_script("return aaeExplorer.hidden.class.size") == 0


def test_a_picture_is_taken_wherever_it_is_dropped_and_gets_the_class_that_is_found(
    browser: Any, digits: Dataset, tmp_path: Path
) -> None:
    made = aae.train(tiny(model__kind="semi-supervised"), tmp_path / "run", data=digits)
    scene = Scene(made, digits)
    scene.refresh()
    export(made, tmp_path / "page.html", digits)
    drop = (
        "const c = document.createElement('canvas'); c.width = c.height = 8; const x = c.getContext('2d');"
        "const d = x.createImageData(8, 8); arguments[0].forEach((v, i) => {"
        "d.data.fill(v * 255 / 16, 4 * i, 4 * i + 3);"
        "d.data[4 * i + 3] = 255; }); x.putImageData(d, 0, 0); c.toBlob((b) => { const t = new DataTransfer();"
        "t.items.add(new File([b], 'a.png', { type: 'image/png' })); document.body.dispatchEvent("
        "new DragEvent('drop', { dataTransfer: t, bubbles: true, cancelable: true })); })"
    )
    with serving(scene) as asking:
        for address in (asking.server.address, (tmp_path / "page.html").as_uri()):
            browser.get(address)
            wait(browser, READY)
            browser.execute_script(
                "window.given = null; const e = aaeExplorer.source, kept = e.encode.bind(e);"
                "e.encode = (row) => { given = Array.from(row); return kept(row); }"
            )
            browser.execute_script(drop, digits.x[0].tolist())
            wait(browser, "return document.getElementById('input-said').textContent.includes('Its code')")
            row = np.array(browser.execute_script("return given")).reshape(1, 8, 8).astype(np.float32)
            found = int(made.predict(row)[0])
            assert browser.execute_script("return aaeExplorer.label") == found
            assert f"Found: {found}." in browser.find_element("id", "input-said").text
            np.testing.assert_allclose(browser.execute_script(CODE), made.encode(row)[0], atol=2e-2)
            choose(browser, "colour", "assigned")
            assert browser.find_elements("css selector", "#legend [data-kind=assigned]")


def test_on_a_phone_the_picture_is_seen_beside_the_finger(page: Any) -> None:
    try:
        small = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
        page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", small)
        box = "const r = document.querySelector('#inset canvas').getBoundingClientRect(); return [r.width, r.height]"
        assert min(page.execute_script(box)) > 60
        assert page.execute_script("return document.documentElement.scrollWidth") <= 390
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert page.execute_script("return getComputedStyle(document.getElementById('inset')).display") == "none"
