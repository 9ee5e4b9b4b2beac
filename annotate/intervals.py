"""Confidence intervals for proportions. Pure: floats in, floats out."""

from __future__ import annotations

from math import sqrt

from scipy.special import ndtri


def wilson_interval(successes: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927, JASA 22:209), without continuity correction.

    `successes` may be fractional (an expected count under random tie-breaks) and lies in [0, n].
    Returns (low, high), both in [0, 1]. Raises ValueError for n < 1 or values out of range.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}")
    if not 0 <= successes <= n:
        raise ValueError(f"successes must be between 0 and n={n}, not {successes}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")
    z = float(ndtri(0.5 + confidence / 2))
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At 0 and n the bound is exact in theory; rounding must not push it past the observed share.
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))
