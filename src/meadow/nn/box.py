"""Box: actions that are vectors, in units of half the box, as networks tell and are told them."""

import math

from jaxtyping import Array, Float

from meadow.core.errors import SpecError
from meadow.core.spec import ActionSpec, Box


def vectors(action_spec: ActionSpec) -> Box:
    """The box, once it is one that networks can act in.

    Raises:
        SpecError: actions that are no vectors, or a box that is empty or has no bounds.
    """
    if not isinstance(action_spec, Box) or len(action_spec.shape) != 1:
        raise SpecError(
            f"Expected actions that are vectors, a `Box((num,), ...)`, got {action_spec}."
        )
    if not 0 < half(action_spec) < math.inf:
        raise SpecError(f"Expected bounds, low < high, got {action_spec}. Cut actions to some.")
    return action_spec


def half(box: Box) -> float:
    """The length of half the box."""
    return 0.5 * (box.high - box.low)


def placed(box: Box, units: Float[Array, "*batch num"]) -> Float[Array, "*batch num"]:
    """The action that lies so many units from the middle."""
    return 0.5 * (box.high + box.low) + half(box) * units


def units(box: Box, action: Float[Array, "*batch num"]) -> Float[Array, "*batch num"]:
    """How far from the middle an action lies."""
    return (action - 0.5 * (box.high + box.low)) / half(box)
