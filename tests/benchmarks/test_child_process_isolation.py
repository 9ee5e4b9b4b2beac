"""What a child has of its surroundings, and what is left of it when it or its parent is gone."""

import ast
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import private_folder
from benchmarks.child_process import Outcome, TrainingJob, run_training
from benchmarks.child_sandbox import LIMITS_ONLY, NAMESPACES, NETWORK_ONLY
from tests.benchmarks.hostile_child import LIMITS, ROOT, Bench, is_dead, pids_in
from tests.waiting import wait_until

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


pytestmark = pytest.mark.site


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_private_folder_is_wiped_whatever_was_made_of_it(bench: Bench) -> None:
    outcome = bench.run(
        """
        os.makedirs("deep/er")
        open("deep/er/file", "w").close()
        os.symlink("/etc", "link")
        os.chmod("deep/er", 0)
        os.chmod("deep", 0)
        log(os.getcwd())
        """
    )
    assert str(bench.scratch) in outcome.log_tail
    assert list(bench.scratch.iterdir()) == []
    assert Path("/etc").exists()


def test_the_child_inherits_no_environment_and_no_open_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "do not tell")
    with (bench.folder / "images.npy").open("rb") as held:
        os.set_inheritable(held.fileno(), True)
        outcome = bench.run("log(sorted(os.environ)); log(os.listdir('/proc/self/fd')); log(os.getsid(0))")
    names, descriptors, session = (ast.literal_eval(line) for line in outcome.log_tail.splitlines())
    assert {"TMPDIR", "OMP_NUM_THREADS"} <= set(names)
    assert all(name.endswith(("_THREADS", "TMPDIR", "LOKY_MAX_CPU_COUNT", "LC_CTYPE")) for name in names)
    assert len(descriptors) == 4, "three streams and the listing itself"
    assert session != os.getsid(0)


def test_the_sandbox_takes_the_network_away_where_the_kernel_allows(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        outcome = bench.run(
            f"""
            import socket
            sandbox()
            try:
                socket.create_connection(("127.0.0.1", {server.getsockname()[1]}), 1)
                log("connected")
            except OSError as error:
                log(error)
            log(open("/proc/self/status").read())
            """
        )
    if outcome.isolation != NAMESPACES:
        pytest.skip(f"this kernel gives only: {outcome.isolation}")
    assert "Network is unreachable" in outcome.log_tail
    assert "NoNewPrivs:\t1" in outcome.log_tail
    assert "CapEff:\t0000000000000000" in outcome.log_tail
    assert "CapBnd:\t0000000000000000" in outcome.log_tail


@pytest.mark.parametrize(("refused", "level"), [(0, NAMESPACES), (1, NETWORK_ONLY), (2, LIMITS_ONLY)])
def test_a_weaker_level_is_told_where_the_kernel_refuses(bench: Bench, refused: int, level: str) -> None:
    outcome = bench.run(
        f"""
        import ctypes
        real, asked = ctypes.CDLL, []
        class Kernel:
            def __getattr__(self, name):
                return getattr(real(None, use_errno=True), name)
            def unshare(self, flags):
                asked.append(flags)
                return -1 if len(asked) <= {refused} else 0
        ctypes.CDLL = lambda *_, **__: Kernel()
        sandbox()
        """
    )
    assert outcome.isolation == level


def test_a_child_whose_parent_was_gone_before_it_looked_ends(bench: Bench) -> None:
    outcome = bench.run("job['parent_pid'] = 1 << 30; sandbox(); log('still here')")
    assert outcome.status == "failed"
    assert "still here" not in outcome.log_tail


def test_no_child_outlives_a_parent_that_is_killed(bench: Bench) -> None:
    note = bench.folder / "pid"
    program = bench.program("sandbox()\nlog(f'pid {os.getpid()}')\nwhile True: signal.pause()")
    images = bench.folder / "images.npy"
    parent_code = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from benchmarks.child_process import *
path = Path({str(images)!r})
job = TrainingJob({{}}, 0, path, path, path, 10, scratch=Path({str(bench.scratch)!r}))
def on_tick(tick):
    Path({str(note)!r}).write_text(tick.log_tail)
    return True
limits = Limits(60, 60, 300 << 20, 1 << 20, 50)
run_training(job, limits, on_tick, tick_seconds=0.02, program=Path({str(program)!r}))
"""
    parent = subprocess.Popen([sys.executable, "-c", parent_code])
    try:
        wait_until(lambda: note.exists() and pids_in(note.read_text()), "the child runs")
    finally:
        parent.kill()
        parent.wait()
    pid = pids_in(note.read_text())[0]
    wait_until(lambda: is_dead(pid), "the child is dead", 5)

    (left,) = bench.scratch.iterdir()
    assert bench.run("pass").status == "failed"
    assert left.exists(), "a young folder may belong to a run that is just starting"
    an_hour_ago = time.time() - 3600
    os.utime(left, (an_hour_ago, an_hour_ago))
    bench.run("pass")
    assert list(bench.scratch.iterdir()) == []


def test_the_folder_of_a_living_run_is_never_wiped_by_another(tmp_path: Path) -> None:
    with private_folder.private_folder(tmp_path) as folder:
        os.utime(folder, (0, 0))
        private_folder.wipe_abandoned(tmp_path)
        assert folder.exists()
    assert not folder.exists()


def test_it_works_from_another_thread(bench: Bench) -> None:
    found: list[Outcome] = []
    body = "sandbox(); save([1] * 20); say('done')"
    thread = threading.Thread(target=lambda: found.append(bench.run(body)))
    thread.start()
    thread.join()
    assert found[0].status == "done"


def test_it_works_from_a_daemon_process_that_may_have_no_children(bench: Bench) -> None:
    program = bench.program("sandbox(); save([1] * 20); say('done')")
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_run_and_send, args=(bench.job, program, sending), daemon=True)
    process.start()
    assert receiving.poll(20)
    assert receiving.recv() == "done"
    process.join()


def _run_and_send(job: TrainingJob, program: Path, sending: "Connection[Any, Any]") -> None:
    sending.send(run_training(job, LIMITS, lambda _: True, program=program).status)
