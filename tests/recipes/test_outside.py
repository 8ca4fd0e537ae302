"""Recipes in other libraries' environments: trained, judged, kept as a policy, gone on with."""

import dataclasses
import json

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.agents.dqn import DQN
from meadow.core.errors import MeadowError, UnknownNameError
from meadow.loops.iteration import Progress
from meadow.nn.plan import Plan
from meadow.recipes import looks
from meadow.recipes.agents import AGENTS
from meadow.recipes.looks import visited
from meadow.recipes.outside import Outside, is_outside
from meadow.recipes.train import load, recipe_of, train
from meadow.runs import policy
from meadow.runs.folder import Run

pytest.importorskip("gymnasium")
TINY = dataclasses.replace(
    AGENTS["dqn"][1].elsewhere("gymnasium:CartPole-v1"),
    learner=DQN(Plan(features=8, memory=8, heads=0, core="none", recalls=False)),
    length=4,
    iterations=300,
    chunk=100,
    looks=2,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return train(TINY, tmp_path_factory.mktemp("runs") / "run").run


def test_it_is_judged_on_the_way(run):
    lines = [json.loads(line) for line in run.metrics_path.read_text().splitlines()]
    assert [line["steps"] for line in lines] == [400, 800, 1200]
    assert ["judged" in line for line in lines] == [False, True, True], "twice over the run"
    assert lines[0]["return"] == lines[0]["length"] > 8, "a step is paid 1, by the episode"
    assert lines[0]["loss"] is None and lines[-1]["loss"] > 0, "it learns after 1,000 steps"


def test_acme_5_who_judges_has_environments_and_luck_of_its_own(run, tmp_path):
    """A run that nobody judges is the same to the bit."""
    unseen = train(dataclasses.replace(TINY, looks=0), tmp_path / "unseen").run
    learners = [load(one, TINY)[1] for one in (run, unseen)]
    assert eqx.tree_equal(*learners), "who was judged on the way has learnt something else"


def test_the_best_acts_by_itself(run):
    for name in ("best", "last"):
        exported = policy.load(run.path / f"{name}.safetensors")
        seen = jax.numpy.zeros(4)
        _, action = exported.act(exported.begin(), seen, first=True, key=jr.key(0))
        assert int(action) in (0, 1) and float(exported.about["return"]) > 8


def test_it_goes_on_and_is_judged_afterwards(run):
    assert recipe_of(run) == TINY and isinstance(recipe_of(run).environment, Outside)
    iteration, agent = load(run, TINY)
    assert iteration == TINY.iterations
    found = visited(TINY, [agent], episodes=5)
    assert list(found) == ["agent", "sampling", "random"]
    assert all(8 < mean.low <= mean.value <= mean.high for mean in found.values())
    longer = train(TINY, run.path, resume=True)
    assert longer.steps == 1200, "and there is nothing left to do"


def test_a_run_that_goes_on_knows_its_best(run):
    best = float(policy.load(run.path / "best.safetensors").about["return"])
    judge = looks.Looks(TINY, AGENTS["dqn"][1].experiment(), run, TINY.iterations)
    blank = Progress(*[None] * 3, jr.key(0), jnp.int32(TINY.iterations))
    assert judge(TINY.iterations, blank) == {}, "it was judged there already"
    assert judge._best == best > 8, "and nothing worse takes its place"


def test_of_several_runs_intervals_are_over_runs(run, monkeypatch):
    """Three runs that earn 0, 1 and 2 in every episode: many episodes make that no surer."""
    agent = load(run, TINY)[1]
    earned = lambda host, agent, num, seed, key: np.full(num, float(seed))  # noqa: E731
    monkeypatch.setattr(looks, "returns", earned)
    found = visited(TINY, [agent] * 3, episodes=50)
    assert found["agent"].value == 1 and found["agent"].high - found["agent"].low > 1
    assert found["random"] == (0, 0, 0), "of one agent over its episodes"


def test_programs_live_beside_one_device(tmp_path):
    with pytest.raises(MeadowError, match="beside one device, asked for 2"):
        train(TINY, tmp_path / "run", devices=2)
    assert not any(tmp_path.iterdir())


def test_names():
    assert is_outside("bsuite:catch/0") and not is_outside("XLand-MiniGrid-R1-9x9")
    with pytest.raises(UnknownNameError, match="Did you mean 'CartPole-v1'"):
        Outside("gymnasium:CartPol-v1").open(1, 0)
    with pytest.raises(MeadowError, match="must be opened"):
        _ = Outside("gymnasium:CartPole-v1").action_spec
