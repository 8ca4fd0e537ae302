"""A policy acts as its agent did, from one file and nothing else."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.agents.ppo import PPO, Actor
from meadow.core.errors import CheckpointError, SpecError
from meadow.core.spec import Discrete
from meadow.core.timestep import restart, transition
from meadow.nn.actor_critic import ActorCritic
from meadow.nn.plan import Plan
from meadow.nn.trunk import Trunk
from meadow.runs import checkpoint, policy

SEEN = {"view": jnp.arange(9, dtype=jnp.uint8).reshape(3, 3), "speed": jnp.ones(2)}


@pytest.fixture(scope="module")
def agent():
    learner = PPO(Plan(channels=(), features=4, aside=2, memory=5, heads=0))
    return learner.agent(learner.init(restart(SEEN), Discrete(3), key=jr.key(0)))


@pytest.fixture(scope="module")
def path(agent, tmp_path_factory):
    path = tmp_path_factory.mktemp("policy") / "policy.safetensors"
    policy.save(path, agent, SEEN, {"world": "a test"})
    return path


def test_it_acts_as_the_agent_does(agent, path):
    exported = policy.load(path)
    assert exported.about["world"] == "a test"
    memory, theirs = agent.init_memory(), exported.begin()
    act = jax.jit(lambda memory, timestep, key: agent.act(memory, timestep, key=key))
    for i, timestep in enumerate([restart(SEEN), *[transition(0.5, SEEN)] * 4]):
        memory, action, _ = act(memory, timestep, jr.key(i))
        first, reward = bool(timestep.first()), float(timestep.reward)
        theirs, got = exported.act(theirs, SEEN, reward, first=first, key=jr.key(i))
        assert int(got) == int(action), f"step {i}"
        for x, y in zip(jax.tree.leaves(memory), theirs, strict=True):
            np.testing.assert_allclose(x, y, atol=1e-6, err_msg=f"memory after step {i}")


def test_it_needs_no_agent_and_no_network(path, monkeypatch):
    for part in (Actor, ActorCritic, Trunk):
        monkeypatch.delattr(part, "act" if part is Actor else "__call__")
    exported = policy.load(path)
    _, action = exported.act(exported.begin(), SEEN, first=True, key=jr.key(0))
    assert 0 <= int(action) < 3


def test_what_is_no_policy_is_refused(path, tmp_path):
    other = tmp_path / "checkpoint.safetensors"
    checkpoint.save(other, {"weight": jnp.ones(2)})
    with pytest.raises(CheckpointError, match="to be a policy"):
        policy.load(other)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CheckpointError):
        policy.load(broken)


def test_another_observation_is_refused(path):
    exported = policy.load(path)
    with pytest.raises(SpecError, match="trained on observations"):
        exported.act(exported.begin(), {"view": SEEN["view"]}, key=jr.key(0))
