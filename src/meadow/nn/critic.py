"""Critics: what an action that is a vector is worth where something is seen; several at once."""

import math

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key, PyTree

from meadow.core.errors import SpecError
from meadow.core.spec import ActionSpec, Box
from meadow.nn.mlp import MLP
from meadow.nn.plan import parts


class Critics(eqx.Module):
    """Networks of equal size and different start.

    Attributes:
        members: one network each.
        sees: names of the parts of an observation that they are shown, which may be others than
            the agent acts upon; None for all.
    """

    members: tuple[MLP, ...]
    sees: tuple[str, ...] | None = eqx.field(static=True, default=None)

    def __call__(
        self, observation: PyTree, action: Float[Array, "*batch num"]
    ) -> Float[Array, "critics *batch size"]:
        """What each of them says."""
        x = jnp.concatenate([numbers(observation, action.ndim - 1, self.sees), action], axis=-1)
        return jnp.stack([member(x) for member in self.members])


class CriticPlan(eqx.Module):
    """The sizes of critics.

    Attributes:
        hidden: widths of the hidden layers.
        num: how many critics.
        normed: whether the first layer is (`meadow.nn.mlp`).
        sees: names of the parts of an observation that they are shown; None for all.
    """

    hidden: tuple[int, ...] = eqx.field(static=True, default=(256, 256))
    num: int = eqx.field(static=True, default=2)
    normed: bool = eqx.field(static=True, default=False)
    sees: tuple[str, ...] | None = eqx.field(static=True, default=None)

    def build(
        self, observation: PyTree, action_spec: ActionSpec, size: int = 1, *, key: Key[Array, ""]
    ) -> Critics:
        """Critics with fresh parameters.

        Args:
            observation: one example; only shapes and types matter.
            size: how many numbers tell a worth (`meadow.nn.worth`).

        Raises:
            SpecError: actions that are no vectors, or parts of an observation that are none.
        """
        if not isinstance(action_spec, Box) or len(action_spec.shape) != 1:
            raise SpecError(f"Critics judge actions that are vectors, got {action_spec}.")
        width = numbers(observation, 0, self.sees).shape[0] + math.prod(action_spec.shape)
        sizes, keys = (width, *self.hidden, size), jr.split(key, self.num)
        members = tuple(MLP(sizes, normed=self.normed, key=key) for key in keys)
        return Critics(members, self.sees)


def numbers(
    observation: PyTree, axes: int, sees: tuple[str, ...] | None = None
) -> Float[Array, "*batch width"]:
    """The numbers of an observation as one vector.

    Args:
        axes: how many axes are a batch.
        sees: which parts; None for all.

    Raises:
        SpecError: no such part, or one that is neither a vector nor a number.
    """
    named = parts(observation)
    names = sorted(named) if sees is None else sees
    flat = []
    for name in names:
        if name not in named:
            raise SpecError(f"No part {name!r} in an observation of {sorted(named)}.")
        x = named[name]
        if x.ndim - axes not in (0, 1):
            raise SpecError(
                f"Expected vectors and numbers, got {name!r} of shape {list(x.shape[axes:])}."
            )
        flat.append((x if x.ndim > axes else x[..., None]).astype(jnp.float32))
    return jnp.concatenate(flat, axis=-1)
