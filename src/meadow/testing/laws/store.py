"""The laws of stores, and `check_store`."""

import dataclasses
import operator
from functools import cached_property
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key, PyTree

from meadow.core.errors import SpecError
from meadow.core.store import AbstractStore, Draw
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.testing.laws.compare import host, structure_difference, value_difference
from meadow.testing.laws.examine import Traced, anew, examine

CHUNK, LIVES, EPISODE = 2, 2, 3  # rows of a chunk, lives, and steps of an episode
NUM_DRAWS, NUM = 40, 4
_LIFE = 10_000  # numbers of one life lie this far from those of the next


def check_store(store: AbstractStore, *, capacity: int, key: Key[Array, ""]) -> None:
    """Examine a store with numbered experience: chunks of two rows and two lives, whose episodes
    have three steps.

    Args:
        store: the definition to examine.
        capacity: steps of all lives that it holds, in 8..100; small ones are quick.
        key: consumed.

    Raises:
        LawError: the law broken, what was expected and what was got.
        SpecError: a capacity out of range.
    """
    if not 8 <= capacity <= 100:
        raise SpecError(f"Expected capacity in 8..100, got {capacity}. Examine another store.")
    examine(store, LAWS, _Evidence(store, capacity, key))


def numbered(chunk: int) -> Trajectory:
    """The n-th chunk. Row t of life b shows 2 t + 10,000 b; what came of it is the next row's
    number, or where an episode ends one more than its own, an odd one."""
    time = jnp.arange(CHUNK)[:, None] + chunk * CHUNK
    shown = 2 * time + _LIFE * jnp.arange(LIVES)
    last = jnp.broadcast_to(time % EPISODE == EPISODE - 1, shown.shape)
    first = jnp.broadcast_to(time % EPISODE == 0, shown.shape)

    def moment(kind: Array, shown: Array) -> TimeStep:
        observation = {"number": shown, "picture": _picture(shown)}
        reward, episode = shown.astype(jnp.float32), jnp.zeros(shown.shape, jnp.int32)
        return TimeStep(kind.astype(jnp.uint8), reward, jnp.ones(shown.shape), observation, episode)

    after = moment(jnp.where(last, 2, 1), shown + jnp.where(last, 1, 2))
    timestep = moment(jnp.where(first, 0, 1), shown)
    ending = jax.tree.map(lambda x: x[-1], after)
    record, memory = {"number": shown}, shown[0]
    return Trajectory(timestep, shown, after, last, record, memory, ending, shown[-1])


def _picture(shown: Array) -> Array:
    """The number's last eight bits, thrice."""
    return jnp.stack([shown.astype(jnp.uint8)] * 3, axis=-1)


class _Window(NamedTuple):
    """Rows of one life; NumPy arrays `[length, ...]`."""

    timestep: TimeStep
    action: PyTree
    next: TimeStep
    trial_ended: PyTree


@dataclasses.dataclass
class _Evidence:
    store: AbstractStore
    capacity: int
    key: Key[Array, ""]

    def __post_init__(self) -> None:
        self.add = Traced(self.store.add)
        self.draw = Traced(self.raw_draw)
        self.learn = Traced(self.store.update)

    def raw_draw(self, state: PyTree, key: Array) -> Draw:
        return self.store.sample(state, NUM, key=key)

    @cached_property
    def empty(self) -> PyTree:
        return self.store.init(numbered(0))

    @cached_property
    def num_chunks(self) -> int:
        """Enough to fill the store twice, and to end inside an episode."""
        return 2 * self.capacity // (CHUNK * LIVES) + 9

    @cached_property
    def full(self) -> PyTree:
        state = self.empty
        for chunk in range(self.num_chunks):
            state = self.add(state, numbered(chunk))
        return state

    @cached_property
    def drawn(self) -> list[Trajectory]:
        """Draws from a full store, each brought back before the next."""
        state, found = self.full, []
        for key in jr.split(self.key, NUM_DRAWS):
            draw = self.draw(state, key)
            found.append(host(draw.trajectory))
            state = self.learn(state, draw, jnp.ones(NUM))
        return found

    @cached_property
    def windows(self) -> list["_Window"]:
        """Every window of weight, by itself."""
        found = []
        for lived in self.drawn:
            rows = _Window(lived.timestep, lived.action, lived.next, lived.trial_ended)
            for i in range(NUM):
                if lived.weight is None or lived.weight[i] > 0:
                    found.append(jax.tree.map(operator.itemgetter((slice(None), i)), rows))
        return found


def _adds(seen: _Evidence) -> str | None:
    jax.block_until_ready(seen.add(seen.empty, numbered(0)))
    return None


def _keeps_structure(seen: _Evidence) -> str | None:
    if different := structure_difference(seen.empty, seen.full):
        return f"After `add`, compared with `init`: {different}"
    learnt = seen.learn(seen.full, seen.draw(seen.full, seen.key), jnp.ones(NUM))
    if different := structure_difference(seen.empty, learnt):
        return f"After `update`, compared with `init`: {different}"
    return None


def _samples(seen: _Evidence) -> str | None:
    draw = seen.draw(seen.full, seen.key)
    shape = np.shape(draw.trajectory.trial_ended)
    if len(shape) != 2 or shape[1] != NUM:
        return f"Expected windows [length, {NUM}] in a draw of {NUM}, got {list(shape)}."
    return None


def _whole(seen: _Evidence) -> str | None:
    """Rows of one life, one after the other, as they were lived."""
    if not seen.windows:
        return f"Expected windows of some weight in {NUM_DRAWS} draws, got none."
    for window in seen.windows:
        shown = window.timestep.observation["number"]
        wanted = shown[0] + 2 * np.arange(len(shown))
        if not np.array_equal(shown, wanted):
            return f"Expected rows that follow one another, {wanted}, got {shown}."
        time = (shown % _LIFE) // 2
        last = time % EPISODE == EPISODE - 1
        after = shown + np.where(last, 1, 2)
        pairs = {
            "timestep.reward": (window.timestep.reward, shown),
            "timestep.observation": (
                window.timestep.observation["picture"],
                _picture(jnp.asarray(shown)),
            ),
            "action": (window.action, shown),
            "next.step_type": (window.next.step_type, np.where(last, 2, 1)),
            "next.reward": (window.next.reward, after),
            "next.observation": (window.next.observation["number"], after),
            "trial_ended": (window.trial_ended, last),
        }
        for name, (got, expected) in pairs.items():
            if not np.array_equal(got, np.asarray(expected).astype(np.asarray(got).dtype)):
                return f"Expected of rows {shown} {name} {expected}, got {got}."
    return None


def _first_rows(seen: _Evidence) -> set[int]:
    return {int(window.timestep.observation["number"][0]) for window in seen.windows}


def _lived(seen: _Evidence) -> str | None:
    newest = seen.num_chunks * CHUNK
    rows = [number % _LIFE // 2 for number in _first_rows(seen)]
    if 0 <= min(rows) and max(rows) < newest:
        return None
    return f"Of {newest} rows that were lived, rows {min(rows)} to {max(rows)} came back."


def _oldest_make_room(seen: _Evidence) -> str | None:
    length = len(seen.drawn[0].trial_ended)
    spare = length + 4 * CHUNK  # a store may round up
    oldest = seen.num_chunks * CHUNK - seen.capacity // LIVES - spare
    rows = [number % _LIFE // 2 for number in _first_rows(seen)]
    if min(rows) >= oldest:
        return None
    return f"With room for {seen.capacity} steps: expected no row before {oldest}, got {min(rows)}."


def _every_window(seen: _Evidence) -> str | None:
    """Both lives, and half of the rows at which a window can begin."""
    lives = {number // _LIFE for number in _first_rows(seen)}
    if lives != set(range(LIVES)):
        return f"Expected windows of {LIVES} lives, got those of {sorted(lives)}."
    rows = [number % _LIFE // 2 for number in _first_rows(seen)]
    wanted = (seen.capacity // LIVES - len(seen.drawn[0].trial_ended)) // 2
    if max(rows) - min(rows) + 1 < wanted:
        return f"Expected windows from at least {wanted} rows, got rows {min(rows)} to {max(rows)}."
    return None


def _weighs(seen: _Evidence) -> str | None:
    for lived in seen.drawn:
        weight = lived.weight
        if weight is not None and not ((weight >= 0) & (weight <= 1 + 1e-5)).all():
            return f"Expected weights in [0, 1], got {weight}."
    return None


def _only_reads(seen: _Evidence) -> str | None:
    once = seen.draw(seen.full, seen.key)
    return value_difference(once, anew(seen.raw_draw, seen.full, seen.key))


LAWS = {
    "add works under jit": _adds,
    "add and update keep the state's structure": _keeps_structure,
    "a draw holds num windows": _samples,
    "windows come back whole": _whole,
    "only what was lived comes back": _lived,
    "the oldest make room": _oldest_make_room,
    "all that is kept is drawn": _every_window,
    "weights lie between 0 and 1": _weighs,
    "sample only reads": _only_reads,
}
