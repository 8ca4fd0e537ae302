"""Where the time of our training goes: the parts of an iteration, each timed as its own program."""

import datetime
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array
from train_case import Case, experiment, living_at_random, stagger

from meadow.core.trajectory import Trajectory
from meadow.loops.compiled import Compiled
from meadow.loops.iteration import Experiment
from meadow.nn.actor_critic import ActorCritic
from meadow.nn.trunk import Senses
from meadow.rollout.live import Living

COMMAND = "make bench-train ARGS=--save"
ROUNDS = 9


def measure(case: Case) -> dict[str, float]:
    """Milliseconds of an iteration (median), and of its parts: the median over interleaved rounds
    of their share of the same round's iteration, so that a busy machine slows both.
    """
    programs = _programs(case)
    for program in programs.values():
        jax.block_until_ready(program())
    rounds = [{name: _milliseconds(run) for name, run in programs.items()} for _ in range(ROUNDS)]
    whole = statistics.median(took["iteration"] for took in rounds)
    share = {
        name: statistics.median(took[name] / took["iteration"] for took in rounds)
        for name in programs
    }
    return {name: whole * part for name, part in share.items()}


def _milliseconds(program: Callable) -> float:
    start = time.perf_counter()
    jax.block_until_ready(program())
    return 1e3 * (time.perf_counter() - start)


def _programs(case: Case) -> dict[str, Callable]:
    ours = experiment(case)
    learner, living = ours.learner, Living(ours.environment, ours.trial)
    compiled = Compiled(ours)
    progress, _ = compiled.run(compiled.begin(key=jr.key(0)), 1)
    state, life = progress.learner, stagger(ours, progress.life)
    collect = jax.jit(
        lambda state, life: living.collect(
            learner.agent(state), life, life.task, case.length, key=jr.key(1)
        )
    )
    _, trajectory = collect(state, life)
    update = jax.jit(lambda state, trajectory: learner.update(state, trajectory, key=jr.key(2)))
    score, forward = jax.jit(learner.score), jax.jit(lambda *args: _forward(ours, *args))
    live, start = living_at_random(case, case.length)
    now = [jax.tree.map(jnp.copy, progress)]

    def iterate() -> Array:
        now[0], metrics = compiled.run(now[0], 1)
        return metrics

    return {
        "iteration": iterate,
        "collect": lambda: collect(state, life),
        "environment": lambda: live(start, jr.key(3)),
        "update": lambda: update(state, trajectory),
        "advantages": lambda: score(state, trajectory),
        "forward": lambda: forward(state.network, trajectory),
    }


def _forward(ours: Experiment, network: ActorCritic, trajectory: Trajectory) -> Array:
    """The chunk once through the network, in the minibatches of an update."""
    seen = trajectory.timestep
    senses = Senses(
        seen.observation, trajectory.action, seen.reward, seen.first(), seen.begins_trial()
    )
    hands = jnp.arange(ours.lives).reshape(ours.learner.minibatches, -1)

    def one(_: None, who: Array) -> tuple[None, Array]:
        row = jax.tree.map(lambda x: x[:, who], senses)
        judgement = network(trajectory.memory.hidden[who], row)[1]
        return None, judgement.policy.logits.sum() + judgement.value.sum()

    return jax.lax.scan(one, None, hands)[1]


def page(profiles: dict[str, dict[str, float]], cases: dict[str, Case], where: dict) -> str:
    """The profiles as a page of Markdown."""
    machine = ", ".join(f"{key} {value}" for key, value in where.items())
    lines = [
        "# Where training time goes",
        "",
        f"{machine}; {datetime.date.today()}; `{COMMAND}`.",
        "",
        f"Each part runs as a program of its own, {ROUNDS} interleaved rounds; shares are medians",
        "of the rounds' shares. What is not timed by itself is a difference: the acting network is",
        "collecting less the environment (with random actions), backward is the update less",
        "advantages and forward. So a few percent either way mean nothing.",
    ]
    for name, parts in profiles.items():
        lines += ["", f"## {name}", "", f"`{cases[name]}`", "", *_table(cases[name], parts)]
    return "\n".join(lines) + "\n"


def _table(case: Case, parts: dict[str, float]) -> list[str]:
    whole = parts["iteration"]
    rows = {
        "environment, resets": parts["environment"],
        "acting network": parts["collect"] - parts["environment"],
        "advantages": parts["advantages"],
        "learning: forward": parts["forward"],
        "learning: backward, optimiser": parts["update"] - parts["advantages"] - parts["forward"],
        "choosing tasks, the rest": whole - parts["collect"] - parts["update"],
        "**iteration**": whole,
    }
    steps = case.lives * case.length
    return [
        "| part | ms | us a step | share |",
        "|---|---:|---:|---:|",
        *(
            f"| {name} | {ms:.1f} | {1e3 * ms / steps:.2f} | {ms / whole:.1%} |"
            for name, ms in rows.items()
        ),
    ]
