"""Names a person types: recipes, published environments, published kinds of task."""

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import SpecError, UnknownNameError
from meadow.core.task import AbstractTaskSpace
from meadow.envs.published import ids, make
from meadow.envs.xland.browser.session import Menu
from meadow.envs.xland.environment import XLand
from meadow.envs.xland.pixels import Pixels
from meadow.envs.xland.world import World
from meadow.recipes.presets import PRESETS
from meadow.tasks.grid import GridTask
from meadow.tasks.only import Numbered
from meadow.tasks.published import CONFIGS
from meadow.tasks.trees import Trees

PLAYED = tuple(
    name for name, (_, recipe) in PRESETS.items() if isinstance(recipe.environment, World | Pixels)
)
"""The recipes whose world a person can play."""


def playground(
    world: str, kind: str | None = None
) -> tuple[AbstractEnvironment, AbstractTaskSpace]:
    """An environment and tasks for it.

    Args:
        world: a recipe or an environment id.
        kind: a published kind of task; None for the recipe's own, or what goes with the id.

    Raises:
        UnknownNameError: no such recipe, environment or kind.
        SpecError: a recipe whose world nobody can play, or has levels of its own.
    """
    if world in PLAYED:
        recipe = PRESETS[world][1]
        environment = recipe.environment
        if isinstance(environment, Pixels):  # people are shown pictures anyway
            environment = environment.environment
        if kind and not isinstance(environment, XLand):
            raise SpecError(
                f"The recipe {world!r} has levels of its own, but a kind of task was asked for: "
                f"{kind!r}. Leave it out, or play a recipe whose tasks have rules, such as demo."
            )
        return environment, Trees.published(kind) if kind else recipe.tasks
    if world in ids():
        # XLand's own are the trivial ones, which have no rules to be found out.
        own = "small" if world.startswith("XLand-") else None
        return make(world, kind or own)
    if world in PRESETS:
        raise SpecError(
            f"The recipe {world!r} is not of a grid world with objects, and only these can be "
            f"played: {', '.join(PLAYED)}, or a published id."
        )
    raise UnknownNameError("recipe or environment", world, [*PLAYED, *ids()])


def menu() -> Menu:
    """All that `playground` opens."""
    return Menu((*PLAYED, *ids()), tuple(CONFIGS), playground)


def space(name: str) -> AbstractTaskSpace[GridTask]:
    """The tasks of a recipe, or of a published kind.

    Raises:
        UnknownNameError: neither, or its tasks are levels.
    """
    spaces = {preset: recipe.tasks for preset, (_, recipe) in PRESETS.items()}
    known = {n: space for n, space in spaces.items() if isinstance(space, Trees | Numbered)}
    if name in CONFIGS:
        return Trees.published(name)
    if name in known:
        return known[name]
    raise UnknownNameError("recipe or kind of task", name, [*known, *CONFIGS])
