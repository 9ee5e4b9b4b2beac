"""Drawing the test images of a study. Pure, and the same on every machine for the same seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntArray = NDArray[np.int64]


def simple_sample(n_available: int, n: int, seed: int) -> IntArray:
    """n of n_available indices without replacement, every subset equally likely, in random order.

    Raises ValueError unless 1 <= n <= n_available.
    """
    _check_size(n, n_available)
    return random_order(n_available, seed)[:n]


def stratified_sample(labels: ArrayLike, n: int, seed: int) -> IntArray:
    """n indices of `labels` whose classes stand in the proportions of the whole, in random order.

    Each class gets its proportional share rounded down; the places left go to the largest remainders (ties
    between equal remainders are drawn at random). Raises ValueError unless 1 <= n <= len(labels).
    """
    classes = np.asarray(labels)
    _check_size(n, len(classes))
    values, counts = np.unique(classes, return_counts=True)
    exact = counts * n / len(classes)
    take = np.floor(exact).astype(np.int64)
    by_remainder = np.lexsort((random_order(len(values), seed), take - exact))
    take[by_remainder[: n - take.sum()]] += 1
    order = random_order(len(classes), seed)
    ranks_within_class = _ranks_within_class(np.searchsorted(values, classes[order]))
    chosen = ranks_within_class < take[np.searchsorted(values, classes[order])]
    return order[chosen]


def random_order(n: int, seed: int) -> IntArray:
    """A random permutation of 0..n-1 that depends on the seed alone.

    The raw 64-bit stream of PCG64 is fixed for all numpy versions, unlike the methods of a Generator.
    """
    keys = np.atleast_1d(np.random.PCG64(seed).random_raw(n))
    return np.argsort(keys, kind="stable").astype(np.int64)


def _ranks_within_class(classes: IntArray) -> IntArray:
    """How many earlier entries have the same class, for each entry."""
    by_class = np.argsort(classes, kind="stable")
    sizes = np.bincount(classes)
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    ranks = np.empty(len(classes), dtype=np.int64)
    ranks[by_class] = np.arange(len(classes)) - starts
    return ranks


def _check_size(n: int, n_available: int) -> None:
    if not 1 <= n <= n_available:
        raise ValueError(f"images: {n} is not possible; allowed: 1 to {n_available}")
