"""Fingerprint: one number for what a task asks and hides, and the sides it may fall on.

Two tasks with the same goal and the same rules have the same fingerprint, whatever their objects
and padding, in whatever order their rules stand, and also where they say the same in other words:
"a left of b" is "b right of a", "a next to b" is "b next to a".

From it follows a split that needs no list of tasks: a task is held out if its fingerprint is small.
The side is a property of the task alone, so a table, an endless space and a file of experience are
split alike, on every machine, and no task is ever on both sides.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, UInt8, UInt32

from meadow.core.errors import TaskError
from meadow.tasks import kinds
from meadow.tasks.grid import GridTask
from meadow.tasks.hashed import mixed


def canonical(rows: UInt8[Array, "*batch width"]) -> UInt8[Array, "*batch width"]:
    """Goals or rules with the inputs of TILE kinds in one order, so that equals look equal."""
    kind, a, b = rows[..., 0], rows[..., 1], rows[..., 2]
    down, left = kind == kinds.TILE | kinds.DOWN, kind == kinds.TILE | kinds.LEFT
    swap = down | left | ((kind == kinds.TILE | kinds.AROUND) & (a > b))
    kind = jnp.where(down, kinds.TILE | kinds.UP, jnp.where(left, kinds.TILE | kinds.RIGHT, kind))
    head = [kind.astype(jnp.uint8), jnp.where(swap, b, a), jnp.where(swap, a, b)]
    return jnp.concatenate([jnp.stack(head, -1), rows[..., 3:]], -1)


def fingerprint(task: GridTask, seed: int = 0) -> UInt32[Array, "*batch"]:
    """A 32-bit hash of goal and rules; different seeds give unrelated ones.

    Different tasks may share a fingerprint (1 in 4e9 pairs), equal ones never differ.
    """
    goal, rules = canonical(task.goal), canonical(task.rules)
    salt = mixed(jnp.uint32(seed & 0xFFFFFFFF) + jnp.uint32(0x9E3779B9))
    hashes = jnp.where(rules[..., 0] == kinds.NEVER, 0, mixed(_word(rules) ^ salt))
    # A sum, because the order of the rules is no part of what the task is.
    head = mixed(_word(goal[..., :4]) ^ ~salt) + goal[..., 4]
    return mixed(mixed(head) ^ jnp.sum(hashes, axis=-1, dtype=jnp.uint32))


def is_held_out(task: GridTask, fraction: float, seed: int = 0) -> Bool[Array, "*batch"]:
    """Whether a task belongs to the held-out side, about `fraction` of all different tasks.

    With the same seed a larger fraction holds out all that a smaller one does, and more.
    """
    return fingerprint(task, seed) < jnp.uint32(int(fraction * 2**32))


def check_fraction(fraction: float) -> None:
    """Raise a `TaskError` unless both sides of a split get something."""
    if not 0 < fraction < 1:
        raise TaskError(
            f"A split holds out a fraction of all tasks, between 0 and 1 and neither, "
            f"got {fraction}."
        )


def _word(rows: UInt8[Array, "*batch 4"]) -> UInt32[Array, "*batch"]:
    a, b, c, d = (rows[..., i].astype(jnp.uint32) for i in range(4))
    return a << 24 | b << 16 | c << 8 | d
