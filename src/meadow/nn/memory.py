"""Memory: what lets an agent act on what it no longer sees."""

import abc

import equinox as eqx
from jaxtyping import Array, Bool, Float, PyTree


class AbstractMemory(eqx.Module):
    """A recurrence; time-major, with any batch axes after time.

    Give it the batch rather than `vmap` it where gradients are taken: the weights' gradient is then
    one product, and not one for each example with a sum to follow.
    """

    @property
    @abc.abstractmethod
    def width(self) -> int:
        """Of the output."""

    @abc.abstractmethod
    def init(self) -> PyTree:
        """The memory of nothing, without batch axes; float32 arrays."""

    @abc.abstractmethod
    def __call__(
        self,
        memory: PyTree,
        inputs: Float[Array, "time *batch num_in"],
        forget: Bool[Array, "time *batch"],
    ) -> tuple[Float[Array, "time *batch width"], PyTree]:
        """The output (float32) and the memory after each step; `forget` clears the memory before a
        step. Every leaf of the memory has the batch axes, and after the steps time as well."""
