"""Scores against scikit-learn's own metrics."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import accuracy_score, confusion_matrix, recall_score

from annotate.intervals import wilson_interval
from benchmarks.scoring import PredictionsError, check_predictions, score

PAIRS = st.integers(1, 60).flatmap(
    lambda n: st.tuples(*[arrays.arrays(np.uint8, n, elements=st.integers(0, 5))] * 2)
)


@given(PAIRS)
@settings(deadline=None, max_examples=50)
def test_a_score_equals_the_metrics_of_scikit_learn(pair: tuple[np.ndarray, np.ndarray]) -> None:
    truth, predictions = pair
    result = score(predictions, truth, 6)
    assert result.accuracy == accuracy_score(truth, predictions)
    assert (result.n, result.correct) == (len(truth), int((truth == predictions).sum()))
    np.testing.assert_array_equal(result.confusion, confusion_matrix(truth, predictions, labels=range(6)))
    recalls = recall_score(truth, predictions, labels=range(6), average=None, zero_division=0)
    for label in range(6):
        recall = result.per_class_recall[label]
        assert (recall is None) == (label not in truth)
        assert recall is None or recall == pytest.approx(recalls[label], abs=1e-15)


def test_the_interval_is_the_wilson_interval_of_the_accuracy() -> None:
    truth = np.zeros(1000, dtype=np.uint8)
    predictions = np.where(np.arange(1000) < 835, 0, 1)
    result = score(predictions, truth, 2)
    assert result.accuracy == 0.835
    assert result.interval == wilson_interval(835, 1000)
    assert result.interval == pytest.approx((0.8107, 0.8567), abs=1e-4)


@pytest.mark.parametrize(
    ("predictions", "words"),
    [
        ([0, 1], "3 predictions are needed"),
        ([[0, 1, 2]], r"shape is \(1, 3\)"),
        ([0, 1.5, 2], "whole numbers, not float64"),
        ([True, False, True], "whole numbers, not bool"),
        (["a", "b", "c"], "whole numbers"),
        ([0, 5, 9], "row 1 predicts class 5; known are 0 to 4"),
        ([0, 1, -1], "row 2 predicts class -1"),
        ([[0], [1, 2]], "not one list of numbers"),
        (np.array([2**63, 0, 0], dtype=np.uint64), "row 0 predicts class 9223372036854775808"),
    ],
)
def test_bad_predictions_are_refused_with_the_first_bad_row(predictions: object, words: str) -> None:
    with pytest.raises(PredictionsError, match=words):
        check_predictions(predictions, 3, 5)  # type: ignore[arg-type]


@pytest.mark.parametrize("truth", [[], [0.5], [7], [-1], [[0]]])
def test_a_truth_that_is_no_list_of_classes_is_refused(truth: object) -> None:
    with pytest.raises(ValueError, match="truth"):
        score([0], truth, 5)  # type: ignore[arg-type]
