"""An agent in one file: memory, a rule, and the law that a new trial forgets.

Win-stay, lose-shift: pull the last arm again if it paid, else the next one. On an arm hidden in the
task this is the best one can do, and it is done without learning anything.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int, Key

from meadow.core.agent import AbstractAgent
from meadow.core.spec import Discrete
from meadow.core.timestep import TimeStep
from meadow.rollout.life import Trial, unborn
from meadow.rollout.live import Living
from meadow.testing import check_agent
from meadow.testing.probes import Choice, HiddenArm


class Memory(NamedTuple):
    arm: Int[Array, ""]


class WinStay(AbstractAgent[Memory]):
    num_arms: int

    def init_memory(self) -> Memory:
        return Memory(jnp.zeros((), jnp.int32))

    def act(
        self, memory: Memory, timestep: TimeStep, *, key: Key[Array, ""]
    ) -> tuple[Memory, Int[Array, ""], dict]:
        lost = timestep.reward == 0
        arm = jnp.where(lost, (memory.arm + 1) % self.num_arms, memory.arm)
        # Nobody clears the memory from outside: the agent sees that a trial begins.
        arm = jnp.where(timestep.begins_trial(), 0, arm)
        return Memory(arm), arm, {}


def adaptation(agent: AbstractAgent, num_arms: int, *, episodes: int, key: Key[Array, ""]) -> Array:
    """Mean reward in each episode of a trial, over every task once."""
    environment, tasks = HiddenArm(num_arms, length=1), jnp.arange(num_arms)
    living = Living(environment, Trial(episodes=episodes))
    life = unborn(environment, agent, tasks)
    _, lived = living.collect(agent, life, tasks, episodes, key=key)
    return lived.next.reward.mean(axis=1)


def main() -> None:
    agent = WinStay(num_arms=2)
    example = HiddenArm(length=1).reset(Choice(2).sample(key=jr.key(0)), key=jr.key(1))[1]
    check_agent(agent, example, Discrete(2), key=jr.key(2))
    curve = jax.jit(lambda key: adaptation(agent, 2, episodes=4, key=key))(jr.key(3))
    print("the laws of agents hold")
    print("reward per episode of a trial:", " ".join(f"{mean:.2f}" for mean in curve))


if __name__ == "__main__":
    main()
