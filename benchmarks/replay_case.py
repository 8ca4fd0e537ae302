"""What `bench_agents.py` times of replay: the same rows put into Meadow's store and flashbax's, and
the same windows drawn.

A row is a transition: what was seen (64 float32), the action, what came of it, and whether the
trial ended, with every field of both time steps. Both sides keep the same arrays, and hand out
windows of one row, so neither is spared anything. A call repeats the operation in one compiled
program, the state donated to it; what is drawn is written out, but for `after`, which is the last
row's `next` once more.
"""

import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr

from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory
from meadow.replay.prioritised import Prioritised
from meadow.replay.replay import Replay
from meadow.replay.uniform import Uniform

ITEMS, LIVES, BATCH, ALPHA = (100_000, 1_000_000), (1, 8, 64), 256, 0.6
FRAMES = 10_000  # of 84 x 84 bytes; two to a row are 141 MB
INSERTS, SAMPLES = 2000, 100  # operations of one call
VECTOR, FRAME = ((64,), jnp.float32), ((84, 84), jnp.uint8)

Seen = tuple[tuple[int, ...], Any]


class Case(NamedTuple):
    """Attributes:
    what: insert or sample.
    items: rows that are kept, of all lives together.
    lives: as many are inserted at once.
    prioritised: whether draws are by priority; sampling then means telling new ones, too.
    seen: shape and type of an observation.
    """

    what: str
    items: int
    lives: int
    prioritised: bool
    seen: Seen = VECTOR

    @property
    def name(self) -> str:
        how = "prioritised" if self.prioritised else "uniform"
        rows = f" {self.lives} rows" if self.what == "insert" else ""
        return f"{self.what}{rows} {how} {self.items:.0e}{' frames' if self.seen == FRAME else ''}"


def cases(what: str) -> Iterator[Case]:
    for items in ITEMS:
        for prioritised in (False, True):
            for lives in LIVES if what == "insert" else (8,):
                yield Case(what, items, lives, prioritised)
    yield Case(what, FRAMES, 8, False, FRAME)


class Timed:
    """One call of a compiled loop after another, each from where the last one ended."""

    def __init__(self, operation: Callable, state: Any, made: Any, times: int):
        self.units, self._keys = times, jr.split(jr.key(0), times)

        def run(state: Any, made: Any, keys: jax.Array) -> tuple[Any, Any]:
            def once(now: tuple[Any, Any], key: jax.Array) -> tuple[Any, None]:
                return operation(*now, key), None

            return jax.lax.scan(once, (state, made), keys)[0]

        self._now = state, made
        compiled = jax.jit(run, donate_argnums=(0, 1))
        self._run = compiled.lower(*self._now, self._keys).compile()

    def run(self) -> None:
        self._now = jax.block_until_ready(self._run(*self._now, self._keys))


def chunk(case: Case, length: int) -> Trajectory:
    """Random rows, `[length, lives]`."""
    size, (shape, dtype) = (length, case.lives), case.seen
    keys = jr.split(jr.key(1), 5)

    def moment(kind: int, key_seen: jax.Array, key_reward: jax.Array) -> TimeStep:
        seen = jr.bits(key_seen, (*size, *shape), jnp.uint8).astype(dtype)
        reward, one = jr.normal(key_reward, size), jnp.ones(size)
        return TimeStep(
            jnp.full(size, kind, jnp.uint8), reward, one, seen, jnp.zeros(size, jnp.int32)
        )

    before, after = moment(0, *keys[:2]), moment(1, *keys[2:4])
    action, ended = jr.randint(keys[4], size, 0, 4), jnp.zeros(size, bool)
    ending = jax.tree.map(lambda x: x[-1], after)
    return Trajectory(before, action, after, ended, {}, (), ending, ())


def meadow(case: Case) -> Timed:
    store = Replay(case.items, selector=Prioritised(ALPHA) if case.prioritised else Uniform())
    row = jax.jit(lambda: chunk(case, 1))()
    if case.what == "insert":
        state = jax.jit(store.init)(row)
        return Timed(lambda state, made, key: (store.add(state, row), made), state, (), INSERTS)
    many = jax.jit(lambda: chunk(case, case.items // case.lives // 10))()
    state, add = jax.jit(store.init)(many), jax.jit(store.add, donate_argnums=0)
    for _ in range(11):
        state = add(state, many)

    def draw(state: Any, made: Any, key: jax.Array) -> tuple[Any, Any]:
        draw = store.sample(state, BATCH, key=key)
        if case.prioritised:
            state = store.update(state, draw, draw.trajectory.next.reward[0])
        drawn = draw.trajectory
        rows = drawn.timestep, drawn.action, drawn.next, drawn.trial_ended
        return state, (rows, drawn.weight, draw.places)

    made = jax.jit(lambda state: draw(state, (), jr.key(0))[1])(state)
    return Timed(draw, state, made, SAMPLES)


def flashbax(case: Case) -> Timed:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import flashbax

    sizes = {
        **{"add_batch_size": case.lives, "sample_batch_size": BATCH, "sample_sequence_length": 1},
        **{"period": 1, "min_length_time_axis": 1},
        "max_length_time_axis": case.items // case.lives,
    }
    if case.prioritised:
        buffer: Any = flashbax.make_prioritised_trajectory_buffer(
            **sizes, priority_exponent=ALPHA, device=jax.default_backend()
        )
    else:
        buffer = flashbax.make_trajectory_buffer(**sizes)

    def rows(lived: Trajectory) -> Any:
        kept = lived.timestep, lived.action, lived.next, lived.trial_ended
        return jax.tree.map(lambda x: x.swapaxes(0, 1), kept)  # lives lead there

    row = jax.jit(lambda: rows(chunk(case, 1)))()
    # Its buffers may share memory with one another, which a donated state must not.
    state = jax.tree.map(jnp.array, buffer.init(jax.tree.map(lambda x: x[0, 0], row)))
    if case.what == "insert":
        return Timed(lambda state, made, key: (buffer.add(state, row), made), state, (), INSERTS)
    many = jax.jit(lambda: rows(chunk(case, case.items // case.lives // 10)))()
    add = jax.jit(buffer.add, donate_argnums=0)
    for _ in range(11):
        state = add(state, many)

    def draw(state: Any, made: Any, key: jax.Array) -> tuple[Any, Any]:
        draw = buffer.sample(state, key)
        if case.prioritised:
            priorities = jnp.abs(draw.experience[2].reward[:, 0]) + 1e-6
            state = buffer.set_priorities(state, draw.indices, priorities)
        return state, draw

    return Timed(draw, state, buffer.sample(state, jr.key(0)), SAMPLES)
