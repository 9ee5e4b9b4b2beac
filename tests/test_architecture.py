"""The plan of the house, held: which room may import which, and how large a room may grow."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ("imagesets", "annotate", "benchmarks")
# Each app may import itself and those before it; config may import all and is imported by nobody.
MAY_IMPORT = {"imagesets": set(), "annotate": {"imagesets"}, "benchmarks": {"imagesets", "annotate"}}
PURE = {
    "imagesets": {
        "idx", "specs", "sources", "store", "pictures", "mnist_reader", "digits", "debian", "mirrors",
        "verification", "writing",
    },
    "annotate": {
        "aggregation", "sampling", "intervals", "crowd", "answer_message", "spreadsheet", "texts",
    },
    "benchmarks": {
        "sklearn_catalog", "sklearn_spec", "sklearn_rules", "sklearn_clashes", "spec_errors", "scoring",
        "training_child", "training_job", "child_process", "child_channel", "child_results", "child_sandbox",
        "charts", "fitting", "precision", "private_folder", "process_group",
    },
}  # fmt: skip
LONGEST_FILE, LONGEST_FUNCTION = 400, 40
FORBIDDEN_NAMES = {"utils.py", "helpers.py", "common.py"}


def source_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


def imported_modules(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("app", APPS)
def test_an_app_imports_only_the_apps_below_it(app: str) -> None:
    allowed = MAY_IMPORT[app] | {app}
    for path in source_files(app):
        ours = {name.split(".")[0] for name in imported_modules(path)} & {*APPS, "config", "tests", "bench"}
        assert ours <= allowed, f"{path.relative_to(ROOT)} imports {ours - allowed}"


@pytest.mark.parametrize("app", APPS)
def test_pure_modules_reach_no_django_even_through_others(app: str) -> None:
    for name in sorted(PURE[app]):
        for path in reachable(ROOT / app / f"{name}.py"):
            django = {
                module for module in imported_modules(path) if module.split(".")[0] in {"django", "celery"}
            }
            assert not django, f"{app}/{name}.py reaches {django} through {path.relative_to(ROOT)}"


def reachable(start: Path) -> set[Path]:
    """The file and every file of ours that it imports, directly or not."""
    seen: set[Path] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            ours = (name for name in imported_modules(path) if name.split(".")[0] in APPS)
            candidates = (ROOT / f"{name.replace('.', '/')}.py" for name in ours)
            waiting += [candidate for candidate in candidates if candidate.exists()]
    return seen


def test_the_listed_pure_modules_exist() -> None:
    for app, names in PURE.items():
        missing = {name for name in names if not (ROOT / app / f"{name}.py").exists()}
        assert not missing, f"{app}: {missing}"


def test_files_and_functions_stay_small() -> None:
    for path in source_files(*APPS, "config", "tests", "bench"):
        text = path.read_text()
        assert text.count("\n") <= LONGEST_FILE, (
            f"{path.relative_to(ROOT)} is longer than {LONGEST_FILE} lines"
        )
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                where = f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
                assert length <= LONGEST_FUNCTION, f"{where} has {length} lines"


def test_no_file_has_a_name_that_says_nothing() -> None:
    for path in source_files(*APPS, "config", "tests", "bench"):
        assert path.name not in FORBIDDEN_NAMES, path
    for folder in (ROOT / "tests").rglob("*/"):
        if any(folder.glob("*.py")):
            assert (folder / "__init__.py").exists(), f"{folder} has no __init__.py"


def test_imports_stand_at_the_top_of_the_file() -> None:
    """Inside functions only where Django or the child's limits are not set up yet, or where reading an image
    file would otherwise load the whole of scikit-learn."""
    allowed = {"config/apps.py", "config/celery.py", "benchmarks/training_child.py", "imagesets/digits.py"}
    for path in source_files(*APPS, "config"):
        name = str(path.relative_to(ROOT))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and name not in allowed:
                inner = [child for child in ast.walk(node) if isinstance(child, ast.Import | ast.ImportFrom)]
                assert not inner, f"{name}:{inner[0].lineno} imports inside a function"
