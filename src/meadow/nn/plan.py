"""Plan: the sizes of a network, from which its parts are built for what an environment shows."""

from collections.abc import Iterator

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from meadow.core.errors import SpecError, UnknownNameError
from meadow.core.spec import ActionSpec
from meadow.nn.dense import Dense
from meadow.nn.encoder import TILES, AbstractEncoder, Bytes, Convolutional, Facts, Numbers
from meadow.nn.feedforward import Feedforward
from meadow.nn.gru import GRU
from meadow.nn.head import Head
from meadow.nn.linear import Linear
from meadow.nn.lstm import LSTM
from meadow.nn.memory import AbstractMemory
from meadow.nn.nature import SMALLEST, Nature
from meadow.nn.picture import Picture
from meadow.nn.planes import Planes
from meadow.nn.transformer import Transformer
from meadow.nn.trunk import Trunk

PRECISIONS = ("float32", "bfloat16")
CORES = ("gru", "lstm", "linear", "transformer", "none")
# What the bytes of a goal and of a rule are: a kind, tiles, a place (`meadow.tasks.grid`).
_FACTS = {"goal": "bttbb", "rules": "bttt"}


class Plan(eqx.Module):
    """The sizes of a network: of its trunk, and of the heads that read it.

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
        precision: of the products that take the time: float32, or bfloat16, which is meant for
            accelerators. Parameters, embeddings, memory, logits and values are float32 in both.
        core: what remembers: gru, lstm, linear (S5), transformer, or none (a dense layer).
        layers: of a linear core or a transformer.
        window: steps that a transformer remembers.
        planes: filters of the convolution over a map of booleans; 0 for one dense layer.
        kernel: cells of it, either way.
        values: how many values are learnt, each with weights of its own; their mean is what counts.
        apart: whether an actor-critic's values have a trunk of their own, as large as the policy's,
            and share nothing with it, as is usual where actions are vectors.
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
    window: int = eqx.field(static=True, default=64)
    planes: int = eqx.field(static=True, default=16)
    kernel: int = eqx.field(static=True, default=3)
    values: int = eqx.field(static=True, default=1)
    apart: bool = eqx.field(static=True, default=False)
    relu_heads: bool = eqx.field(static=True, default=False)
    recalls: bool = eqx.field(static=True, default=True)

    def __check_init__(self) -> None:
        check_precision(self.precision)
        if self.core not in CORES:
            raise UnknownNameError("core", self.core, CORES)

    def check_glance(self, who: str, instead: str = "") -> None:
        """That the network looks at time steps by themselves (`meadow.nn.trunk.glance`).

        Args:
            who: needs that.
            instead: what else may be written.

        Raises:
            SpecError: it remembers, or is told what it did.
        """
        if self.core != "none" or self.recalls:
            raise SpecError(
                f"{who} looks at time steps by themselves, got a plan with core={self.core!r} and "
                f"recalls={self.recalls}. Write core='none' and recalls=False{instead}."
            )

    def trunk(
        self, observation: PyTree, action_spec: ActionSpec, keys: Iterator[Key[Array, ""]]
    ) -> Trunk:
        """A trunk with fresh parameters.

        Args:
            observation: one example; only shapes and types matter.
            keys: as many as there are parts of the observation, and two.

        Raises:
            SpecError: an observation that no encoder takes.
        """
        named = parts(observation)
        beside = any(x.ndim > 1 for x in named.values())
        encoders = {
            name: self._encoder(name, x, beside, next(keys)) for name, x in sorted(named.items())
        }
        width = sum(encoder.width for encoder in encoders.values())
        width += self.aside + 2 if self.recalls else 0
        action = Dense(action_spec.width, self.aside, gain=1.0, key=next(keys))
        return Trunk(
            encoders=encoders,
            action=action if self.recalls else None,
            memory=self._core(width, next(keys)),
            precision=self.precision,
        )

    def head(self, num_out: int, gain: float, keys: Iterator[Key[Array, ""]]) -> Head:
        """A head with fresh parameters; takes two keys."""
        key = next(keys)
        hidden = Dense(self.memory, self.heads, gain=2.0, key=key) if self.heads else None
        last = Dense(self.heads or self.memory, num_out, gain=gain, key=next(keys))
        return Head(hidden, last, self.relu_heads)

    def _core(self, num_in: int, key: Key[Array, ""]) -> AbstractMemory:
        if self.core == "linear":
            return Linear(num_in, self.memory, self.layers, key=key)
        if self.core == "transformer":
            return Transformer(num_in, self.memory, self.layers, self.window, key=key)
        kinds = {"gru": GRU, "lstm": LSTM, "none": Feedforward}
        return kinds[self.core](num_in, self.memory, key=key)

    def _encoder(self, name: str, x: Array, beside: bool, key: Key[Array, ""]) -> AbstractEncoder:
        if x.dtype == jnp.uint8:
            if x.ndim == 3 and x.shape[-1] == 3:
                return Picture(*x.shape[:2], key=key)
            if x.ndim == 3 and min(x.shape[:2]) >= SMALLEST:
                height, width, frames = x.shape
                return Nature((height, width, frames), key=key)
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
        return Numbers(x.shape, self.aside if beside else self.features, key=key)


def parts(observation: PyTree) -> dict[str, Array]:
    """The arrays of an observation by name, without those that are empty.

    Raises:
        SpecError: something else than an array, or than a flat dict of them.
    """
    named = observation if isinstance(observation, dict) else {"observation": observation}
    for name, x in named.items():
        if not hasattr(x, "shape"):
            raise SpecError(
                "Networks take observations that are one array or one flat dict of arrays, got a "
                f"{type(x).__name__} for {name!r}. Flatten it: "
                'write {"a": ..., "b": ...}, an array for each name.'
            )
    return {name: x for name, x in named.items() if x.size}


def check_precision(name: str) -> None:
    """That products can be worked out in it.

    Raises:
        UnknownNameError: they cannot.
    """
    if name not in PRECISIONS:
        raise UnknownNameError("precision", name, PRECISIONS)
