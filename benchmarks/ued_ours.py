"""Our side of `bench_ued.py`, with the same four functions as the peers' files.

The network is the peers' (it is told what they tell theirs, `recalls=False`), time limits are ends
as they are to them, and a level lasts for one episode of memory. What is ours: views of two planes
of booleans, draws without replacement, and a level drawn only for those whose episode has ended.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from ued_case import ACTIONS, SIZE, VIEW, Case, Side, ready

from meadow.agents.ppo import PPO
from meadow.agents.random import Random
from meadow.core.report import Report
from meadow.curricula.accel import ACCEL
from meadow.curricula.buffer import Buffer, State
from meadow.curricula.entries import Entries
from meadow.curricula.keep import drawn, fingerprints
from meadow.curricula.plr import PLR
from meadow.curricula.uniform import Uniform
from meadow.envs.fresh import Fresh
from meadow.envs.maze.environment import MazeWorld
from meadow.loops.iteration import Experiment, Progress, begin, collect, examine, iterate, practise
from meadow.nn.plan import Plan
from meadow.rollout.life import Trial, revive, unborn
from meadow.rollout.live import Living
from meadow.tasks.maze.blocks import Blocks
from meadow.tasks.maze.maze import Maze
from meadow.tasks.maze.solve import steps


def world(case: Case) -> MazeWorld:
    """Their mazes, and as many actions."""
    return MazeWorld(SIZE, SIZE, view_size=VIEW, max_steps=case.horizon, actions=ACTIONS)


def space(case: Case) -> Blocks:
    """Their levels."""
    return Blocks(SIZE, SIZE, case.walls)


def rule(case: Case) -> Buffer:
    """Their buffer's settings."""
    return Buffer(case.capacity, temperature=case.temperature, staleness=case.staleness)


def learner(case: Case) -> PPO:
    """Their network and their PPO."""
    plan = Plan(
        core="lstm",
        planes=case.channels,
        aside=case.aside,
        memory=case.memory,
        heads=case.heads,
        recalls=False,
    )
    return PPO(
        plan,
        gamma=case.gamma,
        trace=case.trace,
        clip=case.clip,
        value_clip=case.clip,
        entropy=case.entropy,
        value_cost=case.value_cost,
        learning_rate=case.learning_rate,
        epsilon=1e-5,
        max_norm=case.max_norm,
        epochs=case.epochs,
        minibatches=1,
        bootstrap=False,
    )


def fresh_levels(case: Case, lives: int, length: int) -> Side:
    """Random actions; another level wherever an episode ends."""
    environment = Fresh(world(case), space(case))
    agent, living = Random(environment.action_spec), Living(environment, Trial(episodes=2**30))

    def run(carry: tuple[jax.Array, Any, Any]) -> tuple[jax.Array, Any, Any]:
        def step(carry: tuple[Any, jax.Array], key: jax.Array) -> tuple[Any, None]:
            life, moment = living.live(agent, carry[0], None, key=key)
            return (life, carry[1] + moment.next.reward), None

        key, key_live = jr.split(carry[0])
        return key, *jax.lax.scan(step, carry[1:], jr.split(key_live, length))[0]

    tasks = jnp.zeros((lives, 0))
    life = unborn(environment, agent, tasks)
    life = revive(environment, life, tasks, keys=life.keys(jr.key(1)))
    # Episodes are under way, their ages spread, so that endings come at their usual rate.
    age = jr.randint(jr.key(2), (lives,), 0, case.horizon)
    life = eqx.tree_at(lambda life: life.state.state.step, life, age)
    return ready(run, (jr.key(0), life, jnp.zeros(lives)), lives * length)


def full(case: Case, *, key: jax.Array) -> State:
    """A buffer that is full of random levels with random scores, last seen at random times."""
    keys, num = jr.split(key, 4), case.capacity
    tasks = drawn(space(case), num, key=keys[0])
    nobody, score = jnp.full(num, -1, jnp.int32), jr.uniform(keys[1], (num,))
    prints = fingerprints(space(case), tasks)
    report = Report.nothing(num)
    entries = Entries.lived(tasks, prints, score, report, parent=nobody, generation=nobody + 1)
    known = jr.randint(keys[2], (num,), 0, num), jr.uniform(keys[3], (num,))
    entries = eqx.tree_at(lambda e: (e.visited, e.best), entries, known)
    return State(entries, jnp.int32(num))


def buffer(case: Case, times: int) -> Side:
    """Insert `Case.lives` levels and draw as many, `times` over."""
    keeper, nobody = rule(case), jnp.full(case.lives, -1, jnp.int32)
    levels = drawn(space(case), times * case.lives, key=jr.key(3))
    levels = jax.tree.map(lambda x: x.reshape(times, case.lives, *x.shape[1:]), levels)

    def once(state: State, given: tuple[Any, jax.Array]) -> tuple[State, Any]:
        levels, key = given
        keys = jr.split(key, 3)
        score, best = (jr.uniform(key, (case.lives,)) for key in keys[:2])
        report = eqx.tree_at(lambda r: r.best, Report.nothing(case.lives), best)
        prints = fingerprints(space(case), levels)
        origin = {"parent": nobody, "generation": nobody + 1}
        lived = Entries.lived(levels, prints, score, report, **origin)
        state = keeper.insert(state, lived, nobody)
        slots = keeper.sample(state, case.lives, key=keys[2])
        return state, (jax.tree.map(lambda x: x[slots], state.entries.tasks), slots)

    def run(carry: Any) -> Any:
        key, state, levels, _ = carry
        key, key_now = jr.split(key)
        state, recalled = jax.lax.scan(once, state, (levels, jr.split(key_now, times)))
        return key, state, levels, recalled

    slots = jnp.zeros((times, case.lives), jnp.int32)
    return ready(run, (jr.key(6), full(case, key=jr.key(4)), levels, (levels, slots)), times)


def metrics(case: Case, times: int) -> Side:
    """Walls, shortest path and whether there is one, of `Case.lives` levels at a time."""
    return measured(case, times, space(case).features)


def solver(case: Case, times: int) -> Side:
    """The same with turns counted."""
    return measured(case, times, lambda level: (level.walls.sum(), steps(level)))


def measured(case: Case, times: int, measure: Callable[[Maze], Any]) -> Side:
    def run(carry: Any) -> Any:
        return carry[0], jax.lax.map(jax.vmap(measure), carry[0])

    levels = drawn(space(case), times * case.lives, key=jr.key(0))
    levels = jax.tree.map(lambda x: x.reshape(times, case.lives, *x.shape[1:]), levels)
    return ready(run, run((levels, None)), times)


def cycles(case: Case, curricula: tuple[str, ...]) -> dict[str, Side]:
    """One side for each kind of cycle that these curricula (dr, plr, accel) are made of: the halves
    of an iteration, or all of one."""
    fresh = Fresh(world(case), space(case))
    plr = PLR(space(case), rule(case), candidates=case.lives)
    uniform = experiment(case, fresh, Uniform(fresh.nothing))
    replaying = experiment(case, world(case), plr)
    mutating = experiment(case, world(case), ACCEL(plr, edits=case.edits, empty=False))

    def new(now: Progress) -> Progress:
        key, key_now = jr.split(now.key)
        return examine(replaying, now._replace(key=key), key=key_now)

    def replay(now: Logged, experiment: Experiment = replaying) -> Logged:
        key, *keys = jr.split(now.progress.key, 4)
        return Logged(*practise(experiment, now.progress._replace(key=key), keys, collect))

    def replay_mutate(now: Logged) -> Logged:
        progress, metrics = replay(now, mutating)
        key, key_now = jr.split(progress.key)
        return Logged(examine(mutating, progress._replace(key=key), key=key_now), metrics)

    def logged(now: Progress, run: Callable[[Logged], Logged]) -> Side:
        metrics = jax.eval_shape(run, Logged(now, None)).metrics
        return ready(
            run, Logged(now, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), metrics)), 1
        )

    kept = full(case, key=jr.key(4))
    start = begun(replaying)._replace(curriculum=kept)
    grown = begun(mutating)
    grown = grown._replace(curriculum=grown.curriculum._replace(kept=kept))
    made = {}
    if "dr" in curricula:
        made["dr"] = logged(begun(uniform), lambda now: Logged(*iterate(uniform, now.progress)))
    if {"plr", "accel"} & set(curricula):
        made["new"] = ready(new, start, 1)
    if "plr" in curricula:
        made["replay"] = logged(start, replay)
    if "accel" in curricula:
        made["replay_mutate"] = logged(grown, replay_mutate)
    return made


class Logged(NamedTuple):
    """A run, and what an iteration of it has to tell."""

    progress: Progress
    metrics: Any


def begun(experiment: Experiment) -> Progress:
    """A run before its first iteration."""
    return jax.jit(lambda: begin(experiment, key=jr.key(0)))()


def experiment(case: Case, environment: Any, curriculum: Any) -> Experiment:
    """Theirs: one episode is a life's memory; a level is repeated until the chunk is full."""
    return Experiment(
        environment,
        curriculum,
        learner(case),
        Trial(episodes=1),
        case.lives,
        case.length,
        anew=not isinstance(curriculum, Uniform),
    )
