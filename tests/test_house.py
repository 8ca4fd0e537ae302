"""The house rules: sizes, names, docstrings, and who may import whom."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
FILES = sorted((SOURCE / "meadow").rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in FILES}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documentable = Function | ast.ClassDef

MAX_FILE_LINES, MAX_EXAMPLE_LINES, MAX_FUNCTION_LINES, MAX_ARGUMENTS = 400, 100, 60, 7
NAMELESS = {"utils", "util", "common", "misc", "helpers", "helper", "base", "types"}
# Slow to import, or not installed everywhere: to be imported by the function that needs them.
HEAVY = {
    *("PIL", "imageio", "matplotlib"),
    *("flax", "gymnasium", "h5py", "orbax", "ray", "wandb", "xminigrid"),
}


def where(path: Path, node: ast.AST | None = None) -> str:
    """A place an editor can jump to."""
    line = f":{node.lineno}" if node is not None and hasattr(node, "lineno") else ""
    return f"{path.relative_to(ROOT)}{line}"


def listed(offenders: list[str]) -> str:
    """One offender a line."""
    return "".join(f"\n  {offender}" for offender in offenders)


def functions() -> Iterator[tuple[Path, Function]]:
    """Every function of the package, methods and closures too."""
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield path, node


def module_name(path: Path) -> str:
    """`meadow.core.task` for its file, `meadow.core` for its folder's."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run on import: all but function bodies and `if TYPE_CHECKING`."""
    for node in body:
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        for part in ("body", "orelse", "finalbody"):
            if not isinstance(node, Function):
                yield from top_level(getattr(node, part, []))


def body_lines(function: Function) -> int:
    """Lines of a function's body; its docstring is free."""
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_files_are_short():
    sizes = {path: len(path.read_text().splitlines()) for path in FILES}
    long = [f"{where(p)}: {n} lines" for p, n in sizes.items() if n > MAX_FILE_LINES]
    assert not long, f"A file has at most {MAX_FILE_LINES} lines:{listed(long)}"


def test_examples_are_short():
    sizes = {p: len(p.read_text().splitlines()) for p in (ROOT / "examples").rglob("*.py")}
    long = [f"{where(p)}: {n} lines" for p, n in sizes.items() if n > MAX_EXAMPLE_LINES]
    assert not long, f"An example has at most {MAX_EXAMPLE_LINES} lines:{listed(long)}"


def test_functions_are_short():
    sizes = [(path, node, body_lines(node)) for path, node in functions()]
    long = [f"{where(p, f)} {f.name}: {n} lines" for p, f, n in sizes if n > MAX_FUNCTION_LINES]
    assert not long, f"A function has at most {MAX_FUNCTION_LINES} lines:{listed(long)}"


def test_functions_take_few_arguments():
    greedy = []
    for path, node in functions():
        names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        given = [name for name in names if name not in ("self", "cls")]
        if len(given) > MAX_ARGUMENTS:
            greedy.append(f"{where(path, node)} {node.name}: {len(given)} arguments")
    assert not greedy, f"A function takes at most {MAX_ARGUMENTS} arguments:{listed(greedy)}"


def test_files_say_what_they_are():
    nameless = [
        where(path)
        for path in FILES
        if NAMELESS & {part.strip("_") for part in path.relative_to(SOURCE).with_suffix("").parts}
    ]
    assert not nameless, f"A file is called after the one thing it defines:{listed(nameless)}"


def test_everything_public_has_a_docstring():
    bare = [where(path) for path, tree in TREES.items() if ast.get_docstring(tree) is None]
    verbs = documented_verbs()
    for path, tree in TREES.items():
        for node in tree.body:
            if not isinstance(node, Documentable) or node.name.startswith("_"):
                continue
            if ast.get_docstring(node) is None:
                bare.append(f"{where(path, node)} {node.name}")
            if isinstance(node, ast.ClassDef):
                bare += [
                    f"{where(path, m)} {node.name}.{m.name}" for m in bare_methods(node, verbs)
                ]
    assert not bare, f"Say in one line what it is:{listed(bare)}"


def documented_verbs() -> set[str]:
    """The methods that the nouns of `core/` describe once for all who implement them."""
    verbs = set()
    for path, tree in TREES.items():
        if path.parent.name == "core":
            classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
            methods = [m for c in classes for m in c.body if isinstance(m, Function)]
            verbs |= {m.name for m in methods if ast.get_docstring(m) is not None}
    return verbs


def bare_methods(node: ast.ClassDef, verbs: set[str]) -> list[Function]:
    """The public methods of a class which neither it nor a noun describes."""
    known = verbs if node.bases else set()
    return [
        method
        for method in node.body
        if isinstance(method, Function)
        and not method.name.startswith("_")
        and ast.get_docstring(method) is None
        and method.name not in known
    ]


def test_heavy_libraries_are_imported_where_they_are_used():
    early = []
    for path, tree in TREES.items():
        for node in top_level(tree.body):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            door = "interop" in path.parts  # needs its library from the first line to the last
            early += [
                f"{where(path, node)} {n}"
                for n in names
                if not door and (n.partition(".")[0] in HEAVY or n.startswith("meadow.interop"))
            ]
    assert not early, f"Import it inside the function that needs it:{listed(early)}"


def test_names_are_imported_from_where_they_are_defined():
    """Only a module, or a dunder such as `__version__`, is imported from a package."""
    packages = {module_name(path) for path in FILES if path.name == "__init__.py"}
    modules = {module_name(path) for path in FILES}
    indirect = []
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if path.name == "__init__.py" or not isinstance(node, ast.ImportFrom):
                continue
            assert node.level == 0, f"{where(path, node)}: write the whole name of the module"
            if node.module in packages:
                names = [alias.name for alias in node.names if not alias.name.startswith("__")]
                wrong = [name for name in names if f"{node.module}.{name}" not in modules]
                indirect += [f"{where(path, node)} {node.module}.{name}" for name in wrong]
    assert not indirect, f"Import from the defining module, not its package:{listed(indirect)}"


PACKAGES = [path for path in FILES if path.name == "__init__.py"]


@pytest.mark.parametrize("path", PACKAGES, ids=module_name)
def test_packages_offer_what_they_list(path: Path):
    package = importlib.import_module(module_name(path))
    listed_names = set(getattr(package, "__all__", ()))
    missing = sorted(name for name in listed_names if not hasattr(package, name))
    assert not missing, f"{where(path)}: `__all__` lists what is not there: {missing}"

    imports = [node for node in TREES[path].body if isinstance(node, ast.ImportFrom)]
    aliases = [(node, alias) for node in imports for alias in node.names]
    silent = [
        f"{where(path, node)} {alias.name}"
        for node, alias in aliases
        if alias.asname != alias.name and alias.name not in listed_names
    ]
    assert not silent, f"A name is public as `X as X` or in `__all__`:{listed(silent)}"


def test_imports_point_downwards():
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"An import contract is broken:\n{done.stdout}{done.stderr}"
