"""minimax: its mazes, metrics, buffer and runners, all the package's own code.

Its wheel holds its runners, so nothing is restated: a cycle is one call of `DRRunner.run` or
`PLRRunner.run` with its student and its PPO. What is chosen here:

- shortest paths are not measured within a cycle, although its shipped settings do so: they have a
  row of their own;
- whether a cycle replays is a coin that it tosses itself; with a probability of 0 or 1 it always
  falls the same way, on a buffer that is full;
- where it mutates, it replays and looks at the mutants in the same call.

References: Jiang et al., minimax, 2023, version 0.2.0.
"""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import peer_mended
from ued_case import ACTIONS, SIZE, VIEW, Case, Side, ready

peer_mended.mend()

import minimax.envs as envs  # noqa: E402
import minimax.models as models  # noqa: E402
from minimax.agents import PPOAgent  # noqa: E402
from minimax.runners.dr_runner import DRRunner  # noqa: E402
from minimax.runners.plr_runner import PLRRunner  # noqa: E402
from minimax.util.rl import PLRManager, UEDScore  # noqa: E402


def options(case: Case) -> dict[str, Any]:
    """Its maze's settings, as shipped for 60 walls."""
    return {
        "height": SIZE,
        "width": SIZE,
        "n_walls": case.walls,
        "agent_view_size": VIEW,
        "replace_wall_pos": True,
        "normalize_obs": True,
        "max_episode_steps": case.horizon,
    }


def student(case: Case) -> PPOAgent:
    """Its student and its PPO."""
    model = models.make(
        env_name="Maze",
        model_name="default_student_cnn",
        output_dim=ACTIONS,
        recurrent_arch="lstm",
        recurrent_hidden_dim=case.memory,
        hidden_dim=case.heads,
        n_conv_filters=case.channels,
        scalar_embed_dim=case.aside,
    )
    return PPOAgent(
        model,
        n_epochs=case.epochs,
        value_loss_coef=case.value_cost,
        entropy_coef=case.entropy,
        clip_eps=case.clip,
    )


def running(case: Case) -> dict[str, Any]:
    """What every runner is told."""
    return {
        "env_name": "Maze",
        "env_kwargs": options(case),
        "student_agents": [student(case)],
        "n_parallel": case.lives,
        "n_rollout_steps": case.length,
        "lr": case.learning_rate,
        "max_grad_norm": case.max_norm,
        "discount": case.gamma,
        "gae_lambda": case.trace,
    }


def replaying(case: Case, probability: float, mutates: bool) -> PLRRunner:
    """A runner that replays with this probability."""
    return PLRRunner(
        **running(case),
        replay_prob=probability,
        buffer_size=case.capacity,
        staleness_coef=case.staleness,
        temp=case.temperature,
        use_robust_plr=True,
        ued_score="max_mc",
        force_unique=True,
        mutation_fn="default" if mutates else None,
        n_mutations=case.edits,
    )


def random_levels(case: Case, num: int, *, key: jax.Array) -> Any:
    """So many levels, which are the states that an episode begins with."""
    environment, _ = envs.make("Maze", env_kwargs=options(case))
    return jax.vmap(environment.reset)(jr.split(key, num))[1]


def full(case: Case, buffer: Any, *, key: jax.Array) -> Any:
    """The buffer with random levels, random scores and random ages in every slot."""
    keys = jr.split(key, 4)
    return buffer.replace(
        levels=random_levels(case, case.capacity, key=keys[0]),
        scores=jr.uniform(keys[1], (case.capacity,)),
        ages=jr.randint(keys[2], (case.capacity,), 0, case.capacity).astype(jnp.uint32),
        max_returns=jr.uniform(keys[3], (case.capacity,)),
        filled=jnp.ones(case.capacity, bool),
        filled_count=jnp.array([case.capacity], jnp.int32),
    )


def fresh_levels(case: Case, lives: int, length: int) -> Side:
    """Random actions; another level wherever an episode ends."""
    environment, _ = envs.make("Maze", env_kwargs=options(case))
    act = jax.vmap(lambda key, state, action: environment.step(key, state, action, True, None))

    def run(carry: Any) -> Any:
        def step(carry: Any, key: jax.Array) -> tuple[Any, None]:
            _, state, total = carry
            key_act, key_step = jr.split(key)
            action = jr.randint(key_act, (lives,), 0, ACTIONS)
            seen, state, reward, _, _ = act(jr.split(key_step, lives), state, action)
            return (seen, state, total + reward), None

        key, key_live = jr.split(carry[0])
        return key, jax.lax.scan(step, carry[1], jr.split(key_live, length))[0]

    seen, state = jax.vmap(environment.reset)(jr.split(jr.PRNGKey(0), lives))
    # Episodes are under way, their ages spread, so that endings come at their usual rate.
    state = state.replace(time=jr.randint(jr.PRNGKey(2), (lives,), 0, case.horizon))
    return ready(run, (jr.PRNGKey(1), (seen, state, jnp.zeros(lives))), lives * length)


def buffer(case: Case, times: int) -> Side:
    """Insert `Case.lives` levels and draw as many, `times` over."""
    levels = random_levels(case, times * case.lives, key=jr.PRNGKey(3))
    levels = jax.tree.map(lambda x: x.reshape(times, case.lives, *x.shape[1:]), levels)
    manager = PLRManager(
        example_level=jax.tree.map(lambda x: x[0, 0], levels),
        ued_score=UEDScore.MAX_MC,
        replay_prob=1.0,
        buffer_size=case.capacity,
        staleness_coef=case.staleness,
        temp=case.temperature,
        comparator_fn=envs.get_comparator("Maze"),
    )
    new = jnp.full(case.lives, -1)

    def once(state: Any, given: tuple[Any, jax.Array]) -> tuple[Any, Any]:
        levels, key = given
        keys = jr.split(key, 3)
        score, best = (jr.uniform(key, (case.lives,)) for key in keys[:2])
        slots, twice = manager.dedupe_levels(state, levels, new)
        state = manager.update(state, levels, slots, score, twice, {"max_returns": best})
        drawn, slots, _, state = manager.sample(keys[2], state, levels, case.lives)
        return state, (drawn, slots)

    def run(carry: Any) -> Any:
        key, state, levels, _ = carry
        key, key_now = jr.split(key)
        state, drawn = jax.lax.scan(once, state, (levels, jr.split(key_now, times)))
        return key, state, levels, drawn

    state = full(case, manager.reset(), key=jr.PRNGKey(4))
    begun = jax.eval_shape(run, (jr.PRNGKey(6), state, levels, None))
    drawn = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), begun[3])
    return ready(run, (jr.PRNGKey(6), state, levels, drawn), times)


def metrics(case: Case, times: int) -> Side:
    """Walls, shortest path and whether there is one, of `Case.lives` levels at a time."""
    environment, _ = envs.make("Maze", env_kwargs=options(case))

    def run(carry: Any) -> Any:
        return carry[0], jax.lax.map(jax.vmap(environment.get_env_metrics), carry[0])

    levels = random_levels(case, times * case.lives, key=jr.PRNGKey(0))
    levels = jax.tree.map(lambda x: x.reshape(times, case.lives, *x.shape[1:]), levels)
    return ready(run, run((levels, None)), times)


def cycles(case: Case, curricula: tuple[str, ...]) -> dict[str, Side]:
    """One side for each kind of cycle that these curricula (dr, plr, accel) are made of; to replay
    and mutate is one call here."""
    made = {}
    if "dr" in curricula:
        made["dr"] = cycle(case, DRRunner(**running(case)))
    if {"plr", "accel"} & set(curricula):
        made["new"] = cycle(case, replaying(case, 0.0, mutates=False))
    if "plr" in curricula:
        made["replay"] = cycle(case, replaying(case, 1.0, mutates=False))
    if "accel" in curricula:
        made["replay_mutate"] = cycle(case, replaying(case, 1.0, mutates=True))
    return made


def cycle(case: Case, runner: DRRunner) -> Side:
    """One `run` of a runner whose buffer, if it has one, is full."""
    state = list(runner.reset(jr.PRNGKey(0)))
    if state[1].plr_buffer is not None:
        one = jax.tree.map(lambda x: x[0], state[1].plr_buffer)
        whole = jax.tree.map(lambda x: x[None], full(case, one, key=jr.PRNGKey(4)))
        state[1] = state[1].replace(plr_buffer=whole)

    def run(carry: Any) -> Any:
        told, *state = runner.run(*carry[1])
        return told, tuple(state[: len(carry[1])])

    told = jax.eval_shape(lambda state: runner.run(*state)[0], tuple(state))
    blank = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), told)
    return ready(run, (blank, tuple(state)), 1)
