"""Random: the agent that has learnt nothing; what every other agent is measured against."""

from jaxtyping import Array, Key, PyTree

from meadow.core.agent import AbstractAgent
from meadow.core.spec import ActionSpec
from meadow.core.timestep import TimeStep


class Random(AbstractAgent[tuple[()]]):
    """Draws every action uniformly from its spec; remembers and records nothing."""

    action_spec: ActionSpec

    def init_memory(self) -> tuple[()]:
        """Nothing to remember."""
        return ()

    def act(
        self, memory: tuple[()], timestep: TimeStep, *, key: Key[Array, ""]
    ) -> tuple[tuple[()], PyTree, dict[str, Array]]:
        """Any action, whatever the time step."""
        return memory, self.action_spec.sample(key=key), {}
