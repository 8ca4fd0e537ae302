"""Experience in numbers, and a list of everything lived to hold a store against."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory


def _moment(kind, number, size):
    observation = np.repeat(number[..., None], size, -1).astype(np.float32)
    episode = np.zeros(number.shape, np.int32)
    reward = number.astype(np.float32)
    parts = kind.astype(np.uint8), reward, np.ones_like(reward), observation, episode
    return jax.device_get(TimeStep(*map(jnp.asarray, parts)))


class Lived:
    """Row t of life b shows t + 1000 b; what followed it is the next row's number, or a half more
    than its own where an episode ended. Episodes end by chance."""

    def __init__(self, rows: int, lives: int, *, ends: float = 0.3, size: int = 3, seed: int = 0):
        rng = np.random.default_rng(seed)
        time = np.arange(rows + 1)[:, None]
        self.number = time + 1000 * np.arange(lives)
        self.last = rng.random((rows, lives)) < ends
        first = np.concatenate([np.ones((1, lives), bool), self.last[:-1]])
        after = np.where(self.last, self.number[:-1] + 0.5, self.number[1:])
        self.timestep = _moment(np.where(first, 0, 1), self.number[:-1], size)
        self.next = _moment(np.where(self.last, 2, 1), after, size)

    def chunk(self, start: int, length: int) -> Trajectory:
        """Rows from `start` on, as a loop would hand them to a store."""
        part = slice(start, start + length)
        timestep, after = jax.tree.map(lambda x: jnp.asarray(x[part]), (self.timestep, self.next))
        number, last = (jnp.asarray(x[part]) for x in (self.number[:-1], self.last))
        record = {"number": number, "unasked": number}
        ending = jax.tree.map(lambda x: x[-1], after)
        return Trajectory(timestep, number, after, last, record, number[0], ending, number[-1])


@pytest.fixture(scope="session")
def lived():
    """`lived(rows, lives, ...)`, once for each."""
    return functools.cache(Lived)


@pytest.fixture(scope="session")
def chi_square():
    """That counts are as expected: the statistic lies within five deviations of its mean."""

    def check(counts, chances, law):
        expected = counts.sum() * chances
        assert counts[chances == 0].sum() == 0, f"{law}: what has no chance was drawn"
        seen = expected > 0
        statistic = ((counts - expected)[seen] ** 2 / expected[seen]).sum()
        freedom = seen.sum() - 1
        limit = freedom + 5 * np.sqrt(2 * freedom)
        assert statistic < limit, f"{law}: chi-square {statistic:.0f}, at most {limit:.0f} expected"

    return check


@pytest.fixture(scope="session")
def counted():
    """How often each window, number by number and life by life, is chosen in a million draws."""

    def count(selector, state, span, *, num=1000, times=1000):
        @eqx.filter_jit
        def draws(state, span):
            def once(total, key):
                chosen = selector.sample(state, span, num, key=key)
                which = (chosen.number - span.oldest) * span.lives + chosen.life
                return total.at[which].add(1), None

            total = jnp.zeros(span.places * span.lives, jnp.int32)
            return jax.lax.scan(once, total, jr.split(jr.key(3), times))[0]

        return np.asarray(draws(state, span)).reshape(span.places, span.lives)

    return count
