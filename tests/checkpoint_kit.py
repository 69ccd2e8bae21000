"""For tests of the run directory: a small run, and crashes at the k-th call that changes the disk."""

import contextlib
import errno
import os
import shutil
import stat
import traceback
from pathlib import Path

import numpy as np
import torch

from aae.errors import StorageError

CONFIG = {"epochs": 3, "model": {"kind": "aae", "encoder": [8, 8]}}
DATA = {"name": "toy", "offset": [0.1], "fingerprint": "ab"}
SPLITS = {"train": np.arange(6), "test": np.arange(6, 9)}


def content(step):
    tensors = {
        "weights": {"w": torch.full((2, 3), float(step)), "b": torch.tensor(step)},
        "training": {"momentum": torch.full((3,), step / 7, dtype=torch.bfloat16)},
        "frames": {},
    }
    return tensors, {"epoch": step, "order": [1, 2], "note": "x"}, [{"epoch": i, "loss": i / 3} for i in range(step)]


def save(run, *steps):
    for step in steps:
        run.save(step, *content(step))
    return run


def assert_step(checkpoint, step):
    tensors, state, history = content(step)
    assert (checkpoint.step, checkpoint.state, checkpoint.history) == (step, state, history)
    for group, expected in tensors.items():
        assert checkpoint.tensors[group].keys() == expected.keys()
        for name, tensor in expected.items():
            assert checkpoint.tensors[group][name].dtype == tensor.dtype
            assert torch.equal(checkpoint.tensors[group][name], tensor)


def files_of(folder):
    return sorted(p for p in Path(folder).rglob("*") if p.is_file() and p.name != "lock")


def names(run):
    return sorted(p.name for p in (run.path / "checkpoints").iterdir())


CALLS = ("open", "write", "fsync", "mkdir", "rename", "replace", "unlink", "rmdir", "ftruncate", "pwrite")


class Crash(BaseException):
    CODE = 77


class Shim(contextlib.AbstractContextManager):
    """While active, the k-th changing call of `os` fails; with k = None, the process dies after the last one.

    `raise`: it raises a full disk's error. `die`: a write stores half of its bytes, then the process ends as under
    SIGKILL. `power`: as `die`, and then everything is lost that no fsync made durable: data of files, new names and
    renames (but not removals, which is the worst order in which a disk can keep them). `reorder`: as `power`, but
    the last rename is not lost.
    """

    def __init__(self, k, manner):
        self.k, self.manner, self.count = k, manner, 0
        self.real = {name: getattr(os, name) for name in (*CALLS, "close")}
        self.unsynced = {}  # inode -> own handle of a file whose data no fsync has made durable
        self.made = []  # (handle of the folder, name) of what was made there without an fsync of the folder since
        self.renamed = []  # (from, to, previous content of to), likewise

    def __enter__(self):
        for name in CALLS:
            setattr(os, name, self._wrapped(name))
        return self

    def __exit__(self, kind, *_):
        for name in CALLS:
            setattr(os, name, self.real[name])
        if self.k is None and kind is None:
            self._die()

    def _wrapped(self, name):
        def call(*args, **kwargs):
            reads = name == "open" and not args[1] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if not reads:
                self.count += 1
                if self.count == self.k:
                    self._fail(name, args)
            before = self._before(name, args)
            result = self.real[name](*args, **kwargs)
            if self.manner in ("power", "reorder"):
                self._record(name, args, result, before)
            return result

        return call

    def _fail(self, name, args):
        if self.manner == "raise":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if name == "write":
            self.real["write"](args[0], bytes(args[1])[: len(args[1]) // 2])
        self._die()

    def _before(self, name, args):
        if name == "replace" and os.path.lexists(args[1]):
            with open(args[1], "rb") as file:
                return file.read()
        return None

    def _record(self, name, args, result, before):
        if (name == "open" and args[1] & os.O_EXCL) or name == "mkdir":
            folder, made = os.path.split(args[0])
            self.made.append((self.real["open"](folder, os.O_RDONLY), made))
        if name == "open" and args[1] & os.O_EXCL:
            self.unsynced[os.fstat(result).st_ino] = os.dup(result)
        elif name in ("rename", "replace"):
            self.renamed.append((str(args[0]), str(args[1]), before))
        elif name == "fsync":
            inode = os.fstat(args[0]).st_ino
            self.unsynced.pop(inode, None)
            self.made = [m for m in self.made if os.fstat(m[0]).st_ino != inode]
            self.renamed = [r for r in self.renamed if os.stat(os.path.dirname(r[1])).st_ino != inode]

    def _die(self):
        for name in CALLS:
            setattr(os, name, self.real[name])
        for handle in self.unsynced.values():
            os.ftruncate(handle, 0)
        if self.manner == "reorder" and self.renamed:
            self.renamed.pop()
        for source, target, before in reversed(self.renamed):
            if os.path.lexists(target) and os.path.isdir(os.path.dirname(source)):
                os.rename(target, source)
                if before is not None:
                    with open(target, "wb") as file:
                        file.write(before)
        for folder, name in self.made:
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISDIR(os.stat(name, dir_fd=folder).st_mode):
                    shutil.rmtree(name, dir_fd=folder)
                else:
                    os.unlink(name, dir_fd=folder)
        os._exit(Crash.CODE)


def in_child(work, shim=None):
    """Exit status of a forked child that does `work`: 0, Crash.CODE, or 1 after an error, which it prints."""
    child = os.fork()
    if child == 0:
        try:
            with shim or contextlib.nullcontext():
                work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, Crash.CODE), f"the child ended with {status}"
    return status


def crash(k, manner, work):
    """Do `work` with a crash at the k-th changing call; returns whether there were that many."""
    if manner != "raise":
        return in_child(work, Shim(k, manner)) == Crash.CODE
    with Shim(k, manner) as shim:
        try:
            work()
        except StorageError as error:
            assert "Nothing saved before is lost" in str(error)  # noqa: PT017
    return shim.count >= k
