"""Wilson's interval against scipy's, and what must hold for every proportion."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from annotate.intervals import wilson_interval

confidences = st.floats(0.5, 0.9999)


@st.composite
def whole_counts(draw: st.DrawFn) -> tuple[int, int]:
    n = draw(st.integers(1, 1_000_000))
    return draw(st.integers(0, n)), n


@st.composite
def fractional_counts(draw: st.DrawFn) -> tuple[float, int]:
    n = draw(st.integers(1, 20_000))
    return draw(st.floats(0, n)), n


@given(whole_counts(), confidences)
def test_it_equals_scipys_interval(counts: tuple[int, int], confidence: float) -> None:
    successes, n = counts
    expected = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    low, high = wilson_interval(successes, n, confidence)
    assert low == pytest.approx(expected.low, abs=1e-12)
    assert high == pytest.approx(expected.high, abs=1e-12)


@given(fractional_counts(), confidences)
def test_it_lies_within_0_and_1_and_holds_the_observed_share(
    counts: tuple[float, int], confidence: float
) -> None:
    successes, n = counts
    low, high = wilson_interval(successes, n, confidence)
    assert 0 <= low <= successes / n <= high <= 1


@given(fractional_counts(), st.floats(0, 1), confidences)
def test_more_successes_never_lower_a_bound(
    counts: tuple[float, int], step: float, confidence: float
) -> None:
    fewer, n = counts
    more = fewer + step * (n - fewer)
    low, high = wilson_interval(fewer, n, confidence)
    low_of_more, high_of_more = wilson_interval(min(more, n), n, confidence)
    assert low_of_more >= low - 1e-12
    assert high_of_more >= high - 1e-12


@given(fractional_counts(), confidences)
def test_successes_and_failures_mirror_each_other(counts: tuple[float, int], confidence: float) -> None:
    successes, n = counts
    low, high = wilson_interval(successes, n, confidence)
    low_of_failures, high_of_failures = wilson_interval(n - successes, n, confidence)
    assert low_of_failures == pytest.approx(1 - high, abs=1e-9)
    assert high_of_failures == pytest.approx(1 - low, abs=1e-9)


@given(fractional_counts())
def test_more_confidence_is_a_wider_interval(counts: tuple[float, int]) -> None:
    low, high = wilson_interval(*counts, 0.9)
    wider_low, wider_high = wilson_interval(*counts, 0.99)
    assert wider_low <= low + 1e-12
    assert wider_high >= high - 1e-12


def test_a_fraction_lies_between_its_whole_neighbours() -> None:
    bounds = [wilson_interval(successes, 40) for successes in (33, 33.5, 34)]
    assert bounds[0][0] < bounds[1][0] < bounds[2][0]
    assert bounds[0][1] < bounds[1][1] < bounds[2][1]


def test_the_published_human_row_gets_its_interval() -> None:
    low, high = wilson_interval(835, 1000)
    assert (round(low, 4), round(high, 4)) == (0.8107, 0.8567)


@pytest.mark.parametrize(
    ("successes", "n", "confidence", "named"),
    [
        (0, 0, 0.95, "n must be at least 1, not 0"),
        (0, -3, 0.95, "n must be at least 1, not -3"),
        (-0.5, 10, 0.95, "successes must be between 0 and n=10, not -0.5"),
        (10.5, 10, 0.95, "successes must be between 0 and n=10, not 10.5"),
        (float("nan"), 10, 0.95, "successes must be between"),
        (5, 10, 0.0, "confidence must be between 0 and 1, not 0.0"),
        (5, 10, 1.0, "confidence must be between 0 and 1, not 1.0"),
        (5, 10, float("nan"), "confidence must be between"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    successes: float, n: int, confidence: float, named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        wilson_interval(successes, n, confidence)
