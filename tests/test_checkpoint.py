"""The run directory: exact round trips, a crash at every point, damage of every kind, and who may write when."""

import errno
import itertools
import math
import os
import resource
import shutil
import signal

import numpy as np
import pytest
import torch
from checkpoint_kit import (
    CONFIG,
    DATA,
    SPLITS,
    Crash,
    Shim,
    assert_step,
    content,
    crash,
    files_of,
    in_child,
    names,
    save,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from aae import storage
from aae.checkpoint import COPIES, CheckpointWarning, RunDirectory, write_atomic, write_json
from aae.errors import RunError, StorageError
from aae.serialize import (
    history_bytes,
    read_history,
    read_state,
    read_tensors,
    state_bytes,
    tensors_bytes,
)


@pytest.fixture
def run(tmp_path):
    return RunDirectory.create(tmp_path / "run", CONFIG, DATA, SPLITS)


@pytest.fixture(autouse=True)
def fast_sync(monkeypatch):
    """What fsync is for is imitated by the shim (a loss of power); no test need wait for the disk."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


# --- what goes in comes out -------------------------------------------------------------------------------------


def test_a_run_reads_back_equal_after_create_and_after_open(run):
    for found in (run, RunDirectory.open(run.path)):
        assert found.config == CONFIG
        assert found.data == DATA
        assert found.splits.keys() == SPLITS.keys()
        for name, array in SPLITS.items():
            np.testing.assert_array_equal(found.splits[name], array, strict=True)
        assert found.steps() == []


def test_the_newest_checkpoint_is_loaded_two_are_kept_and_copies_are_those_of_the_newest(run):
    folder = save(run, 1, 9, 10).path / "checkpoints"
    assert names(run) == ["step-000000009", "step-000000010"]
    os.utime(folder / "step-000000009", (2**31, 2**31))  # newest by date is not newest by step
    assert_step(RunDirectory.open(run.path).load(), 10)
    for name in COPIES:
        assert (run.path / name).read_bytes() == (folder / "step-000000010" / name).read_bytes()


def test_a_step_saved_again_replaces_the_older_state_of_that_step(run):
    save(run, 3)
    tensors, _, history = content(3)
    for note in ("second", "third"):
        run.save(3, tensors, {"note": note}, history)
        assert run.load().state == {"note": note}
    assert names(run) == ["step-000000003.1", "step-000000003.2"]
    assert run.steps() == [3]


def test_an_older_step_cannot_be_saved_over_a_good_newer_one_but_over_a_damaged_one(run):
    save(run, 2, 5)
    with pytest.raises(RunError, match="step 4 is older"):
        save(run, 4)
    (run.path / "checkpoints/step-000000005/state.json").write_text("{}")
    save(run, 4)
    assert_step(run.load(), 4)
    assert names(run) == ["step-000000002", "step-000000004"]


def test_saving_twice_gives_the_same_bytes_and_leaves_nothing_else(run, tmp_path):
    other = save(RunDirectory.create(tmp_path / "other", CONFIG, DATA, SPLITS), 1, 2)
    save(run, 1, 2)
    assert {p.relative_to(run.path): p.read_bytes() for p in files_of(run.path)} == {
        p.relative_to(other.path): p.read_bytes() for p in files_of(other.path)
    }
    assert len(files_of(run.path)) == 4 + 2 * 6 + 2


def test_tensors_that_share_memory_are_views_or_need_gradients_are_saved_by_value(run):
    base = torch.arange(6.0, requires_grad=True).reshape(2, 3)
    tensors = {"weights": {"a": base, "tied": base, "turned": base.T}, "training": {}, "frames": {}}
    run.save(0, tensors, {}, [])
    found = run.load().tensors["weights"]
    assert torch.equal(found["a"], base)
    assert torch.equal(found["tied"], base)
    assert torch.equal(found["turned"], base.T)


DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.uint8, torch.bool]


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text("abc./0", min_size=1),
        st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 3), max_size=3), st.integers(0, 2**32)),
    )
)
def test_tensors_of_any_type_and_shape_round_trip_to_the_bit(described):
    tensors = {}
    for name, (dtype, shape, seed) in described.items():
        raw = torch.randint(0, 256, (*shape, dtype.itemsize), generator=torch.Generator().manual_seed(seed))
        raw = raw % 2 if dtype is torch.bool else raw
        tensors[name] = raw.to(torch.uint8).view(dtype).reshape(shape)
    found = read_tensors(tensors_bytes(tensors))
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].shape == tensor.shape
        assert found[name].untyped_storage().tolist() == tensor.untyped_storage().tolist()


KEYS = st.text(min_size=1).filter(str.isprintable)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(KEYS, st.integers() | st.floats(), max_size=4), max_size=5))
def test_history_round_trips_with_its_types(history):
    found = read_history(history_bytes(history))
    assert [row.keys() for row in found] == [row.keys() for row in history]
    for row, expected in zip(found, history, strict=True):
        for key, value in expected.items():
            assert type(row[key]) is type(value)
            assert row[key] == value or (math.isnan(row[key]) and math.isnan(value))


def test_history_has_a_column_for_every_key_in_first_seen_order():
    assert history_bytes([{"epoch": 1, "loss": 0.1}, {"epoch": 2, "ks": 1e-9}]) == (
        b"epoch,loss,ks\n1,0.1,\n2,,1e-09\n"
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_state_round_trips(state):
    found = read_state(state_bytes(state))
    assert found == state
    assert repr(found) == repr(state)  # 1 is not 1.0, and not True


@pytest.mark.parametrize(
    ("state", "error", "where"),
    [
        ({"a": {"b": [0, (1, 2)]}}, TypeError, r"state\.a\.b\[1\] is \(1, 2\) \(tuple\)"),
        ({"a": np.float64(1)}, TypeError, r"state\.a is .*float64"),
        ({"a": torch.ones(1)}, TypeError, "Tensor"),
        ({1: 2}, TypeError, "key 1"),
        ({"a": float("nan")}, ValueError, r"state\.a is nan"),
    ],
)
def test_a_state_that_json_would_change_is_refused(run, state, error, where):
    with pytest.raises(error, match=where):
        run.save(1, content(1)[0], state, [])
    assert run.steps() == []


@pytest.mark.parametrize("row", [{"a": "1"}, {"a": True}, {"a": None}, {"": 1}, {"a\nb": 1}, {3: 1}])
def test_a_history_that_csv_would_change_is_refused(row):
    with pytest.raises(TypeError, match="history"):
        history_bytes([row])


def test_arrays_of_objects_are_refused(tmp_path):
    with pytest.raises(TypeError, match="names"):
        RunDirectory.create(tmp_path / "run", CONFIG, DATA, {"names": np.array([{}], dtype=object)})


# --- crashes ----------------------------------------------------------------------------------------------------


def both_kept(path):
    return names(RunDirectory.open(path))


MANNERS = pytest.mark.parametrize("manner", ["raise", "die", "power", "reorder"])


@pytest.mark.parametrize(
    ("already", "manner"), [(0, "die"), (0, "reorder"), (3, "raise"), (3, "die"), (3, "power"), (3, "reorder")]
)
def test_a_crash_at_every_call_of_save_leaves_the_previous_or_the_new_state(run, tmp_path, already, manner):
    save(run, *range(1, already + 1))
    seen, path = [], tmp_path / "copy"
    for k in itertools.count(1):
        shutil.copytree(run.path, path)
        crashed = crash(k, manner, lambda: save(RunDirectory.open(path), already + 1))
        fresh = RunDirectory.open(path)
        seen.append(max(fresh.steps(), default=0))
        assert seen[-1] in (already, already + 1)
        if seen[-1]:
            assert_step(fresh.load(), seen[-1])  # no warning: whatever bears a checkpoint's name is whole
            for name in COPIES:
                assert (path / name).read_bytes() == (path / f"checkpoints/step-{seen[-1]:09d}" / name).read_bytes()
        for folder in (path / "checkpoints").glob("step-*"):
            assert len(list(folder.iterdir())) == 6, (k, list(folder.iterdir()))
        save(fresh, seen[-1] + 1)  # life goes on, and the rubbish is gone
        assert_step(fresh.load(), seen[-1] + 1)
        assert len(names(fresh)) == min(2, seen[-1] + 1)
        assert not list(path.rglob(f"{storage.TEMPORARY}*"))
        shutil.rmtree(path)
        if not crashed:
            break
    assert set(seen) == {already, already + 1}
    # One moment from which the new state counts. (An error, unlike a crash, may hit a mere removal and do no harm.)
    assert manner == "raise" or seen == sorted(seen)
    assert len(seen) > 30


@MANNERS
def test_a_crash_at_every_call_of_create_leaves_a_whole_run_or_a_folder_to_create_in(tmp_path, manner):
    wholes = []
    for k in itertools.count(1):
        path = tmp_path / f"{k}" / "run"
        crashed = crash(k, manner, lambda path=path: RunDirectory.create(path, CONFIG, DATA, SPLITS))
        wholes.append((path / storage.MANIFEST).exists())
        if not wholes[-1]:
            with pytest.raises(RunError):
                RunDirectory.open(path)
            RunDirectory.create(path, CONFIG, DATA, SPLITS)
        save(RunDirectory.open(path), 1)
        assert RunDirectory.open(path).config == CONFIG
        assert not list(path.rglob(f"{storage.TEMPORARY}*"))
        if not crashed:
            break
    assert set(wholes) == {True, False}
    assert len(wholes) > 20


@MANNERS
def test_a_crash_at_every_call_of_write_atomic_leaves_the_old_file_or_the_new_one(tmp_path, manner):
    path, seen = tmp_path / "metrics.json", []
    for k in itertools.count(1):
        write_atomic(path, b"old")
        crashed = crash(k, manner, lambda: write_atomic(path, b"new"))
        seen.append(path.read_bytes())
        if not crashed:
            break
    assert set(seen) == {b"old", b"new"}
    assert len(seen) > 4


def test_what_was_reported_as_written_survives_a_loss_of_power(run, tmp_path):
    save(run, 1)
    write_atomic(tmp_path / "file", b"old")
    path = tmp_path / "a" / "b" / "run"
    assert in_child(lambda: write_atomic(tmp_path / "file", b"new"), Shim(None, "power")) == Crash.CODE
    assert in_child(lambda: save(run, 2), Shim(None, "power")) == Crash.CODE
    assert in_child(lambda: RunDirectory.create(path, CONFIG, DATA, SPLITS), Shim(None, "power")) == Crash.CODE
    assert (tmp_path / "file").read_bytes() == b"new"
    assert_step(run.load(), 2)
    assert RunDirectory.open(path).config == CONFIG


def test_a_save_that_is_interrupted_by_the_keyboard_leaves_no_temporary_folder(run, monkeypatch):
    save(run, 1)

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", interrupt)
        with pytest.raises(KeyboardInterrupt):
            save(run, 2)
    assert names(run) == ["step-000000001"]
    assert_step(run.load(), 1)


def test_a_full_disk_is_one_clear_line_and_costs_nothing_that_was_saved(run):
    save(run, 1)
    big = {"weights": {"w": torch.zeros(100_000)}, "training": {}, "frames": {}}

    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
        with pytest.raises(
            StorageError, match=r"cannot write .*step-000000002.*\(4\d\d,\d\d\d bytes needed, [\d,]+ free"
        ):
            run.save(2, big, {}, [])

    assert in_child(limited) == 0
    assert names(run) == ["step-000000001"]
    assert_step(run.load(), 1)


def refuse_writes(monkeypatch, code):
    """As a read-only medium does, which modes cannot imitate for an administrator."""
    original = os.open

    def opened(path, flags, *rest, **more):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(code, os.strerror(code), str(path))
        return original(path, flags, *rest, **more)

    def refuse(path, *_, **__):
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "mkdir", refuse)


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_what_cannot_be_written_says_so_and_can_still_be_loaded(run, tmp_path, monkeypatch, code):
    save(run, 1)
    refuse_writes(monkeypatch, code)
    assert_step(RunDirectory.open(run.path).load(), 1)
    for attempt in (
        lambda: save(run, 2),
        lambda: RunDirectory.create(tmp_path / "new", CONFIG, DATA, SPLITS),
        lambda: write_json(tmp_path / "metrics.json", {"a": 1}),
    ):
        with pytest.raises(StorageError, match=os.strerror(code)):
            attempt()
    (run.path / "history.csv").unlink()
    with pytest.warns(CheckpointWarning, match=r"the run is loaded, but cannot write"):
        assert_step(run.load(), 1)
