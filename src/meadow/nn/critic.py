"""Critics: what an action that is a vector is worth where something is seen; several at once."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key, PyTree

from meadow.core.errors import SpecError
from meadow.core.learner import SURPRISE
from meadow.core.spec import ActionSpec, Box
from meadow.nn.box import units, vectors
from meadow.nn.descent import weighed
from meadow.nn.mlp import MLP
from meadow.nn.plan import check_precision, parts
from meadow.nn.worth import AbstractWorth


class Critics(eqx.Module):
    """Networks of equal size and different start.

    Attributes:
        members: one network each.
        box: of the actions, which networks are told in units of half of it.
        sees: names of the parts of an observation that they are shown, which may be others than
            the agent acts upon; None for all.
    """

    members: tuple[MLP, ...]
    box: Box
    sees: tuple[str, ...] | None = eqx.field(static=True, default=None)

    def __call__(
        self, observation: PyTree, action: Float[Array, "*batch num"]
    ) -> Float[Array, "critics *batch size"]:
        """What each of them says."""
        seen = numbers(observation, action.ndim - 1, self.sees)
        x = jnp.concatenate([seen, units(self.box, action)], axis=-1)
        return jnp.stack([member(x) for member in self.members])

    @property
    def first(self) -> "Critics":
        """The first of them alone."""
        return Critics(self.members[:1], self.box, self.sees)


class CriticPlan(eqx.Module):
    """The sizes of critics.

    Attributes:
        hidden: widths of the hidden layers.
        num: how many critics.
        normed: whether the first layer is (`meadow.nn.mlp`).
        sees: names of the parts of an observation that they are shown; None for all.
        precision: of hidden layers (`meadow.nn.mlp`).

    Raises:
        UnknownNameError: no such precision.
    """

    hidden: tuple[int, ...] = eqx.field(static=True, default=(256, 256))
    num: int = eqx.field(static=True, default=2)
    normed: bool = eqx.field(static=True, default=False)
    sees: tuple[str, ...] | None = eqx.field(static=True, default=None)
    precision: str = eqx.field(static=True, default="float32")

    def __check_init__(self) -> None:
        check_precision(self.precision)

    def build(
        self, observation: PyTree, action_spec: ActionSpec, size: int = 1, *, key: Key[Array, ""]
    ) -> Critics:
        """Critics with fresh parameters.

        Args:
            observation: one example; only shapes and types matter.
            size: how many numbers tell a worth (`meadow.nn.worth`).

        Raises:
            SpecError: actions that are no vectors within bounds, or parts of an observation that
                are neither vectors nor numbers.
        """
        box = vectors(action_spec)
        width = numbers(observation, 0, self.sees).shape[0] + box.shape[0]
        keys = jr.split(key, self.num)
        return Critics(tuple(self.network(width, size, key=key) for key in keys), box, self.sees)

    def network(self, num_in: int, num_out: int, *, key: Key[Array, ""]) -> MLP:
        """One of them, of numbers to numbers."""
        sizes = (num_in, *self.hidden, num_out)
        return MLP(sizes, normed=self.normed, precision=self.precision, key=key)


class Lesson(NamedTuple):
    """What critics learn from: `action`, where `observation` was seen, was worth `reward +
    discount * after`, the latter as a network tells it.

    Attributes:
        weight: how much each counts; None for all alike.
    """

    observation: PyTree
    action: Float[Array, "batch num"]
    reward: Float[Array, "batch"]
    discount: Float[Array, "batch"]
    after: Float[Array, "batch size"]
    weight: Float[Array, "batch"] | None = None


def critics_loss(
    critics: Critics, worth: AbstractWorth, lesson: Lesson
) -> tuple[Float[Array, ""], dict[str, Float[Array, "..."]]]:
    """How wrong critics are, summed over them; with `loss`, their mean `value`, and the surprise of
    each example, the mean of their absolute errors on the scale on which they tell a worth."""
    told = critics(lesson.observation, lesson.action)
    target = lesson.reward, lesson.discount, lesson.after
    losses = jax.vmap(lambda one: worth.loss(one, *target))(told).sum(axis=0)
    error = jax.vmap(lambda one: worth.error(one, *target))(told)
    loss = weighed(losses, lesson.weight)
    surprise = jnp.abs(error).mean(axis=0)
    return loss, {"loss": loss, "value": worth.mean(told).mean(), SURPRISE: surprise}


def least(
    told: Float[Array, "critics *batch size"], worth: AbstractWorth
) -> Float[Array, "*batch size"]:
    """What the critic says that expects least, each time: against values that grow because the
    best of several errors is chosen.

    References: Fujimoto et al., Addressing Function Approximation Error, 2018.
    """
    which = jnp.argmin(worth.mean(told), axis=0)
    return jnp.take_along_axis(told, which[None, ..., None], axis=0)[0]


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
