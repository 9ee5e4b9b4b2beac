"""A simulated crowd: answers drawn from a stated, seeded confusion matrix. Pure.

It exists for rehearsals and demonstrations. What it answers is stored as simulated and never stands for
people.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

MEAN_LOG_MILLISECONDS = math.log(1400)
SPREAD_LOG_MILLISECONDS = 0.45


def crowd_confusion(n_classes: int, accuracy: float, seed: int) -> FloatArray:
    """(n_classes, n_classes) chance of each answer (column) given the true class (row); rows sum to 1.

    The diagonal is `accuracy` in every row. The rest of a row goes to the other classes in proportions drawn
    once from the seed, most of it to a few classes, as with people who mix up particular pairs.
    Raises ValueError unless n_classes >= 2 and 0 <= accuracy <= 1.
    """
    if n_classes < 2 or not 0 <= accuracy <= 1:
        raise ValueError(
            f"a crowd needs 2 classes or more and an accuracy in [0, 1], not {n_classes}, {accuracy}"
        )
    source = random.Random(f"confusion:{seed}")  # noqa: S311  a simulation, and the same on every machine
    matrix = np.zeros((n_classes, n_classes))
    for true_class in range(n_classes):
        weights = [source.random() ** 4 if other != true_class else 0.0 for other in range(n_classes)]
        matrix[true_class] = (1 - accuracy) * np.array(weights) / sum(weights)
        matrix[true_class, true_class] = accuracy
    return matrix


@dataclass
class SimulatedPerson:
    """Draws answers and response times; `number` makes each person of a crowd a different stream."""

    confusion: FloatArray
    seed: int
    number: int

    def __post_init__(self) -> None:
        self._source = random.Random(f"person:{self.seed}:{self.number}")  # noqa: S311

    def answer(self, true_class: int) -> int:
        """A class drawn from the true class's row of the confusion matrix."""
        classes = range(len(self.confusion))
        return self._source.choices(classes, weights=self.confusion[true_class].tolist())[0]

    def milliseconds(self) -> int:
        """A log-normal response time, as measured ones roughly are; about 1.4 s in the middle."""
        return round(self._source.lognormvariate(MEAN_LOG_MILLISECONDS, SPREAD_LOG_MILLISECONDS))
