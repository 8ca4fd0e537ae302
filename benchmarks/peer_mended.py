"""JaxUED and minimax as they are installed, made to run on the JAX that is installed.

Both were written for an older JAX. Nothing of theirs is changed: names that JAX has dropped are
given back to it, and minimax is entered without its command line.
"""

import importlib.util
import sys
import types
import warnings
from importlib.metadata import PackageNotFoundError, version

import jax

DISTRIBUTIONS = {"jaxued": "jaxued", "minimax": "minimax-lib"}


def installed(peer: str) -> str | None:
    """The peer's version; None where it is not installed."""
    try:
        return version(DISTRIBUTIONS[peer])
    except PackageNotFoundError:
        return None


def mend() -> None:
    """Let `import jaxued` and `import minimax.envs` succeed; call it before either."""
    # Both call jax.tree_map, which is gone; minimax calls jax.jax, which was an accident.
    for name, meant in (("tree_map", jax.tree.map), ("jax", jax)):
        if not hasattr(jax, name):
            setattr(jax, name, meant)
    # minimax's own __init__ imports its command line and, with it, wandb, GitPython and IPython,
    # which pin an old NumPy. A package that is nothing but its folder does without.
    found = importlib.util.find_spec("minimax") if "minimax" not in sys.modules else None
    if found is not None:
        package = types.ModuleType("minimax")
        package.__path__ = list(found.submodule_search_locations or ())
        sys.modules["minimax"] = package
    # Their imports use what JAX is about to drop; what they do with it still works.
    warnings.filterwarnings("ignore", category=DeprecationWarning)
