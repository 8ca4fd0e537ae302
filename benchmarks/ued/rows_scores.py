"""The row about scores: what they say of two thousand levels, beside what other attempts find.

A student of 50 updates of DR is frozen and lives every level, drawn as in training (some of them
cannot be solved), for ten time limits, twice. Scores are
those of the first life; the regret, which a solver knows exactly, and learnability, p (1 - p), are
those of the second.
"""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from curves import COLOURS, interval
from ued.case import FIGURES, SEEDS, SMALL, run
from ued.rows_mazes import spearman

from meadow.core.report import Report
from meadow.curricula.uniform import Uniform
from meadow.rollout.life import unborn
from meadow.rollout.live import Living
from meadow.scores import SCORES, oracle_regret, scored
from meadow.tasks.maze.solve import optimum

LEVELS, LIMITS, PARTS = 2000, 10, 8


def scores() -> None:
    """Scores mean something: learnability is learnability, most others are not regret."""
    what = SMALL.experiment(Uniform(SMALL.space))
    _, progress = run(what, 50, 50, lambda agent: {})
    draw = jax.jit(jax.vmap(lambda key: SMALL.space.sample(key=key)))
    levels = draw(jr.split(jr.key(108), LEVELS))
    best = jax.jit(jax.vmap(lambda level: optimum(level, SMALL.horizon)))(levels)

    @jax.jit
    def report(state: Any, key: jax.Array) -> Report:
        def some(part: tuple) -> Report:
            tasks, key = part
            agent = what.learner.agent(state)
            life = unborn(what.environment, agent, tasks)
            living = Living(what.environment, what.trial)
            _, lived = living.collect(agent, life, tasks, LIMITS * SMALL.horizon, key=key)
            return what.learner.score(state, lived)

        dealt = jax.tree.map(lambda x: x.reshape(PARTS, -1, *x.shape[1:]), levels)
        reports = jax.lax.map(some, (dealt, jr.split(key, PARTS)))
        return jax.tree.map(lambda x: x.reshape(-1), reports)

    told: dict[str, dict[str, list[float]]] = {}
    for seed in range(SEEDS):
        state = jax.tree.map(lambda x, seed=seed: x[seed], progress.learner)
        first, second = (report(state, key) for key in jr.split(jr.key(109 + seed)))
        names = {name: scored(name, first) for name in SCORES if name != "value_disagreement"}
        names |= {"oracle_regret": oracle_regret(first, best)}
        regret, rate = oracle_regret(second, best), second.mean("successes")
        for name, values in names.items():
            row = told.setdefault(name, {"regret": [], "learnability": []})
            row["regret"].append(spearman(np.asarray(values), np.asarray(regret)))
            row["learnability"].append(spearman(np.asarray(values), np.asarray(rate * (1 - rate))))
        print(f"  seed {seed}: {float(jnp.mean(first.episodes)):.1f} episodes a level", flush=True)
    table = {
        name: {target: interval(values) for target, values in row.items()}
        for name, row in told.items()
    }
    _bars(table)
    FIGURES.write(
        "scores",
        "What scores say of 2,000 levels, as rank correlations with other attempts",
        {},
        {
            "found": table,
            "passes": {
                "learnability with itself above .5": table["learnability"]["learnability"].low > 0.5
            },
        },
    )


def _bars(table: dict[str, dict[str, Any]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = sorted(table, key=lambda name: table[name]["learnability"].value)
    figure, panel = pyplot.subplots(figsize=(7.2, 4.2), layout="constrained")
    for i, (target, colour) in enumerate(zip(("learnability", "regret"), COLOURS, strict=False)):
        rows = [table[name][target] for name in names]
        middle = np.array([row.value for row in rows])
        reach = np.abs(np.array([row[1:] for row in rows]).T - middle)
        panel.barh(np.arange(len(names)) + 0.2 - 0.4 * i, middle, 0.38, xerr=reach, color=colour,
                   label=target, error_kw={"linewidth": 1})  # fmt: skip
    panel.set_yticks(range(len(names)), [name.replace("_", " ") for name in names], fontsize=9)
    panel.axvline(0, color="#444444", linewidth=0.8)
    panel.set_xlabel("rank correlation over levels, with attempts of their own", fontsize=9)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(fontsize=9, frameon=False, loc="lower right")
    figure.suptitle("What scores say, beside what they are meant to say", fontsize=11)
    FIGURES.folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(FIGURES.folder / "scores.png", dpi=140)
    pyplot.close(figure)
