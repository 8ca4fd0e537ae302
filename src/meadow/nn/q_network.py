"""QNetwork: a trunk, and what each of a few actions is worth."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key, PyTree

from meadow.core.errors import SpecError
from meadow.core.spec import ActionSpec, Discrete
from meadow.nn.head import Head
from meadow.nn.plan import Plan, parts
from meadow.nn.product import product
from meadow.nn.trunk import Senses, Trunk


class QNetwork(eqx.Module):
    """Worths of discrete actions, each told in `size` numbers, with a memory.

    Where it is duelling, `Q = V + A - mean(A)`.

    References: Mnih et al., Human-level control through deep reinforcement learning, 2015; Wang et
    al., Dueling Network Architectures, 2016, eq. 9.
    """

    trunk: Trunk
    actions: Head
    state: Head | None
    size: int = eqx.field(static=True)

    def init_memory(self) -> PyTree:
        """The memory at the start of a trial."""
        return self.trunk.init_memory()

    def __call__(
        self, memory: PyTree, senses: Senses
    ) -> tuple[PyTree, Float[Array, "time *batch actions size"]]:
        """Live through `senses`, `[time, *batch, ...]`: the memory after each step, and what every
        action is worth."""
        memories, outputs = self.trunk(memory, senses)
        precision, actions, state = self.trunk.precision, self.actions, self.state
        if state is None:
            worths = self._each(actions(outputs, precision))
        elif state.hidden is None and actions.hidden is None:
            # Both are linear, and so is what becomes of them: one product, not two.
            weight = self._duel(actions.last.weight, state.last.weight)
            bias = self._duel(actions.last.bias, state.last.bias)
            worths = self._each(product(outputs, weight.reshape(len(weight), -1))) + bias
        else:
            worths = self._duel(actions(outputs, precision), state(outputs, precision))
        return memories, worths

    def _duel(
        self, actions: Float[Array, "*batch both"], state: Float[Array, "*batch size"]
    ) -> Float[Array, "*batch actions size"]:
        each = self._each(actions)
        return state[..., None, :] + each - each.mean(axis=-2, keepdims=True)

    def _each(self, told: Float[Array, "*batch both"]) -> Float[Array, "*batch actions size"]:
        return told.reshape(*told.shape[:-1], -1, self.size)


def taken(
    worths: Float[Array, "*batch actions size"], action: Int[Array, "*batch"]
) -> Float[Array, "*batch size"]:
    """What the action that was taken is worth, each time."""
    return jnp.take_along_axis(worths, action[..., None, None], axis=-2)[..., 0, :]


def q_network(
    plan: Plan,
    observation: PyTree,
    action_spec: ActionSpec,
    *,
    size: int = 1,
    duelling: bool = False,
    key: Key[Array, ""],
) -> QNetwork:
    """A network with fresh parameters.

    Args:
        observation: one example; only shapes and types matter.
        size: how many numbers tell a worth (`meadow.nn.worth`).

    Raises:
        SpecError: an observation or action that this network cannot take.
    """
    if not isinstance(action_spec, Discrete):
        raise SpecError(f"`QNetwork` judges discrete actions, got {action_spec}.")
    keys = iter(jr.split(key, len(parts(observation)) + 6))
    trunk = plan.trunk(observation, action_spec, keys)
    actions = plan.head(action_spec.num * size, 1.0, keys)
    state = plan.head(size, 1.0, keys) if duelling else None
    return QNetwork(trunk, actions, state, size)
