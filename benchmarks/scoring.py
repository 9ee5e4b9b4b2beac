"""Score predicted labels against the true ones. Pure: arrays in, numbers out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from annotate.intervals import wilson_interval

# Part of every stored score; raise it when a change here could change a number.
SCORER_VERSION = "1"


class PredictionsError(ValueError):
    """Predictions cannot be scored; the text says what is wrong with them."""


@dataclass(frozen=True)
class Score:
    """How well n predictions do.

    `accuracy` is correct / n, `interval` its 95 % Wilson interval. `per_class_recall` has one entry per
    class, None where no image has that class. `confusion` is (n_classes, n_classes): rows are true classes,
    columns predicted ones.
    """

    n: int
    correct: int
    accuracy: float
    interval: tuple[float, float]
    per_class_recall: tuple[float | None, ...]
    confusion: NDArray[np.int64]


def check_predictions(predictions: ArrayLike, n: int, n_classes: int) -> NDArray[np.int64]:
    """The predictions as an (n,) int64 array of classes in [0, n_classes).

    Raises PredictionsError for another shape, for values that are no whole numbers and for unknown classes,
    naming the first bad row.
    """
    try:
        found = np.asarray(predictions)
    except ValueError as error:
        raise PredictionsError("the predictions are not one list of numbers") from error
    if found.shape != (n,):
        raise PredictionsError(f"{n} predictions are needed, the shape is {found.shape}")
    if not np.issubdtype(found.dtype, np.integer):
        raise PredictionsError(f"the predictions must be whole numbers, not {found.dtype}")
    bad = np.flatnonzero((found < 0) | (found >= n_classes))
    if bad.size:
        row = int(bad[0])
        raise PredictionsError(f"row {row} predicts class {found[row]}; known are 0 to {n_classes - 1}")
    return found.astype(np.int64)


def score(predictions: ArrayLike, truth: ArrayLike, n_classes: int) -> Score:
    """Score (n,) predicted classes against (n,) true ones, n at least 1.

    Raises PredictionsError as `check_predictions` does, and ValueError for a truth that is no such array.
    """
    true = np.asarray(truth)
    if true.ndim != 1 or not len(true) or not np.issubdtype(true.dtype, np.integer):
        raise ValueError("the truth must be a list of at least one class")
    if true.min() < 0 or true.max() >= n_classes:
        raise ValueError(f"the truth holds classes outside 0 to {n_classes - 1}")
    predicted = check_predictions(predictions, len(true), n_classes)
    pairs = true.astype(np.int64) * n_classes + predicted
    confusion = np.bincount(pairs, minlength=n_classes * n_classes).reshape(n_classes, n_classes)
    right, images = confusion.diagonal(), confusion.sum(axis=1)
    correct, n = int(right.sum()), len(true)
    return Score(
        n=n,
        correct=correct,
        accuracy=correct / n,
        interval=wilson_interval(correct, n),
        per_class_recall=tuple(
            int(hits) / int(total) if total else None for hits, total in zip(right, images, strict=True)
        ),
        confusion=confusion.astype(np.int64),
    )
