"""The explorer's server: it answers what the model answers, and nobody but the person who started it."""

from __future__ import annotations

import concurrent.futures
import functools
import inspect
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from explorer_kit import Asking, serving, unpack
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import aae
from aae import report
from aae.data import Dataset
from aae.errors import ConfigError, DataError
from aae.explorer.guard import HEADERS, Allowed, Guard
from aae.explorer.pack import pack
from aae.explorer.scene import FIGURES, Scene
from aae.explorer.server import Server


@pytest.fixture(scope="module")
def scene(trained: aae.Run, digits: Dataset) -> Scene:
    scene = Scene(trained, digits)
    scene.refresh()
    return scene


@pytest.fixture(scope="module")
def ask(scene: Scene) -> Iterator[Asking]:
    with serving(scene) as asking:
        yield asking


# What it answers


def test_packed_arrays_come_back_as_they_were() -> None:
    arrays = {
        "a": np.arange(5, dtype=np.uint8),
        "b": np.array([[1.5, -2.25]], np.float16),
        "empty": np.zeros((0, 3), np.float32),
        "c": np.array([-1, 7], ">i4"),
        "exact": np.array([1.6e9 + 1]),
    }
    found = unpack(pack(arrays))
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
    with pytest.raises(TypeError, match="complex128"):
        pack({"x": np.zeros(2, complex)})


def test_points_are_the_codes_of_every_row(ask: Asking, trained: aae.Run, digits: Dataset) -> None:
    points = ask("/api/points").arrays
    assert sorted(points["row"]) == list(range(len(digits.x)))
    assert list(np.bincount(points["split"])) == [
        len(s) for s in (digits.splits.train, digits.splits.validation, digits.splits.test)
    ]
    assert set(points["row"][points["split"] == 2]) == set(digits.splits.test.tolist())
    rows = digits.x.numpy()[points["row"]]
    np.testing.assert_array_equal(points["codes"], trained.encode(rows.reshape(-1, 8, 8)))
    np.testing.assert_array_equal(points["labels"], digits.y.numpy()[points["row"]])  # type: ignore[union-attr]
    some = [0, 5, 1796]
    np.testing.assert_array_equal(ask("/api/rows", {"points": some}).arrays["rows"], rows[some])


def test_decode_and_encode_answer_as_the_run_does(ask: Asking, trained: aae.Run, digits: Dataset) -> None:
    codes = [[0.5, -1.25], [1e6, -1e6]]
    found = ask("/api/decode", {"codes": codes}).arrays["rows"]
    np.testing.assert_allclose(found, trained.decode(codes).reshape(2, -1), atol=1e-4)
    rows = digits.x[:3].float().numpy()
    found = ask("/api/encode", {"rows": rows.tolist()}).arrays["codes"]
    np.testing.assert_array_equal(found, trained.encode(rows.reshape(3, 8, 8)))


def test_the_error_of_each_point_is_that_of_its_reconstruction(ask: Asking, trained: aae.Run, digits: Dataset) -> None:
    meta, points = ask("/api/meta").json, ask("/api/points").arrays
    assert [column["name"] for column in meta["columns"]] == ["reconstruction error"]  # pixels are no columns
    found = ask("/api/columns/0").arrays["values"]
    rows = digits.x.numpy()[points["row"]]
    again = trained.decode(points["codes"]).reshape(len(rows), -1)
    np.testing.assert_allclose(found, np.sqrt((((again - rows) / 16) ** 2).mean(1)), rtol=1e-4)
    assert ask("/api/columns/1").status == 404


def test_what_the_page_is_told_is_plain_and_complete(ask: Asking, trained: aae.Run) -> None:
    meta = ask("/api/meta").json
    assert (meta["latent"], meta["shape"], meta["features"], meta["limits"]) == (2, [8, 8], 64, [0, 16])
    assert meta["settings"]["model.latent"] == 2
    assert len(meta["history"]) == len(trained.history)
    assert not meta["live"]
    assert ask("/api/live").status == ask("/api/live/command", {"command": "pause"}).status == 404


def test_points_wait_until_they_are_encoded(trained: aae.Run, digits: Dataset) -> None:
    fresh = Scene(trained, digits, most=100)
    with serving(fresh) as asking:
        answer = asking("/api/points")
        assert (answer.status, answer.json) == (202, {"done": 0, "total": 100})
        assert asking("/api/columns/0").status == 202
        fresh.refresh()
        assert len(asking("/api/points").arrays["codes"]) == 100


def test_a_table_can_be_coloured_by_its_columns(vectors: np.ndarray, tmp_path: object) -> None:
    from conftest import tiny

    np.save(f"{tmp_path}/table.npy", vectors)
    run = aae.train(
        tiny(data__source=f"{tmp_path}/table.npy", epochs=1, batch_size=64, model__latent=3), f"{tmp_path}/run"
    )
    from aae.evaluation import data_of

    scene = Scene(run, data_of(run))
    scene.refresh()
    np.testing.assert_array_equal(scene.column(4), vectors[scene.rows, 3])
    axes = scene.meta()["axes"]
    turned = (scene.codes - axes["mean"]) @ np.array(axes["basis"])
    covariance = np.cov(turned, rowvar=False)
    np.testing.assert_allclose(covariance, np.diag(np.sort(np.diag(covariance))[::-1]), atol=1e-6 * covariance.max())


def test_rows_of_a_table_are_exact_and_may_have_gaps(tmp_path: Path) -> None:
    """Times to the second, whole numbers beyond 2^24, and null for what is missing."""
    from conftest import tiny

    lines = [f"{'' if i % 9 == 0 else f'{i / 3:.3f}'},{20_000_001 + i},2024-05-06T07:08:{i % 60:02}" for i in range(90)]
    (tmp_path / "table.csv").write_text("\n".join(["size,number,at", *lines]) + "\n")
    run = aae.train(tiny(data__source=str(tmp_path / "table.csv"), epochs=1, batch_size=32), tmp_path / "run")
    from aae.evaluation import data_of

    data = data_of(run)
    scene = Scene(run, data)
    scene.refresh()
    with serving(scene) as asking:
        rows = asking("/api/rows", {"points": list(range(90))}).arrays["rows"]
        np.testing.assert_array_equal(rows, data.x.numpy()[scene.rows])
        gap = [None, *rows[0, 1:].tolist()]
        wanted = run.encode(np.array([[np.nan, *rows[0, 1:]]]))
        np.testing.assert_array_equal(asking("/api/encode", {"rows": [gap]}).arrays["codes"], wanted)
        assert asking("/api/meta").json["kinds"] == ["number", "integer", "time"]


def test_a_model_that_finds_classes_says_which(digits: Dataset, tmp_path: Path) -> None:
    from conftest import tiny

    run = aae.train(tiny(model__kind="semi-supervised", epochs=1), tmp_path / "run", data=digits)
    with serving(Scene(run, digits, most=50)) as asking:
        rows = digits.x[:8].float().numpy()
        found = asking("/api/encode", {"rows": rows.tolist()}).arrays["assigned"]
    np.testing.assert_array_equal(found, run.predict(rows.reshape(-1, 8, 8)))


def test_every_figure_that_a_report_draws_is_shown() -> None:
    drawn = re.findall(r'Section\("\w+", "([^"]+)", \w+, folder / "([^"]+)"\)', inspect.getsource(report))
    assert len(drawn) > 10
    assert {file: title for title, file in drawn}.items() <= FIGURES.items()


# Who is answered


@pytest.mark.parametrize("path", ["/", "/api/meta", "/api/points", "/report", "/nothing", "/api/openapi.json"])
@pytest.mark.parametrize("token", [None, "Bearer ", "Bearer wrong", "Basic x", "Bearer é"])
def test_without_the_token_nothing_is_answered(path: str, token: str | None, ask: Asking) -> None:
    answer = ask(path, authorization=token)
    assert answer.status == 403
    assert ask.server.token.encode() not in answer.body


def test_the_token_of_the_address_becomes_a_cookie(ask: Asking) -> None:
    token, name = ask.server.token, f"aae-{ask.server.port}"
    page = ask(f"/?token={token}", authorization=None)
    assert page.status == 200
    assert page.headers["set-cookie"] == f"{name}={token}; Path=/; HttpOnly; SameSite=Strict"
    assert token.encode() not in page.body
    assert ask("/api/meta", authorization=None, cookie=f"other=1; {name}={token}").status == 200
    assert ask("/api/meta", authorization=None, cookie=f"{name}={token}x").status == 403
    assert ask(f"/api/meta?token={token}", authorization=None).status == 403
    assert ask("/?token=", authorization=None).status == 403


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{}", 200),
        ("localhost:{}", 200),
        ("LOCALHOST:{}", 200),
        ("[::1]:{}", 200),
        ("evil.example:{}", 403),
        ("evil.example", 403),
        ("127.0.0.1", 403),
        ("127.0.0.1:1", 403),
        ("127.0.0.1.evil.example:{}", 403),
        ("evil.example:{}@127.0.0.1:{}", 403),
        ("192.168.1.4:{}", 403),
        ("[::1", 403),
        ("", 403),
        (None, 400),
    ],
)
def test_only_its_own_names_are_answered(host: str | None, status: int, ask: Asking) -> None:
    assert ask("/api/meta", host=host and host.replace("{}", str(ask.server.port))).status == status


@pytest.mark.parametrize(
    "origin", ["null", "http://evil.example", "https://127.0.0.1:{}", "http://127.0.0.1:1", "http://localhost:{}"]
)
def test_pages_of_another_origin_are_not_answered(origin: str, ask: Asking) -> None:
    origin = origin.replace("{}", str(ask.server.port))
    assert ask("/api/meta", origin=origin).status == 403
    assert ask("/api/decode", {"codes": [[0, 0]]}, origin=origin).status == 403


def test_its_own_origin_is_answered_and_another_site_is_not(ask: Asking) -> None:
    own = f"http://127.0.0.1:{ask.server.port}"
    assert ask("/api/decode", {"codes": [[0, 0]]}, origin=own, sec_fetch_site="same-origin").status == 200
    assert ask("/api/meta", sec_fetch_site="cross-site").status == 403
    assert ask("/", sec_fetch_site="cross-site").status == 200  # a link in a mail may lead here, with the token


def test_a_socket_is_not_opened(ask: Asking) -> None:
    upgrade = {"connection": "Upgrade", "upgrade": "websocket", "sec_websocket_version": "13"}
    assert ask("/api/live", sec_websocket_key="x" * 22 + "==", **upgrade).status == 404


def test_headers_that_decide_may_stand_there_once(ask: Asking) -> None:
    port = ask.server.port
    lines = f"GET /api/meta HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    assert b" 403 " in ask.raw(f"{lines}Authorization: Bearer wrong\r\n\r\n".encode()).splitlines()[0]
    twice = f"Authorization: Bearer {ask.server.token}\r\n" * 2
    assert b" 400 " in ask.raw(f"{lines}{twice}\r\n".encode()).splitlines()[0]
    assert b" 400 " in ask.raw(f"{lines}Host: evil.example\r\n\r\n".encode()).splitlines()[0]


@pytest.mark.parametrize("path", ["/", "/api/meta", "/api/nothing", "/favicon.ico", "/api/figures/99"])
def test_every_answer_carries_the_headers_that_keep_a_browser_careful(path: str, ask: Asking) -> None:
    for answer in (ask(path), ask(path, authorization=None), ask(path, host="evil.example")):
        assert HEADERS.items() <= answer.headers.items()
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "server" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc/passwd",
        "//etc/passwd",
        "/figures/latent.png",
        "/front/main.js",
        "/config.json",
        "/api/figures/../config.json",
        "/api/figures/%2e%2e%2fconfig.json",
        "/api/figures/-1",
        "/api/figures/0x0",
        "/api/figures/0%00.png",
        "/api/figures/latent.png",
        "/api/figures/" + "9" * 400,
        "/api/columns/1e3",
        "/report/../config.json",
        "/report%00",
        "/" + "a" * 5000,
    ],
)
def test_no_path_opens_a_file(path: str, ask: Asking) -> None:
    assert ask(path).status in (400, 404)


# What it is asked


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'{"codes": [[0, NaN]]}',
        b'{"codes": [[0, Infinity]]}',
        b'{"codes": [[0, 1e999]]}',
        b'{"codes": [[0, 1e308]]}',
        b'{"codes": [[0, 1e7]]}',
        b'{"codes": [[0, 1' + b"0" * 400 + b"]]}",
        b'{"codes": [[0, 1' + b"0" * 6000 + b"]]}",
        b'{"codes": [[0, 0, 0]]}',
        b'{"codes": [[0]]}',
        b'{"codes": [[]]}',
        b'{"codes": []}',
        b'{"codes": [[0, 0], [0]]}',
        b'{"codes": [0, 0]}',
        b'{"codes": [["0", "0"]]}',
        b'{"codes": [[true, false]]}',
        b'{"codes": [[null, 0]]}',
        b'{"codes": {"0": 1}}',
        b'{"codes": [[0, 0]], "more": 1}',
        b"[" * 100_000,
        b'{"codes": "\xff\xfe"}',
        json.dumps({"codes": [[0, 0]] * 1025}).encode(),
    ],
)
def test_codes_that_cannot_be_are_refused(body: bytes, ask: Asking) -> None:
    answer = ask("/api/decode", body)
    assert answer.status == 422
    assert answer.json["error"]


@pytest.mark.parametrize("points", [[], [-1], [1797], [0.5], ["0"], [True], [10**30], 3, [[0]], list(range(1025))])
def test_points_that_are_not_there_are_refused(points: object, ask: Asking) -> None:
    assert ask("/api/rows", {"points": points}).status == 422


def test_rows_that_do_not_fit_are_refused(ask: Asking) -> None:
    for rows in ([[0] * 63], [[1e31] * 64], [[None] * 64], [[0] * 64] * 17):
        assert ask("/api/encode", {"rows": rows}).status == 422


def test_methods_types_and_sizes_are_held_to(ask: Asking) -> None:
    assert ask("/api/decode").status == 405
    assert ask("/api/meta", {"a": 1}).status == 405
    assert ask("/api/decode", {"codes": [[0, 0]]}, content_type="text/plain").status == 415
    assert ask("/api/decode", {"codes": [[0, 0]]}, content_type=None).status == 415
    assert ask("/api/decode", b"{}", content_length=str(1 << 40)).status == 413
    assert ask("/api/decode", b" " * (5 << 20)).status == 413  # and whoever sends it all hears so
    assert b" 400 " in ask.raw(b"nonsense\r\n\r\n").splitlines()[0]


@pytest.mark.parametrize("path", ["/api/decode", "/api/encode", "/api/rows", "/api/live/command"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_body_makes_it_fail(path: str, data: st.DataObject, ask: Asking) -> None:
    """Any JSON, and near misses of the right one: never a 5xx."""
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=12,
    )
    keys = st.sampled_from(["codes", "rows", "points", "command", "phase", "learning_rate"])
    numbers = st.lists(st.lists(st.floats() | st.integers(), min_size=2, max_size=2), max_size=3)
    body = data.draw(values | st.dictionaries(keys, values | numbers, max_size=3))
    assert ask(path, json.dumps(body).encode()).status < 500


def test_many_at_once_are_all_answered(ask: Asking, trained: aae.Run) -> None:
    codes = np.random.default_rng(0).uniform(-2, 2, (64, 1, 2))
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda code: ask("/api/decode", {"codes": code.tolist()}), codes))
    assert {answer.status for answer in answers} == {200}
    found = np.concatenate([answer.arrays["rows"] for answer in answers])
    np.testing.assert_allclose(found, trained.decode(codes[:, 0]).reshape(64, -1), atol=1e-4)


def test_clients_that_never_finish_hold_up_nobody(ask: Asking) -> None:
    """Fifty that stop in the middle of their headers, ten that stop in the middle of a body."""
    head, body = ask.head(), ask.head("Content-Length: 1000") + '\r\n{"codes":'
    links = [socket.create_connection(("127.0.0.1", ask.server.port)) for _ in range(60)]
    try:
        for i, link in enumerate(links):
            link.sendall((head if i < 50 else body).encode())
        assert ask("/api/decode", {"codes": [[0, 0]]}).status == 200
    finally:
        for link in links:
            link.close()


def test_a_body_that_is_too_long_or_too_slow_is_given_up(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no length is given, too; with limits that a test can reach."""
    strict = functools.partial(Guard, body=1000, patience=0.2)
    monkeypatch.setattr("aae.explorer.server.Guard", strict)
    with serving(scene) as asking:
        chunk = b"400\r\n" + b" " * 1024 + b"\r\n"
        answer = asking.raw(f"{asking.head('Transfer-Encoding: chunked')}\r\n".encode() + chunk * 11)
        assert b" 413 " in answer.splitlines()[0]
        assert asking("/api/decode", b" " * 1001).status == 413
        with socket.create_connection(("127.0.0.1", asking.server.port), timeout=20) as link:
            link.sendall((asking.head("Content-Length: 9") + "\r\n").encode())
            assert b" 408 " in link.recv(4096).splitlines()[0]


# Where it listens


def test_beyond_this_machine_only_when_asked_to() -> None:
    with pytest.raises(ConfigError, match="--allow-remote"):
        Server("0.0.0.0")
    server = Server("0.0.0.0", remote=True)
    server.socket.close()
    allowed = server._allowed()
    assert allowed.host(f"192.168.1.4:{server.port}")
    assert allowed.host(f"[fe80::1]:{server.port}")
    assert not allowed.host(f"evil.example:{server.port}")


def test_the_default_port_of_http_may_be_left_out() -> None:
    assert Allowed(80).host("localhost")
    assert Allowed(80).host("[::1]")
    assert not Allowed(8080).host("localhost")


def test_a_port_that_is_taken_is_named() -> None:
    first = Server()
    try:
        with pytest.raises(OSError, match=f"--port {first.port}"):
            Server(port=first.port)
    finally:
        first.socket.close()


def test_tokens_differ() -> None:
    servers = [Server() for _ in range(3)]
    for server in servers:
        server.socket.close()
    assert len({server.token for server in servers}) == 3
    assert min(len(server.token) for server in servers) >= 32
    assert servers[0].token not in repr(servers[0])


def test_a_decoder_without_a_finite_answer_says_so(scene: Scene) -> None:
    with pytest.raises(DataError, match="finite"):
        scene.decode(np.array([[np.nan, 0.0]]))
    with pytest.raises(DataError, match="shape"):
        scene.decode(np.zeros((1, 3)))


def test_the_model_takes_one_at_a_time(scene: Scene) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with scene.lock:
            waiting = pool.submit(scene.decode, np.zeros((1, 2)))
            with pytest.raises(TimeoutError):
                waiting.result(0.1)
        assert waiting.result(20).shape == (1, 64)


def test_answers_are_sent_without_waiting_for_more() -> None:
    """Only on a socket that says it is TCP does asyncio turn off the wait, of 40 ms, for more to send."""
    server = Server()
    with server.socket:
        assert server.socket.proto == socket.IPPROTO_TCP
