"""Run one training in a child process and bring back a checked result, whatever the child does.

The child has its own session, an almost empty environment, a private folder that is wiped, and limits that
it sets on itself (`child_sandbox`) and that are watched from here. Nothing it says or leaves is trusted.

`run_training` must be called from the thread that waits for it: the kernel kills the child when the thread
that started it ends, which is how a killed worker leaves no child behind.
"""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.child_channel import (
    MOST_LINES,
    EventReader,
    LogTail,
    fraction_of,
    long_text,
    seconds_of,
    short_text,
    versions_of,
)
from benchmarks.child_results import ResultError, Results, read_results
from benchmarks.private_folder import private_folder
from benchmarks.process_group import kill_session, process_memory, session_usage
from benchmarks.training_job import Limits, Outcome, Status, Tick, TrainingJob

__all__ = ["TRAINING_CHILD", "Limits", "Outcome", "Tick", "TrainingJob", "run_training"]

TRAINING_CHILD = Path(__file__).resolve().with_name("training_child.py")

# The child is written to say little; more than this is a runaway.
MOST_OUTPUT_BYTES = 32 << 20
LONGEST_TRACEBACK = 8000

_POLL_SECONDS = 0.1
_WATCH_SECONDS = 0.2
_SCAN_SECONDS = 1.0
_READ_BYTES = 1 << 16
_DEATH_SECONDS = 5.0

# Address space is more than memory: libraries, and for every thread its stack and its share of the allocator,
# are mapped and mostly never touched. The resident memory itself is watched from here.
_HEADROOM = 1 << 30
_THREAD_HEADROOM = 128 << 20

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
)


def run_training(
    job: TrainingJob,
    limits: Limits,
    on_tick: Callable[[Tick], bool],
    *,
    tick_seconds: float = 1.0,
    program: Path = TRAINING_CHILD,
) -> Outcome:
    """Train in a child process and wait for it; every way a child can end is an Outcome, never an exception.

    `on_tick` is called about every `tick_seconds`; when it returns False, or raises, the child is killed at
    once (what it raises passes through). It should return soon, because limits are watched between its calls
    (those on CPU seconds and address space hold without this side). Raises OSError when this side cannot do
    its part: no such test images, no space for the private folder, no new process.
    """
    n_test = len(np.load(job.test_images, mmap_mode="r", allow_pickle=False))
    with private_folder(job.scratch) as folder:
        output = folder / "output"
        output.mkdir(mode=0o700)
        output_descriptor = os.open(output, os.O_RDONLY | os.O_DIRECTORY)
        try:
            child = _Child(job, limits, folder, program)
            try:
                ended = _watch(child, limits, on_tick, tick_seconds)
            finally:
                child.destroy()
            return _outcome(child, ended, limits, output_descriptor, (n_test, job.n_classes))
        finally:
            os.close(output_descriptor)


@dataclass(frozen=True)
class _Ending:
    """Why this side ended the child."""

    status: Status
    reason: str


@dataclass
class _Heard:
    """What the child has said so far."""

    stage: str = "starting"
    fraction: float | None = None
    message: str = ""
    isolation: str = ""
    last: dict[str, Any] = field(default_factory=dict)

    def take(self, event: dict[str, Any]) -> None:
        kind = event.get("event")
        if kind == "progress":
            self.stage = short_text(event.get("stage"), 40) or self.stage
            self.fraction = fraction_of(event)
            self.message = short_text(event.get("message"), 200)
            self.isolation = self.isolation or short_text(event.get("isolation"), 120)
        elif kind in ("done", "failed"):
            self.last = event


class _Child:
    """The child process with its two pipes; `destroy` leaves no process, zombie or descriptor behind."""

    def __init__(self, job: TrainingJob, limits: Limits, folder: Path, program: Path) -> None:
        self.heard, self.log, self._events = _Heard(), LogTail(), EventReader()
        self.peak_bytes = self.rss_bytes = 0
        self.cpu_seconds, self.exit_code = 0.0, None
        self.started = time.monotonic()
        self._next_scan = 0.0
        work, job_file = folder / "work", folder / "job.json"
        work.mkdir(mode=0o700)
        job_file.write_text(json.dumps(_job_message(job, limits, folder)))
        self._selector = selectors.DefaultSelector()
        with job_file.open("rb") as stdin:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-X", "utf8", str(program)],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=work,
                env=_environment(job.threads, work),
                start_new_session=True,
                close_fds=True,
            )
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None  # noqa: S101 - both are pipes; this tells the type checker
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ)

    exit_code: int | None

    def listen(self, seconds: float) -> None:
        """Read what the child wrote, waiting at most so long for something; at most 64 KB per pipe."""
        for key, _ in self._selector.select(seconds):
            self._read(key.fileobj)

    def has_ended(self) -> bool:
        """Whether the leader is dead; it stays a zombie, and its number taken, until `destroy`."""
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return self.exit_code is not None or os.waitid(os.P_PID, self._process.pid, flags) is not None

    def measure(self) -> int:
        """Look at the child's memory; return the tasks of its session, 0 where they were not counted now."""
        memory, tasks, now = process_memory(self._process.pid), 0, time.monotonic()
        self.rss_bytes = memory.rss_bytes
        if now >= self._next_scan:  # going through all processes of the machine costs more
            self._next_scan = now + _SCAN_SECONDS
            usage = session_usage(self._process.pid)
            self.rss_bytes, tasks = max(memory.rss_bytes, usage.rss_bytes), usage.tasks
        self.peak_bytes = max(self.peak_bytes, memory.peak_bytes, self.rss_bytes)
        return tasks

    @property
    def writes_too_much(self) -> bool:
        written = self.log.total_bytes + self._events.total_bytes
        return written > MOST_OUTPUT_BYTES or self._events.lines > MOST_LINES

    def tick(self) -> Tick:
        heard, elapsed = self.heard, time.monotonic() - self.started
        return Tick(heard.stage, heard.fraction, heard.message, self.log.text, self.rss_bytes, elapsed)

    def destroy(self) -> None:
        """Kill what is left of the session, reap the leader, read what was still in the pipes."""
        kill_session(self._process.pid)
        self._reap()
        for key in list(self._selector.get_map().values()):
            while not self.writes_too_much and self._read(key.fileobj):
                pass
        self._selector.close()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _reap(self) -> None:
        deadline = time.monotonic() + _DEATH_SECONDS
        while self.exit_code is None and time.monotonic() < deadline:
            pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
            if pid:
                self.cpu_seconds = usage.ru_utime + usage.ru_stime
                self.exit_code = self._process.returncode = os.waitstatus_to_exitcode(status)
            else:  # dying takes a moment when much memory has to be given back
                time.sleep(0.005)

    def _read(self, stream: Any) -> bool:
        try:
            data = os.read(stream.fileno(), _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            with contextlib.suppress(KeyError):
                self._selector.unregister(stream)
        elif stream is self._process.stderr:
            self.log.feed(data)
        else:
            for event in self._events.feed(data):
                self.heard.take(event)
        return bool(data)


def _watch(
    child: _Child, limits: Limits, on_tick: Callable[[Tick], bool], tick_seconds: float
) -> _Ending | None:
    """Follow the child until it ends (None) or has to be ended."""
    next_watch, next_tick = child.started, child.started + tick_seconds
    while True:
        child.listen(max(0.0, min(_POLL_SECONDS, next_tick - time.monotonic())))
        if child.has_ended():
            return None
        now = time.monotonic()
        if now >= next_watch:
            next_watch = now + _WATCH_SECONDS
            broken = _broken_limit(child, limits, now)
            if broken is not None:
                return broken
        if now >= next_tick:
            next_tick = now + tick_seconds
            if not on_tick(child.tick()):
                return _Ending("stopped", "stopped on request")


def _broken_limit(child: _Child, limits: Limits, now: float) -> _Ending | None:
    tasks = child.measure()
    if now - child.started > limits.wall_seconds:
        return _Ending("timed_out", f"stopped after the {limits.wall_seconds:g} seconds that a run may take")
    if child.rss_bytes > limits.memory_bytes:
        return _Ending("failed", _memory_reason(limits))
    if tasks > limits.processes:
        return _Ending("failed", f"stopped: it started more than the {limits.processes} tasks allowed")
    if child.writes_too_much:
        return _Ending("failed", "stopped: it wrote more than a run may write")
    return None


def _outcome(
    child: _Child, ended: _Ending | None, limits: Limits, output: int, shape: tuple[int, int]
) -> Outcome:
    """The outcome of a child that is dead by now, so that its files no longer change."""
    results: Results | None = None
    if ended is None:
        ended = _how_it_ended(child, limits)
    if ended.status == "done":
        try:
            results = read_results(output, *shape)
        except ResultError as error:
            ended = _Ending("failed", str(error))
    said = child.heard.last
    return Outcome(
        status=ended.status,
        reason=ended.reason,
        log_tail=child.log.text,
        wall_seconds=time.monotonic() - child.started,
        cpu_seconds=child.cpu_seconds,
        peak_memory_bytes=child.peak_bytes,
        versions=versions_of(said),
        isolation=child.heard.isolation,
        predictions=results.predictions if results else None,
        probabilities=results.probabilities if results else None,
        train_seconds=seconds_of(said, "train_seconds"),
        predict_seconds=seconds_of(said, "predict_seconds"),
        traceback=long_text(said.get("traceback"), LONGEST_TRACEBACK),
    )


def _how_it_ended(child: _Child, limits: Limits) -> _Ending:
    code, said = child.exit_code, child.heard.last
    if code == 0 and said.get("event") == "done":
        return _Ending("done", "")
    if said.get("event") == "failed":
        return _Ending("failed", short_text(said.get("reason")) or "the training failed and gave no reason")
    if code is not None and code < 0:
        return _killed(-code, child.cpu_seconds, limits)
    if code is None:
        return _Ending("failed", "the training program was killed and did not die")
    return _Ending("failed", f"the training program ended with code {code} before it reported a result")


def _killed(number: int, cpu_seconds: float, limits: Limits) -> _Ending:
    if number == signal.SIGXCPU or (number == signal.SIGKILL and cpu_seconds >= limits.cpu_seconds):
        reason = f"stopped after the {limits.cpu_seconds:g} CPU seconds that a run may take"
        return _Ending("timed_out", reason)
    if number == signal.SIGKILL:
        return _Ending("failed", "killed by signal 9 from outside the platform or for lack of memory")
    try:
        name = f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        name = f"signal {number}"
    return _Ending("failed", f"the training program crashed with {name}")


def _memory_reason(limits: Limits) -> str:
    return f"stopped: it used more than the {limits.memory_bytes / 2**20:,.0f} MB of memory allowed"


def _job_message(job: TrainingJob, limits: Limits, folder: Path) -> dict[str, Any]:
    return {
        "spec": dict(job.spec),
        "seed": job.seed,
        "n_classes": job.n_classes,
        "train_images": str(job.train_images.resolve()),
        "train_labels": str(job.train_labels.resolve()),
        "test_images": str(job.test_images.resolve()),
        "output_dir": str((folder / "output").resolve()),
        "threads": job.threads,
        "parent_pid": os.getpid(),
        "limits": {
            "cpu_seconds": int(limits.cpu_seconds),
            "memory_bytes": int(limits.memory_bytes),
            "address_space_bytes": int(limits.memory_bytes) + _HEADROOM + job.threads * _THREAD_HEADROOM,
            "file_bytes": int(limits.file_bytes),
            "processes": int(limits.processes),
        },
    }


def _environment(threads: int, work: Path) -> dict[str, str]:
    return {"TMPDIR": str(work), **dict.fromkeys(_THREAD_VARIABLES, str(threads))}
