"""How runs end: the parent's side against children that misbehave; every one is a real process."""

import contextlib
import os
import signal
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.child_channel import LOG_TAIL_BYTES
from benchmarks.child_process import Limits, Tick
from tests.benchmarks.hostile_child import HANG, N_TEST, Bench, is_dead, pids_in
from tests.waiting import wait_until

pytestmark = pytest.mark.site


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_good_child_is_done_and_its_circumstances_are_known(bench: Bench) -> None:
    ticks: list[Tick] = []
    outcome = bench.run(
        """
        sandbox()
        say("progress", stage="fitting", fraction=0.5, message="half")
        log("hello")
        save([3] * 20)
        say("done", versions={"numpy": "2"}, train_seconds=1.5, predict_seconds=0.5)
        """,
        on_tick=lambda tick: ticks.append(tick) or True,  # type: ignore[func-returns-value]
    )
    assert outcome.status == "done", outcome
    assert outcome.predictions is not None
    assert outcome.predictions.tolist() == [3] * N_TEST
    assert outcome.predictions.dtype == np.int64
    assert outcome.versions == {"numpy": "2"}
    assert (outcome.train_seconds, outcome.predict_seconds) == (1.5, 0.5)
    assert outcome.log_tail == "hello\n"
    assert outcome.isolation
    assert ticks
    assert ticks[-1].rss_bytes > 1 << 20


def test_cancelling_kills_the_whole_group_at_once(bench: Bench) -> None:
    asked: list[float] = []

    def stop_when_all_run(tick: Tick) -> bool:
        if len(pids_in(tick.log_tail)) < 3:
            return True
        asked.append(time.monotonic())
        return False

    forks = """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:
            os.setpgid(0, 0)
        elif os.fork() == 0:
            pass
        """
    outcome = bench.run(textwrap.dedent(forks) + HANG, on_tick=stop_when_all_run)
    assert outcome.status == "stopped"
    assert outcome.reason == "stopped on request"
    assert time.monotonic() - asked[0] < 5
    assert outcome.predictions is None
    pids = pids_in(outcome.log_tail)
    assert len(pids) == 3
    wait_until(lambda: all(is_dead(pid) for pid in pids), "the whole group is dead")
    assert not Path(f"/proc/{min(pids)}").exists(), "the leader was not reaped"


def test_a_stopped_child_can_still_be_cancelled(bench: Bench) -> None:
    outcome = bench.run(
        "log(f'pid {os.getpid()}'); os.kill(os.getpid(), signal.SIGSTOP)",
        on_tick=lambda tick: "pid" not in tick.log_tail,
    )
    assert outcome.status == "stopped"
    assert is_dead(pids_in(outcome.log_tail)[0])


def test_an_error_in_the_tick_passes_through_and_leaves_no_child(bench: Bench) -> None:
    seen: list[int] = []

    def fail(tick: Tick) -> bool:
        seen.extend(pids_in(tick.log_tail))
        if seen:
            raise ConnectionError("the database is away")
        return True

    with pytest.raises(ConnectionError, match="the database is away"):
        bench.run(HANG, on_tick=fail)
    assert is_dead(seen[0])
    assert list(bench.scratch.iterdir()) == []


@pytest.mark.parametrize("quiet", [False, True])
def test_the_wall_time_ends_a_run_even_if_the_child_closed_its_pipes(bench: Bench, quiet: bool) -> None:
    body = HANG.replace("while", "os.close(1); os.close(2)\nwhile") if quiet else HANG
    outcome = bench.run(body, Limits(0.3, 20, 300 << 20, 1 << 20, 50))
    assert outcome.status == "timed_out"
    assert outcome.reason == "stopped after the 0.3 seconds that a run may take"
    assert 0.3 < outcome.wall_seconds < 3
    assert is_dead(pids_in(outcome.log_tail)[0])


def test_used_up_cpu_seconds_end_a_run(bench: Bench) -> None:
    outcome = bench.run("sandbox()\nwhile True: pass", Limits(20, 1, 300 << 20, 1 << 20, 50))
    assert outcome.status == "timed_out"
    assert outcome.reason == "stopped after the 1 CPU seconds that a run may take"
    assert 0.5 < outcome.cpu_seconds < 3


def test_a_child_killed_from_outside_has_a_plain_reason(bench: Bench) -> None:
    def kill(tick: Tick) -> bool:
        for pid in pids_in(tick.log_tail):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return True

    outcome = bench.run(HANG, on_tick=kill)
    assert outcome.status == "failed"
    assert outcome.reason == "killed by signal 9 from outside the platform or for lack of memory"
    assert not Path(f"/proc/{pids_in(outcome.log_tail)[0]}").exists()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("os.abort()", "the training program crashed with signal 6 (SIGABRT)"),
        ("sys.exit(3)", "the training program ended with code 3 before it reported a result"),
        ("pass", "the training program ended with code 0 before it reported a result"),
        ("say('done'); sys.exit(1)", "the training program ended with code 1 before it reported a result"),
        ("say('failed', reason='no\\x00 luck\\n at all')", "no luck at all"),
        ("say('failed')", "the training failed and gave no reason"),
        ("say('done')", "the training program left no predictions.npy"),
        ("save([99] * 20); say('done')", "predictions.npy holds classes outside 0 to 9"),
    ],
)
def test_a_child_that_fails_is_a_failed_run_with_its_reason(bench: Bench, body: str, reason: str) -> None:
    outcome = bench.run(body)
    assert (outcome.status, outcome.reason) == ("failed", reason)
    assert outcome.predictions is None


def test_a_program_that_is_no_python_fails_with_its_error_in_the_log(bench: Bench) -> None:
    outcome = bench.run("this is no Python")
    assert outcome.status == "failed"
    assert "SyntaxError" in outcome.log_tail


def test_resident_memory_above_the_limit_ends_a_run(bench: Bench) -> None:
    outcome = bench.run("block = b'x' * (400 << 20)\n" + HANG)
    assert outcome.status == "failed"
    assert outcome.reason == "stopped: it used more than the 300 MB of memory allowed"
    assert outcome.peak_memory_bytes > 300 << 20


def test_a_memory_bomb_inside_the_sandbox_is_an_error_of_its_own(bench: Bench) -> None:
    outcome = bench.run(
        """
        sandbox()
        try:
            block = bytearray(8 << 30)
        except MemoryError:
            say("failed", reason="no memory")
        """
    )
    assert outcome.reason == "no memory"


def test_a_result_file_above_the_limit_cannot_be_written(bench: Bench) -> None:
    outcome = bench.run("sandbox()\nopen('file', 'wb').write(b'x' * (2 << 20))")
    assert outcome.status == "failed"
    assert "File too large" in outcome.log_tail


def test_a_fork_bomb_ends_the_run(bench: Bench) -> None:
    forks = """
        log(f'pid {os.getpid()}')
        for _ in range(30):
            if os.fork() == 0:
                signal.pause()
        """
    outcome = bench.run(textwrap.dedent(forks) + HANG, Limits(20, 20, 1 << 30, 1 << 20, 10))
    assert outcome.status == "failed"
    assert outcome.reason == "stopped: it started more than the 10 tasks allowed"
    wait_until(lambda: is_dead(pids_in(outcome.log_tail)[0]), "the child is dead")


@pytest.mark.parametrize(
    "body",
    [
        "while True: os.write(2, b'y' * 65536)",
        "while True: os.write(1, b'y' * 65536)",
        "while True: say('progress', stage='x' * 60000)",
        "while True: os.write(1, b'\\n' * 65536)",
    ],
)
def test_endless_output_ends_the_run_without_filling_memory(bench: Bench, body: str) -> None:
    outcome = bench.run(body)
    assert outcome.status == "failed"
    assert outcome.reason == "stopped: it wrote more than a run may write"
    assert len(outcome.log_tail.encode()) <= LOG_TAIL_BYTES


def test_nonsense_on_the_protocol_is_passed_over(bench: Bench) -> None:
    ticks: list[Tick] = []
    outcome = bench.run(
        """
        print("plain words")
        print("[" * 20000)
        print("[1]\\n{}\\n\\"x\\"\\nnull")
        os.write(1, b"\\xff\\xfe\\n" + b"x" * 300000 + b"\\n")
        say("progress", stage=[1], fraction="many", message={"a": 1})
        say("progress", stage="fit\\x00ting", fraction=7, message="\\ud800" + "m" * 5000)
        save([1] * 20)
        say("done", versions=[1], train_seconds="long")
        """,
        on_tick=lambda tick: ticks.append(tick) or True,  # type: ignore[func-returns-value]
    )
    assert outcome.status == "done", outcome
    assert (outcome.versions, outcome.train_seconds) == ({}, None)
    assert all(len(tick.message) <= 200 and "\x00" not in tick.stage for tick in ticks)


def test_the_log_is_text_that_a_database_can_hold(bench: Bench) -> None:
    outcome = bench.run("os.write(2, b'a\\x00b\\xffc\\r\\nd\\re' + 'ü'.encode() * 20000)")
    outcome.log_tail.encode("utf-8")
    assert "\x00" not in outcome.log_tail
    assert outcome.log_tail.endswith("ü")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("os.symlink('/etc/passwd', os.path.join(job['output_dir'], 'predictions.npy'))", "it is a link"),
        (
            "os.rename(job['output_dir'], job['output_dir'] + '2'); os.symlink('/', job['output_dir'])",
            "left no predictions.npy",
        ),
    ],
)
def test_links_in_place_of_results_are_not_followed(bench: Bench, body: str, words: str) -> None:
    outcome = bench.run(body + "\nsay('done')")
    assert outcome.status == "failed"
    assert words in outcome.reason
