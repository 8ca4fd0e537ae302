"""Level: a map, where the agent begins on it, and what is asked."""

import jax
import jax.numpy as jnp
import numpy as np

from meadow.tasks.kinds import NEVER
from meadow.tasks.level import Level
from meadow.tasks.tiles import EMPTY


def test_a_level_of_plain_values_is_arrays():
    level = Level(map=[[1, 2], [2, 1]], position=(0, 1), direction=3)
    kinds = {name: (x.dtype.name, x.shape) for name, x in vars(level).items()}
    assert kinds == {
        "map": ("uint8", (2, 2)),
        "position": ("int32", (2,)),
        "direction": ("int32", ()),
        "goal": ("uint8", (5,)),
        "failure": ("uint8", (5,)),
        "rules": ("uint8", (0, 4)),
        "pocket": ("uint8", ()),
    }, "fields have one type whatever they are made of"


def test_nothing_is_asked_unless_said():
    level = Level(np.ones((2, 2)), (0, 0), 0)
    assert (level.goal == NEVER).all() and (level.failure == NEVER).all()
    assert int(level.pocket) == EMPTY, "the agent is empty-handed"


def test_levels_are_mapped_over():
    levels = jax.vmap(lambda y: Level(jnp.zeros((3, 3)), (y, 0), 1))(jnp.arange(4))
    assert levels.position[:, 0].tolist() == [0, 1, 2, 3] and levels.rules.shape == (4, 0, 4)
