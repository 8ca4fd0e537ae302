"""Many episodes of an editor at once, with random actions or those given."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import pytest

from meadow.core.editor import AbstractEditor

LIVES = 256
Edited = tuple[Any, Any]


@lru_cache
def program(editor: AbstractEditor) -> Callable:
    """Live `LIVES` episodes; compiled hastily, for it is run a few times only."""

    def one(actions: jax.Array, key: jax.Array) -> Any:
        key_reset, key_steps = jr.split(key)
        state, first = editor.reset((), key=key_reset)

        def step(state: Any, given: tuple[jax.Array, jax.Array]) -> Any:
            state, said = editor.step(state, (), given[0], key=given[1])
            return state, (editor.built(state), said)

        begun = editor.built(state), first
        keys = jr.split(key_steps, editor.length)
        return begun, jax.lax.scan(step, state, (actions, keys))[1]

    actions, keys = jnp.zeros((LIVES, editor.length), jnp.int32), jr.split(jr.key(0), LIVES)
    lowered = jax.jit(jax.vmap(one, out_axes=(0, 1))).lower(actions, keys)
    return lowered.compile(compiler_options={"xla_backend_optimization_level": 0})


@pytest.fixture(scope="session")
def edit() -> Callable[..., tuple[Edited, Edited]]:
    """What a reset gave, `[lives]`, and every step, `[time, lives]`: what is built, what is said.

    `edit(editor, actions)` lives each row of actions in turn, and over again until there are
    `LIVES`; random ones where there are none. Every life has luck of its own.
    """

    def edited(editor: AbstractEditor, actions: Any = None) -> tuple[Edited, Edited]:
        key_actions, key = jr.split(jr.key(0))
        if actions is None:
            num = editor.action_spec.num  # pyright: ignore[reportAttributeAccessIssue]
            actions = jr.randint(key_actions, (LIVES, editor.length), 0, num)
        actions = jnp.resize(jnp.asarray(actions), (LIVES, editor.length))
        return jax.device_get(program(editor)(actions, jr.split(key, LIVES)))

    return edited
