"""Which scikit-learn estimators a submission may name, and what their parameters may be.

Everything is allow-listed. scikit-learn itself is imported only when a parameter has to be looked up: it
takes over a second, and most pages, commands and workers never ask.
"""

import functools
import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any, Literal

from benchmarks.sklearn_rules import (
    Bound,
    Choice,
    LayerSizes,
    Nothing,
    Number,
    PositiveNumbers,
    Rule,
    Shares,
    Span,
    Whole,
    bounds_for,
    in_words,
    rules_from,
)

PREPROCESSING: Literal["preprocessing"] = "preprocessing"
CLASSIFIER: Literal["classifier"] = "classifier"

# A step of this name is no step: forms can offer it as a choice.
NO_STEP = "none"

# Refused by name, with the reason: what these say is decided for all runs alike.
PLATFORM_DECIDED: Mapping[str, str] = MappingProxyType(
    {
        "random_state": "leave it out: the seed of the run is used",
        "n_jobs": "leave it out: the platform decides how many cores a run uses",
        "verbose": "leave it out: the platform reports the progress",
        "warm_start": "leave it out: every run trains once, from nothing",
        "memory": "leave it out: a run keeps no files",
        "cache_size": "leave it out: the platform decides the memory of a run",
        "copy": "leave it out: the platform decides the memory of a run",
        "copy_X": "leave it out: the platform decides the memory of a run",
        "copy_X_train": "leave it out: the platform decides the memory of a run",
        "store_covariance": "leave it out: only predictions leave a run",
        "store_cv_results": "leave it out: only predictions leave a run",
        "categorical_features": "leave it out: pixels are numbers",
        "ignore_implicit_zeros": "leave it out: images are never sparse here",
    }
)
NOT_IN_JSON = "leave it out: it takes an object that a spec cannot carry"

_BOUNDS: Mapping[str, Bound] = MappingProxyType(
    {
        "n_estimators": Bound(most_whole=2000),
        "max_iter": Bound(most_whole=10_000),
        "max_fun": Bound(most_whole=1_000_000),
        "max_iter_predict": Bound(most_whole=1000),
        "max_depth": Bound(most_whole=10_000),
        "max_leaf_nodes": Bound(most_whole=100_000),
        "max_samples": Bound(most_real=1.0),
        "leaf_size": Bound(most_whole=100_000),
        "n_quantiles": Bound(most_whole=10_000),
        "n_components": Bound(least_whole=1),
        "n_oversamples": Bound(most_whole=1000),
        "iterated_power": Bound(most_whole=100),
        "n_restarts_optimizer": Bound(most_whole=5),
        "degree": Bound(most_whole=20),
    }
)

_EXTRA_RULES: Mapping[str, tuple[Rule, ...]] = MappingProxyType(
    {"priors": (Shares(),), "class_prior": (Shares(),)}
)


@dataclass(frozen=True)
class Entry:
    """One estimator of the allow-list.

    `only` replaces the rules of a parameter; `row_wise` says that predicting images in blocks gives, bit for
    bit, what one call gives; `probabilities` that predict_proba costs little beside the rest of the run;
    `most_images` bounds the training images where time or memory would otherwise run away.
    """

    name: str
    module: str
    role: Literal["preprocessing", "classifier"]
    summary: str
    row_wise: bool = False
    probabilities: bool = False
    most_images: int | None = None
    only: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)
    bounds: Mapping[str, Bound] = field(default_factory=dict)


_METRICS = (
    "braycurtis", "canberra", "chebyshev", "cityblock", "correlation", "cosine", "euclidean", "l1", "l2",
    "manhattan", "minkowski", "sqeuclidean",
)  # fmt: skip
_KERNELS = Choice(("linear", "poly", "rbf", "sigmoid"))
_SVM_BOUNDS = {"max_iter": Bound(least_whole=-1, most_whole=1_000_000)}


def _step(name: str, module: str, summary: str, **more: Any) -> Entry:
    return Entry(name, f"sklearn.{module}", PREPROCESSING, summary, **more)


def _classifier(name: str, module: str, summary: str, **more: Any) -> Entry:
    return Entry(name, f"sklearn.{module}", CLASSIFIER, summary, **more)


_ENTRIES = (
    _step("StandardScaler", "preprocessing", "every pixel to mean 0 and standard deviation 1"),
    _step(
        "MinMaxScaler",
        "preprocessing",
        "every pixel to a range, [0, 1] unless said",
        only={"feature_range": (Span(),)},
    ),
    _step("Normalizer", "preprocessing", "every image to length 1"),
    _step("PCA", "decomposition", "the principal components of the training images"),
    _step("QuantileTransformer", "preprocessing", "every pixel to its quantile among the training images"),
    _classifier("LogisticRegression", "linear_model", "multinomial logistic regression", probabilities=True),
    _classifier("SGDClassifier", "linear_model", "linear models by stochastic gradient descent"),
    _classifier("Perceptron", "linear_model", "the perceptron"),
    _classifier("PassiveAggressiveClassifier", "linear_model", "the passive-aggressive algorithm"),
    _classifier("RidgeClassifier", "linear_model", "least squares on the classes, with an L2 penalty"),
    _classifier(
        "RidgeClassifierCV",
        "linear_model",
        "RidgeClassifier that chooses alpha by leave-one-out",
        only={
            "alphas": (PositiveNumbers(50),),
            "cv": (Nothing(), Whole(2, 10)),
            "scoring": (Nothing(), Choice(("accuracy",))),
        },
    ),
    _classifier("LinearSVC", "svm", "linear support vectors", bounds={"max_iter": Bound(most_whole=100_000)}),
    _classifier(
        "SVC",
        "svm",
        "support vectors with a kernel",
        row_wise=True,
        probabilities=True,
        only={"kernel": (_KERNELS,)},
        bounds=_SVM_BOUNDS,
    ),
    _classifier(
        "NuSVC",
        "svm",
        "support vectors with a kernel, bounded share of errors",
        row_wise=True,
        probabilities=True,
        only={"kernel": (_KERNELS,)},
        bounds=_SVM_BOUNDS,
    ),
    _classifier(
        "KNeighborsClassifier",
        "neighbors",
        "vote of the nearest training images",
        row_wise=True,
        only={
            "metric": (Choice(_METRICS),),
            # scikit-learn lets null pass here and fails on it when it predicts.
            "n_neighbors": (Whole(1, 1000),),
            "p": (Number(0, math.inf, low_included=False, high_included=False),),
        },
    ),
    _classifier("NearestCentroid", "neighbors", "the class with the nearest mean image"),
    _classifier("GaussianNB", "naive_bayes", "naive Bayes, normal pixels", probabilities=True),
    _classifier("MultinomialNB", "naive_bayes", "naive Bayes, pixels as counts", probabilities=True),
    _classifier("ComplementNB", "naive_bayes", "naive Bayes on the other classes", probabilities=True),
    _classifier("BernoulliNB", "naive_bayes", "naive Bayes, pixels on or off", probabilities=True),
    _classifier(
        "CategoricalNB",
        "naive_bayes",
        "naive Bayes, every grey value a category (set min_categories to 256)",
        probabilities=True,
        bounds={"min_categories": Bound(most_whole=256)},
    ),
    _classifier("DecisionTreeClassifier", "tree", "one tree", row_wise=True, probabilities=True),
    _classifier(
        "ExtraTreeClassifier", "tree", "one tree of random splits", row_wise=True, probabilities=True
    ),
    _classifier(
        "RandomForestClassifier", "ensemble", "bagged random trees", row_wise=True, probabilities=True
    ),
    _classifier(
        "ExtraTreesClassifier", "ensemble", "a forest of random splits", row_wise=True, probabilities=True
    ),
    _classifier("GradientBoostingClassifier", "ensemble", "boosted trees", row_wise=True, probabilities=True),
    _classifier(
        "HistGradientBoostingClassifier",
        "ensemble",
        "boosted trees on binned pixels",
        row_wise=True,
        probabilities=True,
        only={
            "interaction_cst": (Nothing(), Choice(("no_interactions", "pairwise"))),
            "scoring": (Nothing(), Choice(("accuracy", "loss"))),
        },
    ),
    _classifier("AdaBoostClassifier", "ensemble", "boosted stumps", row_wise=True, probabilities=True),
    _classifier("BaggingClassifier", "ensemble", "bagged trees", row_wise=True, probabilities=True),
    _classifier(
        "MLPClassifier",
        "neural_network",
        "a net of dense layers",
        probabilities=True,
        only={"hidden_layer_sizes": (Whole(1, 4096), LayerSizes(10, 4096))},
    ),
    _classifier(
        "LinearDiscriminantAnalysis",
        "discriminant_analysis",
        "normal classes, one covariance",
        probabilities=True,
    ),
    _classifier(
        "QuadraticDiscriminantAnalysis",
        "discriminant_analysis",
        "normal classes, a covariance each",
        probabilities=True,
    ),
    _classifier(
        "GaussianProcessClassifier",
        "gaussian_process",
        "a Gaussian process, on at most 2,000 images",
        most_images=2000,
    ),
    _classifier(
        "DummyClassifier",
        "dummy",
        "looks at no image: the floor for every other model",
        probabilities=True,
        only={"constant": (Nothing(), Whole(0, 999))},
    ),
)

_TAKES_ANOTHER = "it takes another estimator, which a spec cannot hold yet"
_OWN_THRESHOLD = "it decides between two classes only"
_ALL_PAIRS = "it keeps every pair of images in memory and learns from unlabelled ones"
NOT_OFFERED: Mapping[str, str] = MappingProxyType(
    {
        "CalibratedClassifierCV": _TAKES_ANOTHER,
        "ClassifierChain": _TAKES_ANOTHER,
        "FixedThresholdClassifier": _OWN_THRESHOLD,
        "LabelPropagation": _ALL_PAIRS,
        "LabelSpreading": _ALL_PAIRS,
        "LogisticRegressionCV": "its parameters are changing in scikit-learn; submit LogisticRegression",
        "MultiOutputClassifier": _TAKES_ANOTHER,
        "OneVsOneClassifier": _TAKES_ANOTHER,
        "OneVsRestClassifier": _TAKES_ANOTHER,
        "OutputCodeClassifier": _TAKES_ANOTHER,
        "RadiusNeighborsClassifier": "no fixed radius means anything in hundreds of pixels",
        "SelfTrainingClassifier": _TAKES_ANOTHER,
        "StackingClassifier": _TAKES_ANOTHER,
        "TunedThresholdClassifierCV": _OWN_THRESHOLD,
        "VotingClassifier": _TAKES_ANOTHER,
    }
)

CATALOG: Mapping[str, Entry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})


@functools.cache
def estimator_class(name: str) -> Any:
    """The scikit-learn class of a catalog name. Raises KeyError for a name that is not in the catalog."""
    entry = CATALOG[name]
    return getattr(import_module(entry.module), name)


@functools.cache
def is_available(name: str) -> bool:
    """Whether the installed scikit-learn still has this estimator of the catalog."""
    return hasattr(import_module(CATALOG[name].module), name)


@functools.cache
def parameter_rules(name: str) -> Mapping[str, tuple[Rule, ...]]:
    """For every parameter of an estimator the rules for its value; empty rules mean that it is refused."""
    entry, cls = CATALOG[name], estimator_class(name)
    constraints = cls._parameter_constraints
    rules: dict[str, tuple[Rule, ...]] = {}
    for parameter in sorted(inspect.signature(cls).parameters):
        if parameter in PLATFORM_DECIDED:
            rules[parameter] = ()
        elif parameter in entry.only:
            rules[parameter] = entry.only[parameter]
        else:
            bound = bounds_for(parameter, _BOUNDS, entry.bounds)
            own = rules_from(constraints.get(parameter, ()), bound)
            offered = _EXTRA_RULES.get(parameter, ()) + own
            # Where only null is left, scikit-learn wants an object there: nothing worth writing in a spec.
            rules[parameter] = offered if any(not isinstance(rule, Nothing) for rule in offered) else ()
    return MappingProxyType(rules)


def refusal(parameter: str) -> str:
    """Why a parameter that has no rules is refused."""
    return PLATFORM_DECIDED.get(parameter, NOT_IN_JSON)


def defaults(name: str) -> dict[str, Any]:
    """scikit-learn's default of every parameter of an estimator."""
    return {key: item.default for key, item in inspect.signature(estimator_class(name)).parameters.items()}


def names(role: Literal["preprocessing", "classifier"]) -> list[str]:
    """The names of one role that the installed scikit-learn has, in catalog order."""
    return [entry.name for entry in _ENTRIES if entry.role == role and is_available(entry.name)]


def catalog_for_docs() -> list[dict[str, Any]]:
    """The catalog as plain data for a page: per estimator its name, role, summary and parameters.

    A parameter is {"name", "default", "allowed"}, the last two as text; `refused` lists {"name", "reason"}.
    """
    return [_for_docs(name) for role in (PREPROCESSING, CLASSIFIER) for name in names(role)]


def _for_docs(name: str) -> dict[str, Any]:
    entry, rules, own = CATALOG[name], parameter_rules(name), defaults(name)
    return {
        "name": name,
        "role": entry.role,
        "summary": entry.summary,
        "params": [
            {"name": key, "default": str(own[key]), "allowed": in_words(rule)}
            for key, rule in rules.items()
            if rule
        ],
        "refused": [{"name": key, "reason": refusal(key)} for key, rule in rules.items() if not rule],
    }


EXAMPLE_SPECS: Mapping[str, dict[str, Any]] = MappingProxyType(
    {
        "Nearest centroid": {"steps": [{"name": "NearestCentroid", "params": {}}]},
        "5 nearest neighbours, 10,000 images": {
            "steps": [{"name": "KNeighborsClassifier", "params": {"n_neighbors": 5}}],
            "train_size": 10_000,
        },
        "Random forest": {"steps": [{"name": "RandomForestClassifier", "params": {"n_estimators": 100}}]},
        "Support vectors, 10,000 images": {
            "steps": [{"name": "SVC", "params": {"C": 10.0}}],
            "train_size": 10_000,
        },
        "Standardised logistic regression": {
            "steps": [
                {"name": "StandardScaler", "params": {}},
                {"name": "LogisticRegression", "params": {"max_iter": 200}},
            ]
        },
        "Two dense layers on principal components": {
            "steps": [
                {"name": "PCA", "params": {"n_components": 50}},
                {"name": "MLPClassifier", "params": {"hidden_layer_sizes": [100, 50]}},
            ]
        },
    }
)
