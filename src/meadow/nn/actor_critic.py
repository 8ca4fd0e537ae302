"""ActorCritic: encoders, a memory, a policy and a value; and the plan it is built from."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from meadow.core.errors import SpecError, UnknownNameError
from meadow.core.spec import ActionSpec, Discrete
from meadow.nn.dense import Dense
from meadow.nn.encoder import TILES, AbstractEncoder, Bytes, Convolutional, Facts, Numbers
from meadow.nn.gru import GRU
from meadow.nn.picture import Picture

PRECISIONS = ("float32", "bfloat16")
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
    """A policy's logits and the value of going on."""

    logits: Float[Array, "*batch actions"]
    value: Float[Array, "*batch"]


class Plan(eqx.Module):
    """The sizes of an `ActorCritic`; `build` makes one for what an environment shows.

    Attributes:
        channels: of the 2x2 convolutions over a view of bytes; none for one dense layer. A
            picture has layers of its own (`meadow.nn.picture`).
        embedding: width of a cell's embedding before the convolutions.
        features: width of the dense layer over bytes (a view when there are no convolutions), or
            over plain numbers where there is no view.
        aside: width given to whatever stands beside a view, and to the previous action.
        memory: width of the GRU.
        heads: width of the hidden layer of policy and value; 0 for none.
        tiles: how many kinds of tile are told apart; all 16, of which 13 are XLand's. A tile beyond
            them is known by its colour alone.
        precision: of the products that take the time: float32, or bfloat16, which is several times
            faster on a GPU. Parameters, embeddings, memory, logits and values are float32 in both.

    Raises:
        UnknownNameError: no such precision.
    """

    channels: tuple[int, ...] = eqx.field(static=True, default=(16, 32, 64))
    embedding: int = eqx.field(static=True, default=32)
    features: int = eqx.field(static=True, default=64)
    aside: int = eqx.field(static=True, default=16)
    memory: int = eqx.field(static=True, default=1024)
    heads: int = eqx.field(static=True, default=256)
    tiles: int = eqx.field(static=True, default=TILES)
    precision: str = eqx.field(static=True, default="float32")

    def __check_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise UnknownNameError("precision", self.precision, PRECISIONS)

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
        keys = iter(jr.split(key, len(named) + 6))
        beside = any(x.ndim > 1 for x in named.values())
        encoders = {
            name: self._encoder(name, x, beside, next(keys)) for name, x in sorted(named.items())
        }
        width = sum(encoder.width for encoder in encoders.values()) + self.aside + 2
        hidden = self.heads or self.memory
        return ActorCritic(
            encoders=encoders,
            action=Dense(action_spec.num, self.aside, gain=1.0, key=next(keys)),
            memory=GRU(width, self.memory, key=next(keys)),
            policy_hidden=self._hidden(next(keys)),
            policy=Dense(hidden, action_spec.num, gain=0.01, key=next(keys)),
            value_hidden=self._hidden(next(keys)),
            value=Dense(hidden, 1, gain=1.0, key=next(keys)),
            precision=self.precision,
        )

    def _hidden(self, key: Key[Array, ""]) -> Dense | None:
        return Dense(self.memory, self.heads, gain=2.0, key=key) if self.heads else None

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
        if x.ndim > 1:
            raise SpecError(
                f"No encoder for observation {name!r} of shape {list(x.shape)} and type {x.dtype}: "
                "expected bytes of any shape, a vector of numbers or a number."
            )
        return Numbers(x.shape, self.aside if beside else self.features, key=key)


class ActorCritic(eqx.Module):
    """A recurrent policy and value function for discrete actions.

    Features of what is seen, the previous action, its reward and whether an episode begins go
    through a GRU; a policy and a value read the memory.
    """

    encoders: dict[str, AbstractEncoder]
    action: Dense
    memory: GRU
    policy_hidden: Dense | None
    policy: Dense
    value_hidden: Dense | None
    value: Dense
    precision: str = eqx.field(static=True, default="float32")

    def init_memory(self) -> Float[Array, "width"]:
        """The memory at the start of a trial."""
        return jnp.zeros(self.memory.width)

    def __call__(
        self, memory: Float[Array, "*batch width"], senses: Senses
    ) -> tuple[Float[Array, "time *batch width"], Judgement]:
        """Live through `senses`, `[time, *batch, ...]`: the memory after each step, and each
        judgement."""
        memories = self.memory(memory, self._features(senses), senses.forget)
        return memories, self._judge(memories)

    def _features(self, senses: Senses) -> Float[Array, "time *batch features"]:
        seen = senses.observation
        named = seen if isinstance(seen, dict) else {"observation": seen}
        parts = [
            encode(named[name], self.precision) for name, encode in sorted(self.encoders.items())
        ]
        num_actions = self.action.weight.shape[0]
        parts.append(self.action(jax.nn.one_hot(senses.action, num_actions)))
        parts.append(jnp.stack([senses.reward, senses.first.astype(jnp.float32)], axis=-1))
        return jnp.concatenate([part.astype(self.precision) for part in parts], axis=-1)

    def _judge(self, memories: Float[Array, "*batch width"]) -> Judgement:
        def through(layer: Dense | None) -> Array:
            if layer is None:
                return memories
            return jnp.tanh(layer(memories.astype(self.precision))).astype(jnp.float32)

        logits = self.policy(through(self.policy_hidden))
        return Judgement(logits, self.value(through(self.value_hidden))[..., 0])
