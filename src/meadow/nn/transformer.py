"""Transformer: a memory that keeps what it was told as it was, and looks it up.

What is remembered are the keys and values of the last steps, so that a step costs one look at them
and not another pass over all that was lived. Many steps are worked out at once: each looks at
itself, at those of the last `window` before it, and at none before the last that forgot. Where a
step stands tells a rotation by its place, which leaves nothing of it but distances.

Norms come before what they are for; the residual, the norms and what is remembered are float32, and
products with weights in the precision of what comes in.

References: Vaswani et al., Attention Is All You Need, 2017; Su et al., RoFormer, 2021, for places;
Parisotto et al., Stabilizing Transformers for Reinforcement Learning, 2020, for the norms' place.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key

from meadow.core.errors import SpecError
from meadow.nn.dense import Dense
from meadow.nn.memory import AbstractMemory
from meadow.nn.norm import normed

_HEAD = 32  # numbers of a head, or all there are where that does not divide them
_BASE = 10_000.0  # the slowest rotation takes so many steps for a radian


class Cache(NamedTuple):
    """The last steps, oldest first.

    Attributes:
        told: keys and values of each layer, one beside the other; 0 where nothing is known.
        known: of how many steps they are.
    """

    told: Float[Array, "*batch layers window both"]
    known: Float[Array, "*batch"]


class Transformer(AbstractMemory):
    """A dense layer, `layers` blocks of attention and of two dense layers, and a norm.

    Args:
        num_in: width of the input.
        width: of every layer and of the output.
        window: steps that are remembered.

    Raises:
        SpecError: a width that is odd, or no window.
    """

    inward: Dense
    blocks: tuple["Block", ...]
    window: int = eqx.field(static=True)

    def __init__(
        self, num_in: int, width: int, layers: int = 2, window: int = 64, *, key: Key[Array, ""]
    ):
        if width % 2 or window < 1:
            raise SpecError(
                f"`Transformer` needs an even width and a window of a step or more, got {width} "
                f"and {window}."
            )
        key, key_inward = jr.split(key)
        self.inward = Dense(num_in, width, gain=1.0, key=key_inward)
        self.blocks = tuple(Block(width, key=k) for k in jr.split(key, layers))
        self.window = window

    @property
    def width(self) -> int:
        """Of the output."""
        return self.inward.bias.shape[0]

    def init(self) -> Cache:
        """Nothing is known."""
        return Cache(jnp.zeros((len(self.blocks), self.window, 2 * self.width)), jnp.zeros(()))

    def __call__(
        self,
        memory: Cache,
        inputs: Float[Array, "time *batch num_in"],
        forget: Bool[Array, "time *batch"],
    ) -> tuple[Float[Array, "time *batch width"], Cache]:
        """The last block's output, normed, and the last steps after each step."""
        time = len(forget)
        begins = _begins(self.window - jnp.clip(memory.known, 0, self.window), forget, self.window)
        here = self.window + jnp.arange(time)
        where = jnp.arange(self.window + time)
        # [time, *batch, place]: what a step may look at.
        far = here[:, None] - where
        seen = (where >= begins[..., None]) & _between(far, self.window, forget.ndim)

        x, told = self.inward(inputs).astype(jnp.float32), []
        for i, block in enumerate(self.blocks):
            before = jnp.moveaxis(memory.told[..., i, :, :], -2, 0)
            x, all_told = block(before, x, seen, inputs.dtype)
            told.append(all_told)
        last = jnp.arange(1, self.window + 1) + jnp.arange(time)[:, None]
        kept = jnp.moveaxis(jnp.stack(told)[:, last], (0, 2), (-3, -2))
        known = jnp.minimum(here.reshape(-1, *[1] * (forget.ndim - 1)) + 1 - begins, self.window)
        blank = jnp.arange(self.window) < self.window - known[..., None, None]
        return normed(x), Cache(jnp.where(blank[..., None], 0.0, kept), known.astype(jnp.float32))


class Block(eqx.Module):
    """Attention, and two dense layers, each beside what passes it by."""

    told: Dense
    out: Dense
    wide: Dense
    narrow: Dense

    def __init__(self, width: int, *, key: Key[Array, ""]):
        keys = jr.split(key, 4)
        self.told = Dense(width, 3 * width, gain=1.0, key=keys[0])
        self.out = Dense(width, width, gain=1.0, key=keys[1])
        self.wide = Dense(width, 4 * width, key=keys[2])
        self.narrow = Dense(4 * width, width, gain=1.0, key=keys[3])

    def __call__(
        self,
        before: Float[Array, "window *batch both"],
        x: Float[Array, "time *batch width"],
        seen: Bool[Array, "time *batch place"],
        dtype: jnp.dtype,
    ) -> tuple[Float[Array, "time *batch width"], Float[Array, "place *batch both"]]:
        """The output, and keys and values from `before` on."""
        width = x.shape[-1]
        asked, told = jnp.split(self.told(normed(x).astype(dtype)), [width], axis=-1)
        told = jnp.concatenate([before, told.astype(jnp.float32)])
        heads = width // _HEAD if width % _HEAD == 0 else 1
        keys, values = (_parted(y, heads) for y in jnp.split(told, 2, axis=-1))
        place = jnp.arange(len(told))
        asked = _turned(_parted(asked.astype(jnp.float32), heads), place[len(before) :])
        keys = _turned(keys, place)
        fit = jnp.einsum("t...hd,s...hd->t...hs", asked.astype(dtype), keys.astype(dtype))
        fit = fit.astype(jnp.float32) * (width // heads) ** -0.5
        share = jax.nn.softmax(jnp.where(seen[..., None, :], fit, -jnp.inf), axis=-1)
        found = jnp.einsum("t...hs,s...hd->t...hd", share.astype(dtype), values.astype(dtype))
        x = x + self.out(found.reshape(x.shape)).astype(jnp.float32)
        hidden = jax.nn.gelu(self.wide(normed(x).astype(dtype)))
        return x + self.narrow(hidden).astype(jnp.float32), told


def _begins(
    start: Float[Array, "*batch"], forget: Bool[Array, "time *batch"], window: int
) -> Float[Array, "time *batch"]:
    """The first place that each step remembers."""
    time = jnp.arange(len(forget)).reshape(-1, *[1] * (forget.ndim - 1))
    forgot = jnp.where(forget, (window + time).astype(jnp.float32), -jnp.inf)
    return jnp.maximum(start, jax.lax.cummax(forgot))


def _between(
    far: Int[Array, "time place"], window: int, axes: int
) -> Bool[Array, "time *batch place"]:
    """Whether a place is neither ahead of a step nor out of its window."""
    near = (far >= 0) & (far <= window)
    return near.reshape(far.shape[0], *[1] * (axes - 1), far.shape[1])


def _parted(x: Float[Array, "*batch width"], heads: int) -> Float[Array, "*batch heads size"]:
    return x.reshape(*x.shape[:-1], heads, -1)


def _turned(
    x: Float[Array, "place *batch heads size"], place: Int[Array, "place"]
) -> Float[Array, "place *batch heads size"]:
    """Pairs of numbers turned by their place, each pair at a rate of its own."""
    half = x.shape[-1] // 2
    angle = place[:, None] * _BASE ** (-jnp.arange(half) / half)
    angle = angle.reshape(-1, *[1] * (x.ndim - 2), half)
    first, second = jnp.split(x, 2, axis=-1)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return jnp.concatenate([first * cos - second * sin, first * sin + second * cos], axis=-1)
