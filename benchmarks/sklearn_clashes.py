"""Parameters that are fine one by one and fail together, found before a run is queued.

Each check repeats a rule that scikit-learn applies only while fitting. Values are complete: the submitted
ones over scikit-learn's defaults.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from typing import Any

Values = Mapping[str, Any]

MOST_MLP_WEIGHTS = 20_000_000


@dataclass(frozen=True)
class Sizes:
    """What a step gets: training images after the subset, features after the steps before it, classes."""

    n_train: int
    n_features: int
    n_classes: int


@dataclass(frozen=True)
class Clash:
    """The parameter to blame and, in words, what it may be beside the others."""

    parameter: str
    allowed: str


def find_clash(name: str, values: Values, sizes: Sizes) -> Clash | None:
    """The first clash of an estimator's parameters with each other or with the sizes, if there is one."""
    for check in (_against_sizes, *_CHECKS.get(name, ())):
        clash = check(values, sizes)
        if clash is not None:
            return clash
    return None


def features_after(name: str, values: Values, sizes: Sizes) -> int:
    """How many features a preprocessing step hands on; for PCA by share of variance the most it may be."""
    if name != "PCA":
        return sizes.n_features
    most = min(sizes.n_features, sizes.n_train)
    components = values.get("n_components")
    return components if isinstance(components, int) else most


def _against_sizes(values: Values, sizes: Sizes) -> Clash | None:
    limits = {
        "max_features": (sizes.n_features, "features"),
        "max_samples": (sizes.n_train, "training images"),
        "n_neighbors": (sizes.n_train, "training images"),
    }
    for parameter, (most, what) in limits.items():
        value = values.get(parameter)
        if isinstance(value, int) and value > most:
            return Clash(parameter, f"an int in [1, {most}], the number of {what}")
    for parameter in ("priors", "class_prior"):
        value = values.get(parameter)
        if isinstance(value, list) and len(value) != sizes.n_classes:
            return Clash(parameter, f"a list of {sizes.n_classes} probabilities, one per class")
    return None


def _logistic_regression(values: Values, sizes: Sizes) -> Clash | None:
    solver, penalty = values["solver"], _logistic_penalty(values)
    blame = "penalty" if values["penalty"] != "deprecated" else "l1_ratio"
    if solver == "liblinear" and sizes.n_classes > 2:
        return Clash("solver", "any but 'liblinear', which knows two classes only")
    if solver not in ("liblinear", "saga") and penalty not in ("l2", None):
        return Clash(blame, f"an L2 penalty or none with solver '{solver}'; 'saga' knows the others")
    if solver == "liblinear" and penalty in ("elasticnet", None):
        return Clash(blame, "an L1 or an L2 penalty with solver 'liblinear'")
    if values["dual"] and solver != "liblinear":
        return Clash("dual", f"false with solver '{solver}'")
    if values["dual"] and penalty != "l2":
        return Clash("dual", "false without an L2 penalty")
    if penalty == "elasticnet" and values["l1_ratio"] is None:
        return Clash("l1_ratio", "a float in [0, 1] with penalty 'elasticnet'")
    return None


def _logistic_penalty(values: Values) -> str | None:
    # Since scikit-learn 1.8 the penalty follows from l1_ratio unless the old parameter is given.
    if values["penalty"] != "deprecated":
        return None if values["penalty"] is None else str(values["penalty"])
    if values["l1_ratio"] in (None, 0):
        return "l2"
    return "l1" if values["l1_ratio"] == 1 else "elasticnet"


def _linear_svc(values: Values, _sizes: Sizes) -> Clash | None:
    penalty, loss, dual = values["penalty"], values["loss"], values["dual"]
    if values["multi_class"] == "crammer_singer":
        return None  # it ignores the three
    if penalty == "l1" and loss == "hinge":
        return Clash("loss", "'squared_hinge' with penalty 'l1'")
    if penalty == "l1" and dual is True:
        return Clash("dual", "false or 'auto' with penalty 'l1'")
    if loss == "hinge" and dual is False:
        return Clash("dual", "true or 'auto' with loss 'hinge'")
    return None


def _kernel_svc(values: Values, _sizes: Sizes) -> Clash | None:
    if values["break_ties"] and values["decision_function_shape"] == "ovo":
        return Clash("break_ties", "false with decision_function_shape 'ovo'")
    return None


def _sgd(values: Values, _sizes: Sizes) -> Clash | None:
    if values["learning_rate"] == "optimal" and values["alpha"] == 0:
        return Clash("alpha", "a float in (0, inf) with learning_rate 'optimal'")
    if values["learning_rate"] in ("pa1", "pa2") and values["loss"] != "hinge":
        return Clash("loss", f"'hinge' with learning_rate '{values['learning_rate']}'")
    if values["penalty"] == "elasticnet" and values["l1_ratio"] is None:
        return Clash("l1_ratio", "a float in [0, 1] with penalty 'elasticnet'")
    return None


def _ridge(values: Values, _sizes: Sizes) -> Clash | None:
    if values["positive"] and values["solver"] not in ("auto", "lbfgs"):
        return Clash("solver", "'auto' or 'lbfgs' with positive true")
    if values["solver"] == "lbfgs" and not values["positive"]:
        return Clash("solver", "any but 'lbfgs' unless positive is true")
    return None


def _pca(values: Values, sizes: Sizes) -> Clash | None:
    components, solver = values["n_components"], values["svd_solver"]
    most = min(sizes.n_train, sizes.n_features) - (solver == "arpack")
    if isinstance(components, int) and components > most:
        return Clash("n_components", f"an int in [1, {most}], the training images and features given")
    iterative = solver in ("arpack", "randomized")
    if iterative and isinstance(components, float | str):
        return Clash("n_components", f"an int in [1, {most}] with svd_solver '{solver}'")
    if components == "mle" and sizes.n_train < sizes.n_features:
        return Clash("n_components", f"'mle' needs at least {sizes.n_features} training images")
    return None


def _quantile_transformer(values: Values, _sizes: Sizes) -> Clash | None:
    subsample = values["subsample"]
    if subsample is not None and values["n_quantiles"] > subsample:
        return Clash("n_quantiles", f"an int in [1, {subsample}], the subsample")
    return None


def _neighbors(values: Values, _sizes: Sizes) -> Clash | None:
    algorithm, metric = values["algorithm"], values["metric"]
    valid = import_module("sklearn.neighbors").VALID_METRICS  # deferred: see sklearn_catalog
    if algorithm != "auto" and metric not in valid[algorithm]:
        return Clash("metric", f"a metric of algorithm '{algorithm}', or algorithm 'brute'")
    small_p = metric == "minkowski" and isinstance(values["p"], int | float) and values["p"] < 1
    if small_p and algorithm in ("ball_tree", "kd_tree"):
        return Clash("p", f"a float in [1, inf) with algorithm '{algorithm}'")
    return None


def _bootstrap(values: Values, _sizes: Sizes) -> Clash | None:
    if values["oob_score"] and not values["bootstrap"]:
        return Clash("oob_score", "false unless bootstrap is true")
    return None


def _forest(values: Values, _sizes: Sizes) -> Clash | None:
    if values["max_samples"] is not None and not values["bootstrap"]:
        return Clash("max_samples", "null unless bootstrap is true")
    return None


def _gradient_boosting(values: Values, sizes: Sizes) -> Clash | None:
    if values["loss"] == "exponential" and sizes.n_classes > 2:
        return Clash("loss", "'log_loss' with more than two classes")
    return None


def _discriminant(values: Values, sizes: Sizes) -> Clash | None:
    if values["solver"] == "svd" and values["shrinkage"] is not None:
        return Clash("shrinkage", "null with solver 'svd'")
    components, most = values.get("n_components"), min(sizes.n_features, sizes.n_classes - 1)
    if isinstance(components, int) and components > most:
        return Clash("n_components", f"an int in [1, {most}], at most one less than the classes")
    return None


def _mlp(values: Values, sizes: Sizes) -> Clash | None:
    hidden = values["hidden_layer_sizes"]
    widths = [sizes.n_features, *([hidden] if isinstance(hidden, int) else hidden), sizes.n_classes]
    weights = sum(left * right for left, right in pairwise(widths))
    if weights > MOST_MLP_WEIGHTS:
        return Clash("hidden_layer_sizes", f"layers of together at most {MOST_MLP_WEIGHTS:,} weights")
    return None


def _dummy(values: Values, sizes: Sizes) -> Clash | None:
    constant, most = values["constant"], sizes.n_classes - 1
    if values["strategy"] == "constant" and not (isinstance(constant, int) and constant <= most):
        return Clash("constant", f"an int in [0, {most}] with strategy 'constant'")
    return None


_CHECKS: Mapping[str, tuple[Callable[[Values, Sizes], Clash | None], ...]] = {
    "LogisticRegression": (_logistic_regression,),
    "LinearSVC": (_linear_svc,),
    "SVC": (_kernel_svc,),
    "NuSVC": (_kernel_svc,),
    "SGDClassifier": (_sgd,),
    "RidgeClassifier": (_ridge,),
    "PCA": (_pca,),
    "QuantileTransformer": (_quantile_transformer,),
    "KNeighborsClassifier": (_neighbors,),
    "RandomForestClassifier": (_bootstrap, _forest),
    "ExtraTreesClassifier": (_bootstrap, _forest),
    "BaggingClassifier": (_bootstrap,),
    "GradientBoostingClassifier": (_gradient_boosting,),
    "LinearDiscriminantAnalysis": (_discriminant,),
    "QuadraticDiscriminantAnalysis": (_discriminant,),
    "MLPClassifier": (_mlp,),
    "DummyClassifier": (_dummy,),
}
