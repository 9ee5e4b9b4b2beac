"""The program of the training child: reads one job, trains, predicts, leaves two files, says so.

Started by `benchmarks.child_process` as `python -I training_child.py` with an almost empty environment. The
job is one JSON object on standard input: spec, seed, n_classes, the paths train_images, train_labels,
test_images and output_dir, threads, limits, parent_pid. It never holds the test labels.

Standard output is the protocol: one JSON object per line, `event` being `progress` (stage, fraction from 0
to 1 or null, message), `done` (versions, train_seconds, predict_seconds) or `failed` (reason, traceback).
Whatever libraries print goes to standard error, the log.
"""

import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a program: -I leaves the project out of the path
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from benchmarks.child_sandbox import enter_sandbox

LONGEST_REASON = 300
LONGEST_TRACEBACK = 8000


class Channel:
    """The protocol's end in the child."""

    def __init__(self, descriptor: int) -> None:
        self._stream = os.fdopen(descriptor, "w", encoding="utf-8", buffering=1)

    @classmethod
    def take_over_stdout(cls) -> "Channel":
        """Keep standard output for the protocol and give its number to the log, also for C libraries."""
        sys.stdout.flush()
        descriptor = os.dup(1)
        os.dup2(2, 1)
        return cls(descriptor)

    def send(self, event: str, **fields: Any) -> None:
        self._stream.write(json.dumps({"event": event, **fields}) + "\n")

    def progress(self, stage: str, fraction: float | None, message: str) -> None:
        self.send("progress", stage=stage, fraction=fraction, message=message)


def main() -> int:
    """Run the job on standard input; return the exit code, 0 when the results are written."""
    channel = Channel.take_over_stdout()
    limits: dict[str, Any] = {}
    try:
        job = json.load(sys.stdin)
        limits = job["limits"]
        isolation = enter_sandbox(limits, job["parent_pid"])
        channel.send("progress", stage="loading", fraction=0.0, message=isolation, isolation=isolation)
        # Only now: numpy's libraries start threads, and the sandbox must come before them.
        fitting = importlib.import_module("benchmarks.fitting")
        finished = fitting.run_job(job, channel.progress)
    except Exception as error:  # noqa: BLE001 - every failure must reach the run's page
        channel.send("failed", reason=plain_reason(error, limits), traceback=_traceback())
        return 1
    channel.send("done", **finished)
    return 0


def plain_reason(error: BaseException, limits: dict[str, Any]) -> str:
    """One line that says to the researcher what went wrong."""
    if isinstance(error, MemoryError):
        allowed = f"{int(limits.get('memory_bytes', 0)) / 2**20:,.0f} MB"
        return f"the training needed more memory than the {allowed} that a run may use"
    words = " ".join(str(error).split()) or "no further words"
    return f"{type(error).__name__}: {words}"[:LONGEST_REASON]


def _traceback() -> str:
    return traceback.format_exc()[-LONGEST_TRACEBACK:]


if __name__ == "__main__":
    sys.exit(main())
