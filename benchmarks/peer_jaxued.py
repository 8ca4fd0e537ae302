"""JaxUED: its mazes, wrappers, solver, buffer and scores, and its training cycle said again.

JaxUED's wheel holds everything but the training: that is in example scripts, which are in no
package. So the cycle is restated here in our words, and in their order of work as far as we know
it; the scripts themselves have not been run beside it. It is a scan over steps, the LSTM within it;
advantages by a reversed scan, unrolled 16 times; epochs over a permutation of the lives; the
clipped loss of PPO on policy and value. As we understand the scripts

- uniform sampling goes on where the last cycle ended and draws a new level for every step;
- the other cycles begin every level anew and repeat it until the chunk is full;
- a cycle that takes no gradient still evaluates the losses of every epoch, for its log.

Everything else is the package's own code: environments, `AutoResetWrapper`, `AutoReplayWrapper`,
`ResetRNN`, `LevelSampler`, level generator, mutator, `MazeSolved`, and the scores.

References: Coward et al., JaxUED, 2024; its `examples/maze_dr.py` and `maze_plr.py`.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
import peer_mended
from flax.linen.initializers import constant, orthogonal
from ued_case import ACTIONS, SIZE, VIEW, Case, Side, ready

peer_mended.mend()

from jaxued import utils as scores  # noqa: E402
from jaxued.environments.maze import Maze, MazeSolved  # noqa: E402
from jaxued.environments.maze.env import EnvParams  # noqa: E402
from jaxued.environments.maze.util import (  # noqa: E402
    make_level_generator,
    make_level_mutator_minimax,
)
from jaxued.level_sampler import LevelSampler  # noqa: E402
from jaxued.linen import ResetRNN  # noqa: E402
from jaxued.wrappers import AutoReplayWrapper, AutoResetWrapper  # noqa: E402

MOST_EDITS = 100  # slots of their mutator, of which `Case.edits` are used; their scripts' number


class Student(nn.Module):
    """A convolution and a direction, an LSTM, and two heads; `[time, lives, ...]`."""

    case: Case

    @nn.compact
    def __call__(self, told: tuple[Any, jax.Array], memory: Any) -> tuple[Any, Any, Any]:
        (seen, ended), case = told, self.case
        image = nn.relu(nn.Conv(case.channels, (3, 3), padding="VALID")(seen.image))
        image = image.reshape(*image.shape[:-3], -1)
        direction = nn.Dense(case.aside)(jax.nn.one_hot(seen.agent_dir, 4))
        recurrent = ResetRNN(nn.OptimizedLSTMCell(features=case.memory))
        features = jnp.concatenate([image, direction], axis=-1)
        memory, hidden = recurrent((features, ended), initial_carry=memory)
        logits = self.head(hidden, ACTIONS, 0.01)
        return memory, logits, self.head(hidden, 1, 1.0)[..., 0]

    def head(self, hidden: jax.Array, width: int, gain: float) -> jax.Array:
        hidden = nn.relu(nn.Dense(self.case.heads, kernel_init=orthogonal(2.0))(hidden))
        return nn.Dense(width, kernel_init=orthogonal(gain), bias_init=constant(0.0))(hidden)


class Row(NamedTuple):
    """One step of all lives."""

    seen: Any
    action: jax.Array
    reward: jax.Array
    ended: jax.Array  # by this action
    log_prob: jax.Array
    value: jax.Array


class Place(NamedTuple):
    """Where all lives are."""

    seen: Any
    state: Any
    ended: jax.Array
    memory: Any


class Trained(NamedTuple):
    """What a cycle changes."""

    params: Any
    opt: Any
    sampler: Any
    levels: Any  # of the last cycle that replayed: what is mutated
    place: Place | None  # where uniform sampling goes on
    key: jax.Array
    logged: jax.Array  # the mean loss


class Cycles:
    """JaxUED's three cycles and its uniform one, for one case."""

    def __init__(self, case: Case):
        self.case = case
        maze = environment()
        self.generate = make_level_generator(SIZE, SIZE, case.walls)
        self.mutate = make_level_mutator_minimax(MOST_EDITS)
        self.params = EnvParams(max_steps_in_episode=case.horizon)
        self.replay, self.renew = AutoReplayWrapper(maze), AutoResetWrapper(maze, self.generate)
        self.sampler, self.student = level_sampler(case), Student(case)
        self.optimiser = optax.chain(
            optax.clip_by_global_norm(case.max_norm),
            optax.adam(optax.linear_schedule(case.learning_rate, 0.0, 30_000), eps=1e-5),
        )

    def begin(self, *, key: jax.Array) -> Trained:
        """Fresh parameters, a full buffer, and lives that have just begun."""
        keys = jr.split(key, 4)
        levels = self.new_levels(keys[0])
        place = self.enter(self.renew, levels, keys[1])
        seen, ended = jax.tree.map(lambda x: x[None], (place.seen, place.ended))
        params = self.student.init(keys[2], (seen, ended), place.memory)
        sampler = full(self.case, self.sampler, key=keys[3])
        opt = self.optimiser.init(params)
        return Trained(params, opt, sampler, levels, place, keys[3], jnp.float32(0))

    def uniform(self, trained: Trained) -> Trained:
        """Go on living, a new level after every episode; learn."""
        key, key_live, key_learn = jr.split(trained.key, 3)
        place, rows, last = self.live(self.renew, trained.params, trained.place, key_live)
        started = trained.place.memory
        learnt = self.learn(trained, started, rows, self.advantages(rows, last), True, key_learn)
        return learnt._replace(place=place, key=key)

    def new(self, trained: Trained) -> Trained:
        """Look at new levels, keep those that score."""
        key, key_levels = jr.split(trained.key)
        return self.look(trained._replace(key=key), self.new_levels(key_levels))

    def mutants(self, trained: Trained) -> Trained:
        """Look at edited versions of the levels that were last replayed."""
        key, key_edit = jr.split(trained.key)
        keys = jr.split(key_edit, self.case.lives)
        edit = jax.vmap(self.mutate, (0, 0, None))
        return self.look(trained._replace(key=key), edit(keys, trained.levels, self.case.edits))

    def replayed(self, trained: Trained) -> Trained:
        """Learn from levels of the buffer."""
        key, key_draw, key_live, key_learn = jr.split(trained.key, 4)
        draw = self.sampler.sample_replay_levels
        sampler, (slots, levels) = draw(trained.sampler, key_draw, self.case.lives)
        rows, advantages, started = self.chunk(trained.params, levels, key_live)
        known = self.sampler.get_levels_extra(sampler, slots)["max_return"]
        best, score = self.judged(rows, known)
        sampler = self.sampler.update_batch(sampler, slots, score, {"max_return": best})
        trained = trained._replace(sampler=sampler, levels=levels, key=key)
        return self.learn(trained, started, rows, advantages, True, key_learn)

    def look(self, trained: Trained, levels: Any) -> Trained:
        key, key_live, key_learn = jr.split(trained.key, 3)
        rows, advantages, started = self.chunk(trained.params, levels, key_live)
        best, score = self.judged(rows, jnp.full(self.case.lives, -jnp.inf))
        insert = self.sampler.insert_batch
        sampler, _ = insert(trained.sampler, levels, score, {"max_return": best})
        trained = trained._replace(sampler=sampler, key=key)
        return self.learn(trained, started, rows, advantages, False, key_learn)

    def judged(self, rows: Row, known: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The best return of each level, and its score."""
        best = jnp.maximum(known, scores.compute_max_returns(rows.ended, rows.reward))
        return best, scores.max_mc(rows.ended, rows.value, best)

    def new_levels(self, key: jax.Array) -> Any:
        return jax.vmap(self.generate)(jr.split(key, self.case.lives))

    def enter(self, environment: Any, levels: Any, key: jax.Array) -> Place:
        lives, cell = self.case.lives, nn.OptimizedLSTMCell(features=self.case.memory)
        enter = jax.vmap(environment.reset_to_level, (0, 0, None))
        seen, state = enter(jr.split(key, lives), levels, self.params)
        memory = cell.initialize_carry(jr.PRNGKey(0), (lives, self.case.memory))
        return Place(seen, state, jnp.zeros(lives, bool), memory)

    def chunk(self, params: Any, levels: Any, key: jax.Array) -> tuple[Row, jax.Array, Any]:
        key_enter, key_live = jr.split(key)
        place = self.enter(self.replay, levels, key_enter)
        _, rows, last = self.live(self.replay, params, place, key_live)
        return rows, self.advantages(rows, last), place.memory

    def live(
        self, environment: Any, params: Any, place: Place, key: jax.Array
    ) -> tuple[Place, Row, jax.Array]:
        """`Case.length` steps, and the value of where they end."""
        act = jax.vmap(environment.step, (0, 0, 0, None))

        def look(place: Place) -> tuple[Any, jax.Array, jax.Array]:
            told = jax.tree.map(lambda x: x[None], (place.seen, place.ended))
            memory, logits, value = self.student.apply(params, told, place.memory)
            return memory, logits[0], value[0]

        def step(place: Place, key: jax.Array) -> tuple[Place, Row]:
            key_act, key_step = jr.split(key)
            memory, logits, value = look(place)
            action = jr.categorical(key_act, logits)
            log_prob = jnp.take_along_axis(jax.nn.log_softmax(logits), action[:, None], 1)[:, 0]
            keys = jr.split(key_step, self.case.lives)
            seen, state, reward, ended, _ = act(keys, place.state, action, self.params)
            row = Row(place.seen, action, reward, ended, log_prob, value)
            return Place(seen, state, ended, memory), row

        place, rows = jax.lax.scan(step, place, jr.split(key, self.case.length))
        return place, rows, look(place)[2]

    def advantages(self, rows: Row, last: jax.Array) -> jax.Array:
        gamma, trace = self.case.gamma, self.case.trace

        def back(carry: tuple[jax.Array, jax.Array], row: Row) -> tuple[Any, jax.Array]:
            advantage, following = carry
            goes_on = 1.0 - row.ended
            delta = row.reward + gamma * following * goes_on - row.value
            advantage = delta + gamma * trace * goes_on * advantage
            return (advantage, row.value), advantage

        start = jnp.zeros_like(last), last
        return jax.lax.scan(back, start, rows, reverse=True, unroll=16)[1]

    def learn(
        self,
        trained: Trained,
        memory: Any,
        rows: Row,
        advantages: jax.Array,
        moves: bool,
        key: jax.Array,
    ) -> Trained:
        """Every epoch of PPO; without `moves` its losses alone."""
        resets = jnp.roll(rows.ended, 1, axis=0).at[0].set(False)

        def epoch(carry: tuple[Any, Any], key: jax.Array) -> tuple[tuple[Any, Any], jax.Array]:
            params, opt = carry
            order = jr.permutation(key, self.case.lives)
            whole = jax.tree.map(lambda x: x[:, order], (rows, resets, advantages))
            begun = jax.tree.map(lambda x: x[order], memory)
            loss, gradient = jax.value_and_grad(self.loss)(params, begun, *whole)
            if moves:
                change, opt = self.optimiser.update(gradient, opt, params)
                params = optax.apply_updates(params, change)
            return (params, opt), loss

        keys = jr.split(key, self.case.epochs)
        (params, opt), losses = jax.lax.scan(epoch, (trained.params, trained.opt), keys)
        return trained._replace(params=params, opt=opt, logged=losses.mean())

    def loss(
        self, params: Any, memory: Any, rows: Row, resets: jax.Array, advantages: jax.Array
    ) -> jax.Array:
        case = self.case
        _, logits, value = self.student.apply(params, (rows.seen, resets), memory)
        log_probs = jax.nn.log_softmax(logits)
        log_prob = jnp.take_along_axis(log_probs, rows.action[..., None], -1)[..., 0]
        entropy = -(jnp.exp(log_probs) * log_probs).sum(-1).mean()
        ratio = jnp.exp(log_prob - rows.log_prob)
        scaled = (advantages - advantages.mean()) / (advantages.std() + 1e-5)
        clipped = jnp.clip(ratio, 1 - case.clip, 1 + case.clip)
        policy_loss = -jnp.minimum(ratio * scaled, clipped * scaled).mean()
        target = rows.value + advantages
        near = rows.value + jnp.clip(value - rows.value, -case.clip, case.clip)
        worst = jnp.maximum((value - target) ** 2, (near - target) ** 2)
        return policy_loss + case.value_cost * 0.5 * worst.mean() - case.entropy * entropy


def environment(**options: Any) -> Maze:
    """Their maze as their scripts make it."""
    return Maze(
        max_height=SIZE, max_width=SIZE, agent_view_size=VIEW, normalize_obs=True, **options
    )


def level_sampler(case: Case) -> LevelSampler:
    """Their buffer, by rank, with its check for duplicates."""
    return LevelSampler(
        case.capacity,
        replay_prob=1.0,
        staleness_coeff=case.staleness,
        minimum_fill_ratio=0.5,
        prioritization="rank",
        prioritization_params={"temperature": case.temperature},
        duplicate_check=True,
    )


def full(case: Case, sampler: LevelSampler, *, key: jax.Array) -> Any:
    """A buffer that is full of random levels with random scores, last seen at random times."""
    keys = jr.split(key, 4)
    levels = jax.vmap(make_level_generator(SIZE, SIZE, case.walls))(
        jr.split(keys[0], case.capacity)
    )
    empty = sampler.initialize(jax.tree.map(lambda x: x[0], levels), {"max_return": -jnp.inf})
    return empty | {
        "levels": levels,
        "scores": jr.uniform(keys[1], (case.capacity,)),
        "timestamps": jr.randint(keys[2], (case.capacity,), 0, case.capacity),
        "size": jnp.int32(case.capacity),
        "episode_count": jnp.int32(case.capacity),
        "levels_extra": {"max_return": jr.uniform(keys[3], (case.capacity,))},
    }


def fresh_levels(case: Case, lives: int, length: int) -> Side:
    """Random actions; another level wherever an episode ends."""
    generate = make_level_generator(SIZE, SIZE, case.walls)
    maze = AutoResetWrapper(environment(), generate)
    params = EnvParams(max_steps_in_episode=case.horizon)
    act = jax.vmap(maze.step, (0, 0, 0, None))

    def run(carry: Any) -> Any:
        def step(carry: Any, key: jax.Array) -> tuple[Any, None]:
            _, state, total = carry
            key_act, key_step = jr.split(key)
            action = jr.randint(key_act, (lives,), 0, ACTIONS)
            seen, state, reward, _, _ = act(jr.split(key_step, lives), state, action, params)
            return (seen, state, total + reward), None

        key, key_live = jr.split(carry[0])
        return key, jax.lax.scan(step, carry[1], jr.split(key_live, length))[0]

    keys = jr.split(jr.PRNGKey(0), lives)
    enter = jax.vmap(maze.reset_to_level, (0, 0, None))
    seen, state = enter(keys, jax.vmap(generate)(keys), params)
    # Episodes are under way, their ages spread, so that endings come at their usual rate.
    age = jr.randint(jr.PRNGKey(2), (lives,), 0, case.horizon)
    state = state.replace(env_state=state.env_state.replace(time=age))
    return ready(run, (jr.PRNGKey(1), (seen, state, jnp.zeros(lives))), lives * length)


def buffer(case: Case, times: int) -> Side:
    """Insert `Case.lives` levels and draw as many, `times` over."""
    sampler = level_sampler(case)
    generate = make_level_generator(SIZE, SIZE, case.walls)
    levels = jax.vmap(generate)(jr.split(jr.PRNGKey(3), times * case.lives))
    levels = jax.tree.map(lambda x: x.reshape(times, case.lives, *x.shape[1:]), levels)

    def once(state: Any, given: tuple[Any, jax.Array]) -> tuple[Any, Any]:
        levels, key = given
        keys = jr.split(key, 3)
        score, best = (jr.uniform(key, (case.lives,)) for key in keys[:2])
        state, _ = sampler.insert_batch(state, levels, score, {"max_return": best})
        return sampler.sample_replay_levels(state, keys[2], case.lives)

    def run(carry: Any) -> Any:
        key, state, levels, _ = carry
        key, key_now = jr.split(key)
        state, drawn = jax.lax.scan(once, state, (levels, jr.split(key_now, times)))
        return key, state, levels, drawn

    state = jax.jit(lambda: full(case, sampler, key=jr.PRNGKey(4)))()
    _, drawn = jax.jit(lambda s: jax.lax.scan(once, s, (levels, jr.split(jr.PRNGKey(5), times))))(
        state
    )
    return ready(run, (jr.PRNGKey(6), state, levels, drawn), times)


def solver(case: Case, times: int) -> Side:
    """Walls, steps to the goal and whether there is a way, of `Case.lives` levels at a time."""
    maze = MazeSolved(max_height=SIZE, max_width=SIZE, agent_view_size=VIEW)
    generate = make_level_generator(SIZE, SIZE, case.walls)
    params = EnvParams(max_steps_in_episode=case.horizon)

    def measure(level: Any) -> Any:
        state = maze.init_state_from_level(level)
        steps = maze.min_steps_to_goal(state)
        return level.wall_map.sum(), steps, maze.is_solveable(state, params)

    def run(carry: Any) -> Any:
        return carry[0], jax.lax.map(jax.vmap(measure), carry[0])

    levels = jax.vmap(generate)(jr.split(jr.PRNGKey(0), times * case.lives))
    levels = jax.tree.map(lambda x: x.reshape(times, case.lives, *x.shape[1:]), levels)
    return ready(run, run((levels, None)), times)


def cycles(case: Case, curricula: tuple[str, ...]) -> dict[str, Side]:
    """One side for each kind of cycle that these curricula (dr, plr, accel) are made of."""
    cycles = Cycles(case)
    kinds = {
        "dr": (cycles.uniform, {"dr"}),
        "new": (cycles.new, {"plr", "accel"}),
        "replay": (cycles.replayed, {"plr", "accel"}),
        "mutate": (cycles.mutants, {"accel"}),
    }
    start = jax.jit(lambda: cycles.begin(key=jr.PRNGKey(0)))()
    return {
        name: ready(kind, start if name == "dr" else start._replace(place=None), 1)
        for name, (kind, needed) in kinds.items()
        if needed & set(curricula)
    }
