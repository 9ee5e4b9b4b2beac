"""What goes into a training run and what comes out of it, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Status = Literal["done", "failed", "timed_out", "stopped"]


@dataclass(frozen=True)
class Limits:
    """What a run may use at most: wall and CPU seconds, resident bytes, bytes per file, tasks.

    `processes` counts processes and threads together, as the kernel does.
    """

    wall_seconds: float
    cpu_seconds: int
    memory_bytes: int
    file_bytes: int
    processes: int


@dataclass(frozen=True)
class TrainingJob:
    """What to train on what: a validated spec and .npy files, images (n, ...) and labels (n,).

    `scratch` is where the private folder is made; None is the system's temporary folder.
    """

    spec: Mapping[str, Any]
    seed: int
    train_images: Path
    train_labels: Path
    test_images: Path
    n_classes: int
    threads: int = 1
    scratch: Path | None = None


@dataclass(frozen=True)
class Tick:
    """The state of a run while it runs; `fraction` is from 0 to 1, or None while nobody can tell."""

    stage: str
    fraction: float | None
    message: str
    log_tail: str
    rss_bytes: int
    elapsed_seconds: float


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `reason` is empty for `done` and one plain line for the others.

    `predictions` (n_test,) int64 and `probabilities` (n_test, n_classes) float32 are there only for `done`,
    the latter only where the estimator gives them cheaply.
    """

    status: Status
    reason: str
    log_tail: str
    wall_seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    versions: dict[str, str]
    isolation: str
    predictions: NDArray[np.int64] | None = None
    probabilities: NDArray[np.float32] | None = None
    train_seconds: float | None = None
    predict_seconds: float | None = None
    traceback: str = ""
