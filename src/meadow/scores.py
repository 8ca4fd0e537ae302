"""What tasks were worth: how a chunk of lives is reported, and scores that rank tasks by reports.

A score says how much there is to learn in each task, from a `Report`; -inf where nothing is known,
because no episode was finished. The regret family compares several students, whose axis leads; an
unfinished episode counts as a return of 0 there, as in the papers.

>>> import dataclasses
>>> lived = dataclasses.replace(
...     Report.nothing(3),
...     episodes=jnp.array([4.0, 4.0, 0.0]),
...     successes=jnp.array([2.0, 4.0, 0.0]),
... )
>>> scored("learnability", lived).tolist()
[0.25, 0.0, -inf]

References: Jiang et al., Prioritized Level Replay, 2021 (L1); Jiang et al., Replay-Guided
Adversarial Environment Design, 2021 (positive value loss, MaxMC); Dennis et al., Emergent
Complexity and Zero-shot Transfer via Unsupervised Environment Design, 2020 (regret); Jiang et al.,
minimax, 2023 (its mean and population forms, value disagreement); Rutherford et al., No Regrets:
Investigating and Improving Regret Approximations for Curriculum Discovery, 2024 (learnability);
Monette et al., An Optimisation Framework for Unsupervised Environment Design, 2025 (its form for
returns that are not 0 or 1; we put the standard deviation where their code has the variance).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from meadow.core.errors import UnknownNameError
from meadow.core.report import Report
from meadow.core.timestep import TimeStep
from meadow.core.trajectory import Trajectory


def report(
    trajectory: Trajectory,
    values: Float[Array, "time batch"],
    advantages: Float[Array, "time batch"],
    doubt: Float[Array, "time batch"] | None = None,
) -> Report:
    """How each column of a chunk went: of the episodes that were finished in it.

    Args:
        values: of what was seen at each row.
        advantages: of what was done.
        doubt: how far an ensemble of values disagrees.
    """
    ended = trajectory.next.finished()
    share, returns = _episodes(trajectory.next)
    done = trajectory.next.terminated() & (trajectory.next.reward > 0)
    best = jnp.max(jnp.where(ended, returns, -jnp.inf), axis=0)

    def within(x: Float[Array, "time batch"]) -> Float[Array, "batch"]:
        return jnp.sum(share * x, axis=0)

    return Report(
        episodes=ended.sum(0).astype(jnp.float32),
        successes=done.sum(0).astype(jnp.float32),
        returns=jnp.sum(jnp.where(ended, returns, 0.0), axis=0),
        squares=jnp.sum(jnp.where(ended, returns**2, 0.0), axis=0),
        best=best,
        value=within(values),
        advantage=within(advantages),
        gain=within(jnp.maximum(advantages, 0.0)),
        magnitude=within(jnp.abs(advantages)),
        doubt=jnp.zeros_like(best) if doubt is None else within(doubt),
    )


def one_step_report(
    trajectory: Trajectory, values: Float[Array, "time batch"], gamma: float
) -> Report:
    """How each column went, for learners who know values alone: an advantage is the error of one
    step. Where the next row does not say what followed, the value stays as it was.

    Args:
        values: of what was seen at each row.
        gamma: the learner's discount.
    """
    after = jnp.concatenate([values[1:], values[-1:]])
    after = jnp.where(trajectory.next.last(), values, after)
    discount = gamma * trajectory.next.discount
    return report(trajectory, values, trajectory.next.reward + discount * after - values)


def _episodes(
    after: TimeStep,
) -> tuple[Float[Array, "time batch"], Float[Array, "time batch"]]:
    """For each row its share of its episode (1 / length, 0 where that is not finished), and the
    episode's return so far."""

    def forward(carry: tuple[Array, Array], row: tuple[Array, Array]) -> tuple:
        reward, last = row
        now = carry[0] + 1.0, carry[1] + reward
        return tuple(jnp.where(last, 0.0, x) for x in now), now

    def backward(share: Array, row: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        steps, last, finished = row
        share = jnp.where(last, finished / steps, share)
        return share, share

    zeros, last = jnp.zeros_like(after.reward[0]), after.last()
    _, (steps, returns) = jax.lax.scan(forward, (zeros, zeros), (after.reward, last))
    _, share = jax.lax.scan(backward, zeros, (steps, last, after.finished()), reverse=True)
    return share, returns


Score = Callable[[Report], Float[Array, "num"]]


def scored(name: str, report: Report) -> Float[Array, "num"]:
    """The score of that name for each task.

    Raises:
        UnknownNameError: no such score.
    """
    if name in REGRETS:
        return REGRETS[name](report)
    if name not in SCORES:
        raise UnknownNameError("score", name, [*SCORES, *REGRETS])
    return jnp.where(report.finished, SCORES[name](report), -jnp.inf)


def oracle_regret(report: Report, optimum: Float[Array, "num"]) -> Float[Array, "num"]:
    """What the best possible return is above the mean return; no estimate, where a solver knows."""
    return jnp.where(report.finished, optimum - report.mean("returns"), -jnp.inf)


def _max_mc(report: Report) -> Float[Array, "num"]:
    """The best return above what was expected, R_max - V; `best` should be of all time."""
    return report.best - report.mean("value")


def _learnability(report: Report) -> Float[Array, "num"]:
    """p (1 - p) of the success rate p."""
    rate = report.mean("successes")
    return rate * (1.0 - rate)


def _generalised_learnability(report: Report) -> Float[Array, "num"]:
    """How returns spread within a task, weighed by how usual its mean return is in the batch."""
    mean, known = report.mean("returns"), report.finished
    spread = jnp.sqrt(jnp.maximum(report.mean("squares") - mean**2, 0.0))
    num = jnp.maximum(known.sum(), 1)
    centre = jnp.sum(jnp.where(known, mean, 0.0)) / num
    width = jnp.sqrt(jnp.sum(jnp.where(known, (mean - centre) ** 2, 0.0)) / num) + 1e-6
    usual = jax.scipy.stats.norm.pdf(mean, centre, width)
    return spread / jnp.sqrt(jnp.maximum(report.episodes, 1.0)) * usual


SCORES: dict[str, Score] = {
    "l1_value_loss": lambda report: report.mean("magnitude"),
    "positive_value_loss": lambda report: report.mean("gain"),
    "signed_value_loss": lambda report: report.mean("advantage"),
    "max_mc": _max_mc,
    "return": lambda report: report.mean("returns"),
    "neg_return": lambda report: -report.mean("returns"),
    "learnability": _learnability,
    "generalised_learnability": _generalised_learnability,
    "value_disagreement": lambda report: report.mean("doubt"),
}


def _best(report: Report) -> Float[Array, "students num"]:
    return jnp.where(report.finished, report.best, 0.0)


def _relative_regret(report: Report) -> Float[Array, "num"]:
    """max(0, best of the antagonist - mean of the protagonist), which comes first."""
    return jnp.maximum(_best(report)[1] - report.mean("returns")[0], 0.0)


def _mean_relative_regret(report: Report) -> Float[Array, "num"]:
    """The same of the antagonist's mean."""
    mean = report.mean("returns")
    return jnp.maximum(mean[1] - mean[0], 0.0)


def _flexible_regret(report: Report) -> Float[Array, "num"]:
    """Whoever has the better mean is the antagonist: its best - the other's mean."""
    mean, best = report.mean("returns"), _best(report)
    return jnp.where(mean[1] > mean[0], best[1] - mean[0], best[0] - mean[1])


def _population_regret(report: Report) -> Float[Array, "num"]:
    """The best of all students - the mean of them."""
    return _best(report).max(0) - report.mean("returns").mean(0)


REGRETS: dict[str, Score] = {
    "relative_regret": _relative_regret,
    "mean_relative_regret": _mean_relative_regret,
    "flexible_regret": _flexible_regret,
    "population_regret": _population_regret,
}
"""Scores of several students, whose axis leads."""
