"""The plan of rooms and floors (docs/architecture.md), held by reading the source.

Rooms are found on disk: a folder in ``sk_hca`` that has no floor here fails a test.
"""

import ast
import importlib
import inspect
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "sk_hca"
ROOT = Path(__file__).resolve().parents[1] / PACKAGE

FLOORS = {
    "base": 1,
    "binning": 2,
    "backbones": 2,
    "training": 2,
    "hierarchy": 3,
    "prediction": 3,
    "datasets": 3,
    "regularizers": 3,
    "targets": 4,
    "adjustment": 4,
    "losses": 4,
    "metrics": 4,
    "estimators": 5,
    "evaluation": 5,
    "plotting": 5,
    "sampling": 5,
}
ROOF = 6  # Files directly in the package: they may import every room.

NUMPY_ROOMS = {"binning", "datasets", "evaluation", "metrics", "sampling"}
NUMPY_ROOMS_BUT = {"metrics/_levels.py"}
TORCH_LIBRARIES = {"torch", "torchvision", "skorch"}
OPTIONAL_LIBRARIES = {"torchvision", "matplotlib", "pandas", "imblearn", "PIL"}

LONGEST_FILE = 400
LONGEST_FUNCTION = 60


def source_files():
    """Every source file of the package, by its path from the package."""
    return {path.relative_to(ROOT).as_posix(): path for path in ROOT.rglob("*.py")}


FILES = source_files()
TREES = {
    name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()
}
FRONT_DOORS = sorted(name for name in FILES if name.endswith("__init__.py"))


def room_of(name):
    """Room of a file, None for a file directly in the package."""
    return name.split("/")[0] if "/" in name else None


def floor_of(name):
    """Floor of a file; an unknown room fails its own test and stands on the roof."""
    return FLOORS.get(room_of(name), ROOF)


def imported_modules(name, tree):
    """Dotted modules that a syntax tree imports, relative ones made absolute.

    ``from a.b import c`` gives ``a.b.c`` too where that is a module of the package.
    """
    parts = [PACKAGE, *name.removesuffix(".py").split("/")]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(parts[: -node.level]) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            inside = [f"{module}.{alias.name}" for alias in node.names]
            found = [dotted for dotted in inside if file_of(dotted)]
            yield from found
            if len(found) < len(inside):
                yield module


def file_of(module):
    """File of a dotted module of the package, None for anything else."""
    package, *parts = module.split(".")
    if package != PACKAGE:
        return None
    stem = "/".join(parts)
    candidates = [f"{stem}.py", f"{stem}/__init__.py".lstrip("/")]
    return next((name for name in candidates if name in FILES), None)


def imported_files(name):
    """Files of the package that a file imports."""
    files = {file_of(module) for module in imported_modules(name, TREES[name])}
    return sorted(files - {None})


def libraries(name, tree):
    """Top-level names of what a syntax tree imports."""
    return {module.split(".")[0] for module in imported_modules(name, tree)}


def imports_at_top(tree):
    """Imports that run when a module is imported, those for type checking left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        yield from imports_at_top(node)


def functions(tree):
    """Every function and method of a syntax tree, nested ones included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length_without_docstring(function):
    """Lines of a function, signature included, docstring not.

    A constructor counts from its body: it has a line for every parameter as it is.
    """
    first = function.body[0]
    start = first if function.name == "__init__" else function
    length = function.end_lineno - start.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        length -= first.end_lineno - first.lineno + 1
    return length


def declared_names(tree):
    """Names in ``__all__``, none where it is missing."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return []


def assert_none(offenders, remedy):
    """Fail with every offender on a line of its own, and what to do about them."""
    lines = "".join(f"\n  {offender}" for offender in offenders)
    assert not offenders, f"{remedy}{lines}"


def test_every_room_has_a_floor():
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir()} - {"__pycache__"}
    assert_none(
        sorted(rooms - set(FLOORS)),
        "These rooms stand on no floor; enter them in FLOORS and docs/architecture.md:",
    )


def test_every_floor_has_its_rooms():
    assert_none(
        sorted(room for room in FLOORS if f"{room}/__init__.py" not in FILES),
        "FLOORS names rooms that are not there, or have no __init__.py:",
    )


def test_files_import_from_lower_floors_or_their_own_room():
    wrong = [
        f"{name} (floor {floor_of(name)}) imports {other} (floor {floor_of(other)})"
        for name in sorted(FILES)
        for other in imported_files(name)
        if room_of(other) != room_of(name) and floor_of(other) >= floor_of(name)
    ]
    assert_none(wrong, "A file imports from lower floors or its own room only:")


def test_files_enter_other_rooms_by_the_front_door():
    wrong = [
        f"{name} imports {other}"
        for name in sorted(FILES)
        for other in imported_files(name)
        if room_of(other) not in (room_of(name), None) and other not in FRONT_DOORS
    ]
    assert_none(wrong, "From another room, import what its __init__.py hands on:")


def test_imports_between_files_have_no_circle():
    graph = {name: imported_files(name) for name in FILES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("Files import one another: " + " <- ".join(error.args[1]))


def test_numpy_rooms_import_no_torch():
    wrong = [
        f"{name} imports {library}"
        for name in sorted(set(FILES) - NUMPY_ROOMS_BUT)
        if room_of(name) in NUMPY_ROOMS
        for library in sorted(TORCH_LIBRARIES & libraries(name, TREES[name]))
    ]
    assert_none(wrong, "These rooms know numpy only:")


def test_optional_libraries_are_imported_where_they_are_used():
    wrong = []
    for name in sorted(FILES):
        early = ast.Module(list(imports_at_top(TREES[name])), type_ignores=[])
        found = sorted(OPTIONAL_LIBRARIES & libraries(name, early))
        wrong += [f"{name} imports {library}" for library in found]
    assert_none(wrong, "Import an optional library inside the function that needs it:")


def test_files_are_short():
    lengths = {
        name: len(path.read_text(encoding="utf-8").splitlines())
        for name, path in sorted(FILES.items())
    }
    wrong = [f"{name}: {n}" for name, n in lengths.items() if n > LONGEST_FILE]
    assert_none(wrong, f"Split files of more than {LONGEST_FILE} lines:")


def test_functions_are_short():
    wrong = [
        f"{name}:{function.lineno} {function.name}: {n_lines}"
        for name in sorted(FILES)
        for function in functions(TREES[name])
        if (n_lines := length_without_docstring(function)) > LONGEST_FUNCTION
    ]
    assert_none(
        wrong,
        f"Split functions of more than {LONGEST_FUNCTION} lines without docstring:",
    )


def test_files_say_what_they_are_for():
    wrong = [name for name in sorted(FILES) if not ast.get_docstring(TREES[name])]
    assert_none(wrong, "A file opens with a docstring:")


def test_files_are_private():
    wrong = [name for name in sorted(FILES) if not name.split("/")[-1].startswith("_")]
    assert_none(wrong, "Give these files a leading underscore:")


def test_front_doors_only_hand_names_on():
    wrong = []
    for name in FRONT_DOORS:
        allowed = {"__all__", "__version__"} if name == "__init__.py" else {"__all__"}
        wrong += [
            f"{name}:{node.lineno} {ast.unparse(node)[:60]}"
            for node in TREES[name].body[1:]
            if not isinstance(node, ast.Import | ast.ImportFrom)
            and not (
                isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in allowed
            )
        ]
    assert_none(wrong, "An __init__.py holds imports and __all__ only:")


def test_front_doors_declare_what_they_hand_on():
    wrong = []
    for name in FRONT_DOORS:
        imported = {
            alias.asname or alias.name
            for node in TREES[name].body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        declared = set(declared_names(TREES[name]))
        difference = sorted(imported ^ (declared - {"__version__"}))
        wrong += [f"{name}: {public}" for public in difference]
    assert_none(wrong, "Names are either imported or in __all__, but not both:")


def test_public_names_are_documented():
    wrong = []
    for name in FRONT_DOORS:
        module = ".".join([PACKAGE, *name.split("/")[:-1]])
        for public in declared_names(TREES[name]):
            thing = getattr(importlib.import_module(module), public)
            documented = inspect.isclass(thing) or inspect.isfunction(thing)
            if documented and not inspect.getdoc(thing):
                wrong.append(f"{module}.{public}")
    assert_none(wrong, "Public classes and functions need a docstring:")
