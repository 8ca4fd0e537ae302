"""Linear: a memory that forgets at fixed rates, and so is worked out for all times at once.

    x_t = D x_(t-1) + (D - 1) / L * B u_t,  D = exp(L step),  y = 2 Re(C x) + skip u

`L` are complex rates of decay, one for each part of the state, of which only one of each conjugate
pair is kept. Between two recurrences stand a half-GLU, a residual and a layer norm. Because the
recurrence is linear, a prefix sum gives every state in logarithmic depth; a step that forgets
enters it with a factor of 0, which is all that a reset is.

The recurrence, the residual and the norms are float32; products with weights are in the precision
of what comes in. Parameters and memory are real numbers, so that every optimiser and every file
takes them.

References: Smith et al., Simplified State Space Layers for Sequence Modeling (S5), 2023; Lu et al.,
Structured State Space Models for In-Context Reinforcement Learning, 2023, for the resets.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Key

from meadow.nn.dense import Dense
from meadow.nn.memory import AbstractMemory
from meadow.nn.norm import normed
from meadow.nn.product import product

_STEPS = (1e-3, 1e-1)  # the range that a layer's steps are drawn from at first
_BLOCKS = 2  # the state begins as so many copies of one spectrum


class Linear(AbstractMemory):
    """A dense layer and then `layers` recurrences; the memory is the state of each.

    Args:
        num_in: width of the input.
        width: of every layer and of the output; a state is half as many complex numbers.
    """

    inward: Dense
    layers: tuple["Layer", ...]

    def __init__(self, num_in: int, width: int, layers: int = 2, *, key: Key[Array, ""]):
        key, key_inward = jr.split(key)
        self.inward = Dense(num_in, width, gain=1.0, key=key_inward)
        self.layers = tuple(Layer(width, key=k) for k in jr.split(key, layers))

    @property
    def width(self) -> int:
        """Of the output."""
        return self.inward.bias.shape[0]

    def init(self) -> tuple[Float[Array, "state"], ...]:
        """Zeros, for each layer."""
        return tuple(jnp.zeros(layer.outward.shape[0]) for layer in self.layers)

    def __call__(
        self,
        memory: tuple[Float[Array, "*batch state"], ...],
        inputs: Float[Array, "time *batch num_in"],
        forget: Bool[Array, "time *batch"],
    ) -> tuple[Float[Array, "time *batch width"], tuple[Float[Array, "time *batch state"], ...]]:
        """The last layer's output, and the states of all, after each step."""
        x, memories = self.inward(inputs).astype(jnp.float32), []
        for layer, before in zip(self.layers, memory, strict=True):
            x, states = layer(before, x, forget, inputs.dtype)
            memories.append(states)
        return x, tuple(memories)


class Layer(eqx.Module):
    """One recurrence with what follows it.

    Attributes:
        log_decay, frequency: the rates `L` are -exp(log_decay) + i frequency.
        log_step: how much time passes in a step, for each part of the state.
        inward, outward: B and 2C, real beside imaginary.
        skip: what passes the state by.
        gate: of the half-GLU.
        scale, shift: of the norm.
    """

    log_decay: Float[Array, "rates"]
    frequency: Float[Array, "rates"]
    log_step: Float[Array, "rates"]
    inward: Float[Array, "width state"]
    outward: Float[Array, "state width"]
    skip: Float[Array, "width"]
    gate: Dense
    scale: Float[Array, "width"]
    shift: Float[Array, "width"]

    def __init__(self, width: int, *, key: Key[Array, ""]):
        key_in, key_out, key_skip, key_step, key_gate = jr.split(key, 5)
        rates = width // 2
        self.log_decay = jnp.full(rates, np.log(0.5))
        self.frequency = jnp.asarray(spectrum(rates), jnp.float32)
        low, high = np.log(_STEPS)
        self.log_step = jr.uniform(key_step, (rates,), minval=low, maxval=high)
        # In the basis of the spectrum a random B is as random as in any other.
        self.inward = jr.normal(key_in, (width, 2 * rates)) / np.sqrt(2 * width)
        self.outward = jr.normal(key_out, (2 * rates, width)) / np.sqrt(rates)
        self.skip = jr.normal(key_skip, (width,))
        self.gate = Dense(width, width, gain=1.0, key=key_gate)
        self.scale, self.shift = jnp.ones(width), jnp.zeros(width)

    def __call__(
        self,
        memory: Float[Array, "*batch state"],
        x: Float[Array, "time *batch width"],
        forget: Bool[Array, "time *batch"],
        dtype: jnp.dtype,
    ) -> tuple[Float[Array, "time *batch width"], Float[Array, "time *batch state"]]:
        """The output and the state after each step."""
        rates = jax.lax.complex(-jnp.exp(self.log_decay), self.frequency)
        decay = jnp.exp(rates * jnp.exp(self.log_step))
        driven = (decay - 1.0) / rates * _complex(product(x, self.inward.astype(dtype)))
        states = _recur(decay, _complex(memory), driven, ~forget)
        states = jnp.concatenate([states.real, states.imag], axis=-1)
        y = jax.nn.gelu(product(states, self.outward.astype(dtype)) + self.skip * x)
        y = y * jax.nn.sigmoid(self.gate(y.astype(dtype)).astype(jnp.float32))
        return normed(x + y) * self.scale + self.shift, states


def spectrum(num: int) -> np.ndarray:
    """Frequencies to begin with: those of the HiPPO-LegS matrix, which remembers all of the past
    as well as a state of its size can, without its part of rank one.

    >>> spectrum(4).round(2).tolist()
    [4.6, 0.56, 4.6, 0.56]
    """
    size = 2 * -(-num // _BLOCKS)
    roots = np.sqrt(2.0 * np.arange(size) + 1.0)
    below = np.tril(np.outer(roots, roots) / 2.0, -1)
    positive = np.linalg.eigvalsh(1j * (below.T - below))[::-1][: size // 2]
    return np.resize(positive, num)


@jax.custom_vjp
def _recur(
    decay: Complex[Array, "rates"],
    memory: Complex[Array, "*batch rates"],
    driven: Complex[Array, "time *batch rates"],
    keep: Bool[Array, "time *batch"],
) -> Complex[Array, "time *batch rates"]:
    """`x_t = keep_t * decay * x_(t-1) + driven_t`."""
    return _forward(decay, memory, driven, keep)[0]


def _forward(decay: Array, memory: Array, driven: Array, keep: Array) -> tuple[Array, tuple]:
    factors = jnp.where(keep[..., None], decay, 0.0)
    states = _scan(factors, driven.at[0].add(factors[0] * memory))
    return states, (decay, memory, states, keep)


def _backward(saved: tuple, d_states: Array) -> tuple[Array, Array, Array, None]:
    """The same recurrence in the other direction; differentiating the prefix sum would keep and
    undo every level of it."""
    decay, memory, states, keep = saved
    factors = jnp.where(keep[..., None], decay, 0.0)
    later = jnp.concatenate([factors[1:], jnp.zeros_like(factors[:1])])
    d_driven = _scan(later, d_states, reverse=True)
    before = jnp.concatenate([memory[None], states[:-1]])
    d_decay = jnp.where(keep[..., None], d_driven * before, 0.0)
    return d_decay.reshape(-1, decay.size).sum(axis=0), factors[0] * d_driven[0], d_driven, None


_recur.defvjp(_forward, _backward)


def _scan(factors: Array, terms: Array, reverse: bool = False) -> Array:
    """`x_t = factors_t * x_(t-1) + terms_t`, from nothing."""

    def both(first: tuple, second: tuple) -> tuple[Array, Array]:
        return first[0] * second[0], second[0] * first[1] + second[1]

    return jax.lax.associative_scan(both, (factors, terms), reverse=reverse)[1]


def _complex(x: Array) -> Array:
    """Real beside imaginary as one."""
    return jax.lax.complex(*jnp.split(x, 2, axis=-1))
