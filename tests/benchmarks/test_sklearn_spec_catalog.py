"""The catalog against the installed scikit-learn: complete, usable, and its clashes real."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.utils import all_estimators

from benchmarks.sklearn_catalog import (
    CATALOG,
    NOT_OFFERED,
    catalog_for_docs,
    estimator_class,
    names,
    parameter_rules,
    refusal,
)
from benchmarks.sklearn_spec import SpecError, build_pipeline, validate_spec

N_TRAIN = 300


@pytest.fixture(scope="module")
def digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    images, labels = load_digits(return_X_y=True)
    return images[:N_TRAIN], labels[:N_TRAIN]


def spec_of(name: str, params: dict[str, Any]) -> dict[str, Any]:
    steps = [{"name": name, "params": params}]
    if CATALOG[name].role == "preprocessing":
        steps.append({"name": "NearestCentroid", "params": {}})
    return validate_spec({"steps": steps}, n_train=N_TRAIN, n_features=64, n_classes=10)


def test_every_classifier_of_scikit_learn_is_offered_or_left_out_for_a_reason() -> None:
    known = {name for name, _ in all_estimators(type_filter="classifier")}
    offered = set(names("classifier"))
    assert known - offered == set(NOT_OFFERED)
    assert not offered & set(NOT_OFFERED)


@pytest.mark.parametrize("name", list(CATALOG))
def test_every_refused_parameter_has_a_reason_and_no_rule_is_empty(name: str) -> None:
    rules = parameter_rules(name)
    assert set(rules) == set(estimator_class(name)().get_params(deep=False))
    for parameter, own in rules.items():
        assert refusal(parameter).startswith("leave it out: ") or own
        assert all(rule.text for rule in own)


def test_the_page_data_name_every_estimator_with_its_parameters() -> None:
    data = {entry["name"]: entry for entry in catalog_for_docs()}
    assert list(data) == [*names("preprocessing"), *names("classifier")]
    c = next(item for item in data["SVC"]["params"] if item["name"] == "C")
    assert c == {"name": "C", "default": "1.0", "allowed": "a float in (0, inf)"}
    assert {"name": "n_jobs", "reason": refusal("n_jobs")} in data["RandomForestClassifier"]["refused"]


CLASHES = [
    ("LogisticRegression", {"solver": "liblinear"}, "solver"),
    ("LogisticRegression", {"penalty": "l1"}, "penalty"),
    ("LogisticRegression", {"l1_ratio": 1.0}, "l1_ratio"),
    ("LogisticRegression", {"penalty": "elasticnet", "solver": "saga", "l1_ratio": None}, "l1_ratio"),
    ("LogisticRegression", {"dual": True}, "dual"),
    ("LinearSVC", {"penalty": "l1", "loss": "hinge"}, "loss"),
    ("LinearSVC", {"penalty": "l1", "dual": True}, "dual"),
    ("LinearSVC", {"loss": "hinge", "dual": False}, "dual"),
    ("SVC", {"break_ties": True, "decision_function_shape": "ovo"}, "break_ties"),
    ("SGDClassifier", {"alpha": 0.0}, "alpha"),
    ("SGDClassifier", {"learning_rate": "pa1", "loss": "log_loss"}, "loss"),
    ("SGDClassifier", {"penalty": "elasticnet", "l1_ratio": None}, "l1_ratio"),
    ("RidgeClassifier", {"positive": True, "solver": "svd"}, "solver"),
    ("RidgeClassifier", {"solver": "lbfgs"}, "solver"),
    ("PCA", {"n_components": 65}, "n_components"),
    ("PCA", {"n_components": 64, "svd_solver": "arpack"}, "n_components"),
    ("PCA", {"n_components": 0.9, "svd_solver": "randomized"}, "n_components"),
    ("PCA", {"n_components": "mle", "svd_solver": "arpack"}, "n_components"),
    ("QuantileTransformer", {"n_quantiles": 50, "subsample": 40}, "n_quantiles"),
    ("KNeighborsClassifier", {"n_neighbors": N_TRAIN + 1}, "n_neighbors"),
    ("KNeighborsClassifier", {"metric": "cosine", "algorithm": "kd_tree"}, "metric"),
    ("KNeighborsClassifier", {"p": 0.5, "algorithm": "ball_tree"}, "p"),
    ("RandomForestClassifier", {"bootstrap": False, "oob_score": True}, "oob_score"),
    ("RandomForestClassifier", {"bootstrap": False, "max_samples": 0.5}, "max_samples"),
    ("BaggingClassifier", {"bootstrap": False, "max_samples": N_TRAIN + 1}, "max_samples"),
    ("BaggingClassifier", {"bootstrap": False, "oob_score": True}, "oob_score"),
    ("BaggingClassifier", {"max_features": 65}, "max_features"),
    ("GradientBoostingClassifier", {"loss": "exponential"}, "loss"),
    ("LinearDiscriminantAnalysis", {"shrinkage": 0.5}, "shrinkage"),
    ("LinearDiscriminantAnalysis", {"n_components": 10}, "n_components"),
    ("QuadraticDiscriminantAnalysis", {"shrinkage": 0.5}, "shrinkage"),
    ("GaussianNB", {"priors": [0.5, 0.5]}, "priors"),
    ("DummyClassifier", {"strategy": "constant"}, "constant"),
]


@pytest.mark.parametrize(("name", "params", "blamed"), CLASHES)
def test_what_is_refused_as_a_clash_fails_in_scikit_learn_too(
    name: str,
    params: dict[str, Any],
    blamed: str,
    digits: tuple[NDArray[np.float64], NDArray[np.int64]],
) -> None:
    with pytest.raises(SpecError) as caught:
        spec_of(name, params)
    assert caught.value.field == f"steps[0].params.{blamed}"
    images, labels = digits
    with pytest.raises((ValueError, NotImplementedError)):  # noqa: PT012 - some fail only when they predict
        estimator = estimator_class(name)(**params).fit(images, labels)
        estimator.predict(images)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("LogisticRegression", {"solver": "saga", "penalty": "l1", "max_iter": 2}),
        ("LogisticRegression", {"solver": "saga", "l1_ratio": 0.5, "max_iter": 2}),
        ("LogisticRegression", {"penalty": None, "max_iter": 2}),
        ("LinearSVC", {"penalty": "l1", "max_iter": 2}),
        ("LinearSVC", {"loss": "hinge", "multi_class": "crammer_singer", "penalty": "l1", "max_iter": 2}),
        ("PCA", {"n_components": 64, "svd_solver": "randomized"}),
        ("PCA", {"n_components": 0.9}),
        ("PCA", {"n_components": "mle"}),
        ("KNeighborsClassifier", {"metric": "cosine"}),
        ("KNeighborsClassifier", {"p": 0.5, "algorithm": "brute"}),
        ("RandomForestClassifier", {"n_estimators": 2, "max_samples": 0.5, "oob_score": True}),
        ("BaggingClassifier", {"n_estimators": 2, "max_samples": N_TRAIN, "bootstrap": False}),
        ("LinearDiscriminantAnalysis", {"solver": "lsqr", "shrinkage": "auto"}),
        ("LinearDiscriminantAnalysis", {"n_components": 9}),
        ("RidgeClassifier", {"positive": True}),
        ("RidgeClassifierCV", {"alphas": [0.1, 10]}),
        ("GaussianNB", {"priors": [0.1] * 10}),
        ("CategoricalNB", {"min_categories": 17}),
        ("SVC", {"break_ties": True, "gamma": 0.001}),
        ("SGDClassifier", {"learning_rate": "pa1", "max_iter": 2}),
        ("DummyClassifier", {"strategy": "constant", "constant": 3}),
        ("MLPClassifier", {"hidden_layer_sizes": [10, 10], "max_iter": 2}),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_is_accepted_trains(
    name: str, params: dict[str, Any], digits: tuple[NDArray[np.float64], NDArray[np.int64]]
) -> None:
    images, labels = digits
    estimator = build_pipeline(spec_of(name, params), 0).fit(images, labels)
    assert estimator.predict(images).shape == (N_TRAIN,)
