"""Planner: a shortest way to the goal, found by trying everything.

Breadth-first over exact states of the environment itself: what is found can be done, and where
nothing is left to try, nothing can be done. For small rooms and few objects; the number of states
grows with every object and with the size of the map to the power of their number.

It knows the task: it is an oracle for tests and a measure for evaluation, not an agent.
"""

import enum
import math
from typing import NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from meadow.core.errors import SpecError
from meadow.core.spec import Discrete
from meadow.core.timestep import TimeStep
from meadow.envs.xland.advance import State

CHUNK = 256  # states tried in one call: always so many, so that one program serves all


class Status(enum.Enum):
    """How a search ended."""

    FOUND = "found"
    IMPOSSIBLE = "impossible"
    GAVE_UP = "gave up"


class Plan(NamedTuple):
    """What a search found.

    Attributes:
        status: FOUND; IMPOSSIBLE, proven for this state and the time it has left; or GAVE_UP, at
            the limit, which says nothing.
        actions: a shortest sequence whose last action is rewarded; empty unless FOUND.
        expanded: from how many different states every action was tried.
    """

    status: Status
    actions: Int[np.ndarray, "length"]
    expanded: int


@runtime_checkable
class Plannable(Protocol):
    """An environment that can be planned in: chance plays no part in its steps."""

    @property
    def time_limit(self) -> int:
        """Steps after which an episode is truncated."""
        ...

    @property
    def action_spec(self) -> Discrete:
        """How many actions there are to try."""
        ...

    def step(
        self, state: State, task: PyTree, action: Int[Array, ""], *, key: Key[Array, ""]
    ) -> tuple[State, TimeStep]:
        """Act once."""
        ...


def plan(environment: Plannable, state: State, task: PyTree, *, limit: int = 100_000) -> Plan:
    """The shortest action sequence from `state` to a reward.

    Two states are the same if they differ in nothing but how many steps were made. None is tried
    twice, and none after the time limit, so a plan always fits into the episode.

    Args:
        state: a single one, as `reset` or `step` returned it, of an episode that has not ended.
        limit: give up after trying every action from so many states.

    Raises:
        SpecError: the environment's actions are not `Discrete`.
    """
    if not isinstance(environment.action_spec, Discrete):
        raise SpecError(
            f"A plan needs an environment with `Discrete` actions, got {environment.action_spec}."
        )
    level = _Level(jax.tree.map(lambda x: np.asarray(x)[None], state), np.zeros((1, 2), np.int32))
    seen, history, expanded = set(_identities(level.states)), [level], 0
    for _ in range(environment.time_limit - int(state.step)):
        found, start = [], 0
        while start < len(level.origins):
            stop = min(start + CHUNK, len(level.origins), start + limit - expanded)
            some, start = range(start, stop), stop
            if not some:
                return Plan(Status.GAVE_UP, np.zeros(0, np.int32), expanded)
            tried, won = _try_all(environment, level, task, some)
            expanded += len(some)
            if won is not None:
                return Plan(Status.FOUND, _actions(history, won), expanded)
            found.append(_unseen(tried, seen))
        level = _Level(*jax.tree.map(lambda *x: np.concatenate(x), *found))
        history.append(level)
        if not len(level.origins):
            break
    return Plan(Status.IMPOSSIBLE, np.zeros(0, np.int32), expanded)


class _Level(NamedTuple):
    """Different states, all equally many steps from the first.

    `origins` says of each which state of the level before it came from, and by which action.
    """

    states: State
    origins: Int[np.ndarray, "num 2"]


def _try_all(
    environment: Plannable, level: _Level, task: PyTree, some: range
) -> tuple[_Level, Int[np.ndarray, "2"] | None]:
    """All that `some` states of a level lead to, and the first origin that is rewarded, if any."""
    places = np.fromiter(some, np.int32)
    padded = np.resize(places, CHUNK)
    states = jax.tree.map(lambda x: x[padded], level.states)
    states, reward, last = jax.device_get(_successors(environment, states, task))
    num = len(reward) // CHUNK
    origins = np.stack(np.divmod(np.arange(len(places) * num, dtype=np.int32), num), -1)
    origins[:, 0] += some.start
    won = np.flatnonzero(reward[: len(origins)] > 0)
    going_on = np.flatnonzero(~last[: len(origins)])
    tried = _Level(jax.tree.map(lambda x: x[going_on], states), origins[going_on])
    return tried, origins[won[0]] if len(won) else None


@eqx.filter_jit
def _successors(
    environment: Plannable, states: State, task: PyTree
) -> tuple[State, Float[Array, "tried"], Bool[Array, "tried"]]:
    """What every action makes of every state, the actions of one state side by side."""
    num = environment.action_spec.num
    states = jax.tree.map(lambda x: jnp.repeat(x, num, axis=0), states)
    actions = jnp.tile(jnp.arange(num), CHUNK)
    step = jax.vmap(lambda state, action: environment.step(state, task, action, key=jr.key(0)))
    states, timestep = step(states, actions)
    return states, timestep.reward, timestep.last()


def _unseen(tried: _Level, seen: set[bytes]) -> _Level:
    """The states that are not in `seen` yet, each once; they are then."""
    new = []
    for place, identity in enumerate(_identities(tried.states)):
        if identity not in seen:
            seen.add(identity)
            new.append(place)
    return jax.tree.map(lambda x: x[np.asarray(new, int)], tried)


def _identities(states: State) -> list[bytes]:
    """Every state as bytes, all but how many steps were made."""
    leaves = jax.tree.leaves(eqx.tree_at(lambda s: s.step, states, None))
    flat = [x.reshape(len(x), math.prod(x.shape[1:])) for x in leaves]
    rows = [np.ascontiguousarray(x).view(np.uint8) for x in flat]
    return [row.tobytes() for row in np.concatenate(rows, axis=1)]


def _actions(history: list[_Level], won: Int[np.ndarray, "2"]) -> Int[np.ndarray, "length"]:
    """The way from the first state to the origin that was rewarded."""
    place, action = won
    actions = [action]
    for level in reversed(history[1:]):
        place, action = level.origins[place]
        actions.append(action)
    return np.asarray(actions[::-1], np.int32)
