"""Whatever happens to a run's files is noticed, named, and costs no more than it must; and one process writes."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import warnings

import pytest
from checkpoint_kit import CONFIG, DATA, SPLITS, assert_step, content, files_of, save

from aae import storage
from aae.checkpoint import COPIES, CheckpointWarning, RunDirectory
from aae.errors import RunError


@pytest.fixture(autouse=True)
def fast_sync(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def run(tmp_path):
    return save(RunDirectory.create(tmp_path / "run", CONFIG, DATA, SPLITS), 1)


def reopen(run):
    return RunDirectory.open(run.path).load()


def positions(size):
    """Every byte of a small file, a sample of a larger one (its two ends included)."""
    return range(size) if size <= 400 else sorted({0, size - 1, *random.Random(size).sample(range(size), 300)})


# --- bytes ------------------------------------------------------------------------------------------------------


def test_every_flipped_byte_of_every_file_is_noticed_and_the_file_named(run):
    tried = 0
    for path in files_of(run.path):
        good = path.read_bytes()
        for at in positions(len(good)):
            bad = bytearray(good)
            bad[at] ^= 1 << (at % 8)
            path.write_bytes(bad)
            with pytest.raises(RunError) as error:
                reopen(run)
            named = path if path.name != storage.MANIFEST else path.parent
            assert str(named) in str(error.value), (path, at)
            tried += 1
        path.write_bytes(good)
    assert_step(reopen(run), 1)
    assert tried > 1500


def test_every_truncation_and_a_byte_too_many_are_noticed(run):
    for path in files_of(run.path):
        good = path.read_bytes()
        for bad in (*(good[:size] for size in positions(len(good))), good + b"\n", good + b"\0"):
            path.write_bytes(bad)
            with pytest.raises(RunError, match=str(path)):
                reopen(run)
        path.write_bytes(good)
    assert_step(reopen(run), 1)


def test_a_blank_in_a_manifest_changed_to_another_blank_is_noticed(run):
    for path in run.path.rglob(storage.MANIFEST):
        good = path.read_bytes()
        path.write_bytes(good.replace(b" ", b"\t", 1))
        with pytest.raises(RunError, match="not as it was written"):
            reopen(run)
        path.write_bytes(good)


# --- files ------------------------------------------------------------------------------------------------------


def test_every_missing_file_is_noticed_or_restored(run):
    for path in files_of(run.path):
        good = path.read_bytes()
        path.unlink()
        if path.parent == run.path and path.name in COPIES:
            assert_step(reopen(run), 1)
            assert path.read_bytes() == good
        else:
            with pytest.raises(RunError, match=str(path.name)):
                reopen(run)
            path.write_bytes(good)
    assert_step(reopen(run), 1)


@pytest.mark.parametrize("stand_in", ["link", "folder", "pipe"])
def test_a_link_a_folder_or_a_pipe_in_place_of_a_file_is_refused(run, tmp_path, stand_in):
    for path in files_of(run.path):
        kept = tmp_path / "kept"
        path.rename(kept)
        if stand_in == "link":
            path.symlink_to(kept)  # even to the very same bytes: it may point anywhere tomorrow
        elif stand_in == "folder":
            path.mkdir()
        else:
            os.mkfifo(path)
        words = "is a symbolic link" if stand_in == "link" else "is not a plain file"
        with pytest.raises(RunError, match=f"{path} {words}"):
            reopen(run)
        shutil.rmtree(path) if stand_in == "folder" else path.unlink()
        kept.rename(path)
    assert_step(reopen(run), 1)


def test_a_linked_checkpoint_is_not_followed(run, tmp_path):
    folder = run.path / "checkpoints/step-000000001"
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="step-000000001 is not a folder"):
        reopen(run)


def test_files_swapped_between_checkpoints_and_whole_checkpoints_swapped_are_noticed(run):
    save(run, 2)
    one, two = sorted((run.path / "checkpoints").iterdir())
    for name in sorted(p.name for p in one.iterdir()):
        if (one / name).read_bytes() == (two / name).read_bytes():
            continue
        swap(one / name, two / name)
        with pytest.raises(RunError, match="no good checkpoint"):
            reopen(run)
        swap(one / name, two / name)
    swap(one, two)
    with pytest.raises(RunError, match="step 1, expected 2"):
        reopen(run)


def swap(a, b):
    aside = a.with_name("aside")
    a.rename(aside)
    b.rename(a)
    aside.rename(b)


def test_settings_or_checkpoints_of_another_run_are_refused(run, tmp_path):
    other = save(RunDirectory.create(tmp_path / "other", {**CONFIG, "epochs": 9}, DATA, SPLITS), 1, 2)
    shutil.copytree(other.path / "checkpoints/step-000000002", run.path / "checkpoints/step-000000002")
    with pytest.warns(CheckpointWarning, match="belongs elsewhere"):
        assert_step(reopen(run), 1)
    shutil.copy(other.path / "config.json", run.path / "config.json")
    with pytest.raises(RunError, match=r"config\.json is damaged"):
        reopen(run)


# --- the way back -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["weights.safetensors", "state.json", "history.csv", storage.MANIFEST])
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_a_damaged_newest_checkpoint_is_passed_over_aloud(run, name, harm):
    save(run, 2)
    path = run.path / "checkpoints/step-000000002" / name
    good = path.read_bytes()
    path.unlink() if harm == "remove" else path.write_bytes(
        good[:-9] if harm == "cut" else good[:-9] + b"~" + good[-8:]
    )
    with pytest.warns(CheckpointWarning, match=rf"step-000000002/{name} is .*; using .*step-000000001 instead"):
        assert_step(reopen(run), 1)
    assert (run.path / "weights.safetensors").read_bytes() == (
        run.path / "checkpoints/step-000000001/weights.safetensors"
    ).read_bytes()
    save(run, 2)  # training goes on from there and makes the damage good
    assert_step(reopen(run), 2)


def test_a_copy_that_is_one_save_behind_is_refreshed_silently_and_an_altered_one_refused(run):
    behind = {name: (run.path / name).read_bytes() for name in COPIES}
    save(run, 2)
    newest = {name: (run.path / name).read_bytes() for name in COPIES}
    for name in COPIES:
        assert behind[name] != newest[name]
        (run.path / name).write_bytes(behind[name])  # as a kill between the checkpoint and its copies leaves it
        assert_step(reopen(run), 2)
        assert (run.path / name).read_bytes() == newest[name]
        (run.path / name).write_bytes(newest[name] + b" ")
        with pytest.raises(RunError, match=rf"{name} is not what was saved.*Delete it"):
            reopen(run)
        (run.path / name).unlink()
        assert_step(reopen(run), 2)
        assert (run.path / name).read_bytes() == newest[name]
        (run.path / name).write_bytes(newest[name] + b" ")
        with pytest.warns(
            CheckpointWarning, match=f"{name} was not what had been saved; using .*step-000000002 instead"
        ):
            RunDirectory.open(run.path).load(repair=True)
        assert (run.path / name).read_bytes() == newest[name]
        assert_step(reopen(run), 2)


def test_what_a_system_drops_into_a_folder_does_no_harm(run):
    for folder in (run.path, run.path / "checkpoints", run.path / "checkpoints/step-000000001"):
        (folder / ".DS_Store").write_bytes(b"x")
        (folder / "notes").mkdir()
    assert_step(reopen(run), 1)
    assert_step(save(run, 2, 3).load(), 3)


# --- things that are no run -------------------------------------------------------------------------------------


def test_a_path_without_a_run_is_named_with_the_remedy(run, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.png").write_bytes(b"x")
    (tmp_path / "file").write_bytes(b"x")
    for path, words in [
        (tmp_path / "nowhere", "there is no run at .*aae train"),
        (tmp_path / "photos", "is not a run directory"),
        (tmp_path / "file", "is a file"),
        (run.path / "checkpoints/step-000000001", "'checkpoint', expected 'run'"),
    ]:
        with pytest.raises(RunError, match=words):
            RunDirectory.open(path)


def test_create_takes_an_empty_folder_and_leaves_everything_else_alone(run, tmp_path):
    (tmp_path / "empty").mkdir()
    assert RunDirectory.create(tmp_path / "empty", CONFIG, DATA, SPLITS).load
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/config.json").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for path, words in [
        (run.path, "aae resume"),
        (tmp_path / "mine", "choose another"),
        (tmp_path / "file", "is a file"),
    ]:
        with pytest.raises(RunError, match=words):
            RunDirectory.create(path, CONFIG, DATA, SPLITS)
    assert (tmp_path / "mine/config.json").read_text() == "mine"
    assert sorted(p.name for p in (tmp_path / "mine").iterdir()) == ["config.json"]
    assert_step(reopen(run), 1)


def test_a_run_without_a_checkpoint_says_so(tmp_path):
    with pytest.raises(RunError, match="has no checkpoint yet"):
        RunDirectory.create(tmp_path / "run", CONFIG, DATA, SPLITS).load()


def test_a_run_of_a_newer_program_asks_for_an_update(run):
    path = run.path / storage.MANIFEST
    path.write_bytes(path.read_bytes().replace(b'"format": 1', b'"format": 2'))
    with pytest.raises(RunError, match="update aae"):
        reopen(run)


# --- ill will ---------------------------------------------------------------------------------------------------


def forge(folder, changes, listed=None):
    """Change files of a checkpoint and write a manifest that agrees with the change."""
    manifest = json.loads((folder / storage.MANIFEST).read_bytes())
    for name, data in changes.items():
        (folder / name).write_bytes(data)
    files = {name: (folder / name).read_bytes() for name in listed or manifest["files"]}
    facts = {key: manifest[key] for key in ("run", "step")}
    (folder / storage.MANIFEST).write_bytes(storage.seal("checkpoint", files, **facts))


def test_a_manifest_that_leads_out_of_its_folder_is_refused_and_nothing_outside_read(run, monkeypatch):
    folder = run.path / "checkpoints/step-000000001"
    (run.path.parent / "secret").write_bytes(b"secret")
    forge(folder, {}, ["../../../secret", "training.safetensors", "frames.safetensors", "state.json", "history.csv"])
    read = []
    original = storage.read_plain
    monkeypatch.setattr(storage, "read_plain", lambda path, *rest: (read.append(path), original(path, *rest))[1])
    with pytest.raises(RunError, match="does not list exactly"):
        reopen(run)
    assert read
    assert all("secret" not in str(path) for path in read)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("weights.safetensors", b"\x80\x04\x95 a pickle"),
        ("weights.safetensors", b"\xff" * 64),
        ("state.json", b"[" * 100_000),
        ("state.json", b"[]"),
        ("history.csv", b"a,b\n1\n"),
        ("history.csv", b"a\nx\n"),
        ("history.csv", b"\xff\xfe"),
    ],
)
def test_a_forged_file_with_a_matching_hash_is_an_error_not_a_surprise(run, name, data):
    forge(run.path / "checkpoints/step-000000001", {name: data})
    with pytest.raises(RunError, match="cannot be read"):
        reopen(run)


def test_a_forged_manifest_is_an_error_whatever_its_values_are(run):
    path = run.path / storage.MANIFEST
    good = json.loads(path.read_bytes())
    for key in ("kind", "format", "files"):
        for value in (None, [], {}, "x", -1, {"config.json": 1}, {"config.json": {"sha256": 1, "bytes": "many"}}):
            path.write_bytes(storage.json_bytes({**good, key: value}))
            with pytest.raises(RunError, match=storage.MANIFEST):
                reopen(run)
    for text in (b"", b"null", b"[]", b"[" * 50_000, b"\xff", b"NaN"):
        path.write_bytes(text)
        with pytest.raises(RunError, match=storage.MANIFEST):
            reopen(run)


# --- one writer -------------------------------------------------------------------------------------------------

HOLD = """
import sys
from aae.checkpoint import RunDirectory
with RunDirectory.open(sys.argv[1]).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_writer_is_told_who_holds_the_run_and_a_kill_frees_it(run):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout.readline() == b"held\n"
        for attempt in (lambda: run.lock().__enter__(), lambda: save(run, 2)):
            with pytest.raises(RunError, match=rf"in use by process {holder.pid};"):
                attempt()
        (run.path / "history.csv").unlink()
        assert_step(reopen(run), 1)  # reading needs no lock, and leaves the files to the one who holds it
        assert not (run.path / "history.csv").exists()
        holder.send_signal(signal.SIGKILL)
    with run.lock():
        assert_step(save(run, 2).load(), 2)


def test_the_lock_is_not_taken_twice_and_is_freed_after_an_error(run):
    def fail_while_holding():
        with run.lock():
            with pytest.raises(RunError, match=f"in use by process {os.getpid()};"):
                RunDirectory.open(run.path).lock().__enter__()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_while_holding()
    with run.lock():
        save(run, 2)


def test_of_many_processes_that_want_the_lock_one_at_a_time_gets_it(run):
    """Each child bumps a counter without any other protection; no bump may be lost."""
    counter = run.path / "counter"
    counter.write_text("0")

    def bump():
        for _ in range(20):
            while True:
                try:
                    with RunDirectory.open(run.path).lock():
                        counter.write_text(str(int(counter.read_text()) + 1))
                    break
                except RunError:
                    continue

    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            bump()
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert counter.read_text() == "80"


def test_a_reader_beside_a_trainer_that_saves_all_the_time_never_sees_a_fault(run):
    stop, failures = threading.Event(), []

    def train():
        try:
            writer, step = RunDirectory.open(run.path), 1
            with writer.lock():
                while not stop.is_set():
                    step += 1
                    writer.save(step, content(1)[0], {"epoch": step}, [{"epoch": step}])
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    try:
        steps = []
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in range(150):
                found = reopen(run)
                assert found.step == 1 or found.state["epoch"] == found.step == found.history[0]["epoch"]
                steps.append(found.step)
    finally:
        stop.set()
        thread.join()
    assert not failures
    assert steps == sorted(steps)
    assert steps[-1] > 5
