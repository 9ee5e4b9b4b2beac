"""Children that do what they should not, and the place to run them."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.child_process import Limits, Outcome, Tick, TrainingJob, run_training

ROOT = Path(__file__).resolve().parents[2]
LIMITS = Limits(wall_seconds=20, cpu_seconds=20, memory_bytes=300 << 20, file_bytes=1 << 20, processes=50)
N_TEST = 20

PRELUDE = f"""
import json, os, signal, sys
sys.path.append({str(ROOT)!r})
job = json.load(sys.stdin)

def say(event, **fields):
    print(json.dumps(dict(event=event, **fields)), flush=True)

def log(text):
    print(text, file=sys.stderr, flush=True)

def sandbox():
    from benchmarks.child_sandbox import enter_sandbox
    say("progress", stage="loading", isolation=enter_sandbox(job["limits"], job["parent_pid"]))

def save(array):
    import numpy
    numpy.save(os.path.join(job["output_dir"], "predictions.npy"), array)
"""
HANG = "log(f'pid {os.getpid()}')\nwhile True: signal.pause()\n"


class Bench:
    """Writes hostile programs and runs them over twenty blank test images."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.scratch = folder, folder / "scratch"
        self.scratch.mkdir()
        np.save(folder / "images.npy", np.zeros((N_TEST, 2, 2), dtype=np.uint8))
        images = folder / "images.npy"
        self.job = TrainingJob({"steps": []}, 0, images, images, images, 10, scratch=self.scratch)

    def program(self, body: str) -> Path:
        path = self.folder / "child.py"
        path.write_text(PRELUDE + textwrap.dedent(body))
        return path

    def run(
        self, body: str, limits: Limits = LIMITS, on_tick: Callable[[Tick], bool] = lambda _: True
    ) -> Outcome:
        return run_training(self.job, limits, on_tick, tick_seconds=0.02, program=self.program(body))


def is_dead(pid: int) -> bool:
    """Gone, or a zombie that only waits for whoever inherited it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def pids_in(log: str) -> list[int]:
    return [int(line.split()[1]) for line in log.splitlines() if line.startswith("pid ")]
