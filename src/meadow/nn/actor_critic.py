"""ActorCritic: encoders, a memory, a policy and values; and the plan it is built from."""

from collections.abc import Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from meadow.core.errors import SpecError, UnknownNameError
from meadow.core.spec import ActionSpec, Discrete
from meadow.nn.dense import Dense
from meadow.nn.encoder import TILES, AbstractEncoder, Bytes, Convolutional, Facts, Numbers
from meadow.nn.feedforward import Feedforward
from meadow.nn.gru import GRU
from meadow.nn.head import Head
from meadow.nn.linear import Linear
from meadow.nn.lstm import LSTM
from meadow.nn.memory import AbstractMemory
from meadow.nn.picture import Picture
from meadow.nn.planes import Planes

PRECISIONS = ("float32", "bfloat16")
CORES = ("gru", "lstm", "linear", "none")
# What the bytes of a goal and of a rule are: a kind, tiles, a place (`meadow.tasks.grid`).
_FACTS = {"goal": "bttbb", "rules": "bttt"}


class Senses(eqx.Module):
    """What an actor-critic is told at each step: any leading axes.

    Attributes:
        observation: a dict; its arrays.
        action: the one before, -1 where there is none.
        reward: of that action.
        first: an episode begins here.
        forget: a trial begins here; the memory is cleared first.
    """

    observation: PyTree
    action: Int[Array, "*batch"]
    reward: Float[Array, "*batch"]
    first: Bool[Array, "*batch"]
    forget: Bool[Array, "*batch"]


class Judgement(eqx.Module):
    """A policy's logits and what each of an ensemble says going on is worth."""

    logits: Float[Array, "*batch actions"]
    values: Float[Array, "*batch values"]

    @property
    def value(self) -> Float[Array, "*batch"]:
        """The ensemble's mean."""
        return self.values.mean(axis=-1)

    @property
    def doubt(self) -> Float[Array, "*batch"]:
        """How far the ensemble disagrees: its standard deviation, 0 for one."""
        return self.values.std(axis=-1)


class Plan(eqx.Module):
    """The sizes of an `ActorCritic`; `build` makes one for what an environment shows.

    Attributes:
        channels: of the 2x2 convolutions over a view of bytes; none for one dense layer. A
            picture has layers of its own (`meadow.nn.picture`).
        embedding: width of a cell's embedding before the convolutions.
        features: width of the dense layer over bytes (a view when there are no convolutions), or
            over plain numbers where there is no view.
        aside: width given to whatever stands beside a view, and to the previous action.
        memory: width of the core.
        heads: width of the hidden layer of policy and value; 0 for none.
        tiles: how many kinds of tile are told apart; all 16, of which 13 are XLand's. A tile beyond
            them is known by its colour alone.
        precision: of the products that take the time: float32, or bfloat16, which is several times
            faster on a GPU. Parameters, embeddings, memory, logits and values are float32 in both.
        core: what remembers: gru, lstm, linear (S5), or none (a dense layer).
        layers: of a linear core.
        planes: filters of the convolution over a map of booleans; 0 for one dense layer.
        kernel: cells of it, either way.
        values: how many values are learnt, each with weights of its own; their mean is what counts.
        relu_heads: whether the hidden layer of policy and value has a ReLU, and not tanh.
        recalls: whether the network is told what it did, the reward of that, and where an episode
            begins, as an agent must be that adapts.

    Raises:
        UnknownNameError: no such precision, or no such core.
    """

    channels: tuple[int, ...] = eqx.field(static=True, default=(16, 32, 64))
    embedding: int = eqx.field(static=True, default=32)
    features: int = eqx.field(static=True, default=64)
    aside: int = eqx.field(static=True, default=16)
    memory: int = eqx.field(static=True, default=1024)
    heads: int = eqx.field(static=True, default=256)
    tiles: int = eqx.field(static=True, default=TILES)
    precision: str = eqx.field(static=True, default="float32")
    core: str = eqx.field(static=True, default="gru")
    layers: int = eqx.field(static=True, default=2)
    planes: int = eqx.field(static=True, default=16)
    kernel: int = eqx.field(static=True, default=3)
    values: int = eqx.field(static=True, default=1)
    relu_heads: bool = eqx.field(static=True, default=False)
    recalls: bool = eqx.field(static=True, default=True)

    def __check_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise UnknownNameError("precision", self.precision, PRECISIONS)
        if self.core not in CORES:
            raise UnknownNameError("core", self.core, CORES)

    def build(
        self, observation: PyTree, action_spec: ActionSpec, *, key: Key[Array, ""]
    ) -> "ActorCritic":
        """An actor-critic with fresh parameters.

        Args:
            observation: one example; only shapes and types matter.

        Raises:
            SpecError: an observation or action that this network cannot take.
        """
        if not isinstance(action_spec, Discrete):
            raise SpecError(f"`ActorCritic` chooses among discrete actions, got {action_spec}.")
        named = observation if isinstance(observation, dict) else {"observation": observation}
        named = {name: x for name, x in named.items() if x.size}
        keys = iter(jr.split(key, len(named) + 4 + 2 * self.values))
        beside = any(x.ndim > 1 for x in named.values())
        encoders = {
            name: self._encoder(name, x, beside, next(keys)) for name, x in sorted(named.items())
        }
        width = sum(encoder.width for encoder in encoders.values())
        width += self.aside + 2 if self.recalls else 0
        action = Dense(action_spec.num, self.aside, gain=1.0, key=next(keys))
        return ActorCritic(
            encoders=encoders,
            action=action if self.recalls else None,
            memory=self._core(width, next(keys)),
            policy=self._head(action_spec.num, 0.01, keys),
            values=tuple(self._head(1, 1.0, keys) for _ in range(self.values)),
            precision=self.precision,
        )

    def _core(self, num_in: int, key: Key[Array, ""]) -> AbstractMemory:
        if self.core == "linear":
            return Linear(num_in, self.memory, self.layers, key=key)
        kinds = {"gru": GRU, "lstm": LSTM, "none": Feedforward}
        return kinds[self.core](num_in, self.memory, key=key)

    def _head(self, num_out: int, gain: float, keys: Iterator[Key[Array, ""]]) -> Head:
        key = next(keys)
        hidden = Dense(self.memory, self.heads, gain=2.0, key=key) if self.heads else None
        last = Dense(self.heads or self.memory, num_out, gain=gain, key=next(keys))
        return Head(hidden, last, self.relu_heads)

    def _encoder(self, name: str, x: Array, beside: bool, key: Key[Array, ""]) -> AbstractEncoder:
        if x.dtype == jnp.uint8:
            if x.ndim == 3 and x.shape[-1] == 3:
                return Picture(*x.shape[:2], key=key)
            if name == "view" and self.channels:
                if min(x.shape) <= len(self.channels):
                    raise SpecError(
                        f"A view of {list(x.shape)} is too small for {len(self.channels)} "
                        "convolutions, each of which takes a row and a column. Give `Plan` fewer "
                        "`channels`, or () for one dense layer."
                    )
                return Convolutional(x.shape[0], self.embedding, self.channels, self.tiles, key=key)
            if name in _FACTS and x.ndim and x.shape[-1] == len(_FACTS[name]):
                return Facts(_FACTS[name], x.shape, self.features, self.tiles, key=key)
            width = self.features if x.ndim else self.aside
            return Bytes(x.shape, width, self.tiles, key=key)
        if x.dtype == jnp.bool_ and x.ndim == 3:
            height, width, planes = x.shape
            shape = height, width, planes
            return Planes(shape, self.planes, self.kernel, self.features, key=key)
        if x.ndim > 1:
            raise SpecError(
                f"No encoder for observation {name!r} of shape {list(x.shape)} and type {x.dtype}: "
                "expected bytes of any shape, a map of booleans [h, w, planes], a vector of "
                "numbers or a number."
            )
        return Numbers(x.shape, self.aside if beside else self.features, key=key)


class ActorCritic(eqx.Module):
    """A policy and value function for discrete actions, with a memory.

    Features of what is seen go through the memory, and beside them, where the plan recalls, the
    previous action, its reward and whether an episode begins; a policy and values read what comes
    out.
    """

    encoders: dict[str, AbstractEncoder]
    action: Dense | None
    memory: AbstractMemory
    policy: Head
    values: tuple[Head, ...]
    precision: str = eqx.field(static=True, default="float32")

    def init_memory(self) -> PyTree:
        """The memory at the start of a trial."""
        return self.memory.init()

    def __call__(self, memory: PyTree, senses: Senses) -> tuple[PyTree, Judgement]:
        """Live through `senses`, `[time, *batch, ...]`: the memory after each step, and each
        judgement."""
        outputs, memories = self.memory(memory, self._features(senses), senses.forget)
        values = [head(outputs, self.precision) for head in self.values]
        logits = self.policy(outputs, self.precision)
        return memories, Judgement(logits, jnp.concatenate(values, axis=-1))

    def _features(self, senses: Senses) -> Float[Array, "time *batch features"]:
        seen = senses.observation
        named = seen if isinstance(seen, dict) else {"observation": seen}
        parts = [
            encode(named[name], self.precision) for name, encode in sorted(self.encoders.items())
        ]
        if self.action is not None:
            num_actions = self.action.weight.shape[0]
            parts.append(self.action(jax.nn.one_hot(senses.action, num_actions)))
            parts.append(jnp.stack([senses.reward, senses.first.astype(jnp.float32)], axis=-1))
        return jnp.concatenate([part.astype(self.precision) for part in parts], axis=-1)
