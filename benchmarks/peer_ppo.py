"""The peer's recurrent PPO, said again in our own words, on the peer's own environment.

XLand-MiniGrid ships its environments in a wheel and its training scripts only in its repository.
So that the comparison runs from a fresh clone, this file restates what those scripts do: network,
data layout and update are theirs, step by step, and so is the order of work (the GRU projects its
input inside the recurrence; a chunk is transposed to `[lives, time]` before it is dealt).
`bench_train.py --peer PATH` runs the scripts themselves beside it and shows how near it comes.

References: Nikulin et al., XLand-MiniGrid, 2023; its `training/` folder as of 0.9.3.
"""

import math
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
import xminigrid
from flax.linen.initializers import glorot_normal, orthogonal, zeros_init
from xminigrid.types import RuleSet
from xminigrid.wrappers import DirectionObservationWrapper, GymAutoResetWrapper

NUM_TILES, NUM_COLOURS, NUM_ACTIONS = 13, 12, 6
GAMMA, TRACE, CLIP, ENTROPY, VALUE_COST = 0.99, 0.95, 0.2, 0.01, 0.5
LEARNING_RATE, MAX_NORM = 1e-3, 0.5


class Sizes(NamedTuple):
    """What a case fixes; as in `bench_train.Case`."""

    environment: str
    memory: int
    heads: int
    lives: int
    length: int
    minibatches: int
    epochs: int


class Senses(NamedTuple):
    """What the network is told; `[lives, time, ...]`."""

    image: jax.Array  # uint8, tile and colour in the last axis
    direction: jax.Array  # one-hot
    action: jax.Array  # the one before
    reward: jax.Array  # of that action


class Row(NamedTuple):
    """One step of a batch of lives."""

    senses: Senses
    action: jax.Array
    log_prob: jax.Array
    value: jax.Array
    reward: jax.Array


class Runner(NamedTuple):
    """What changes from update to update."""

    parameters: Any
    optimiser: Any
    timestep: Any
    action: jax.Array
    reward: jax.Array
    hidden: jax.Array
    key: jax.Array


class GRU(nn.Module):
    """One life's recurrence: `[time, num_in]` to `[time, width]`, and the last memory."""

    width: int

    @nn.compact
    def __call__(self, inputs, hidden):
        wide = 3 * self.width
        project = glorot_normal(in_axis=1, out_axis=0)
        inward = self.param("inward", project, (wide, inputs.shape[-1]))
        recurrent = self.param("recurrent", orthogonal(column_axis=0), (wide, self.width))
        bias = self.param("bias", zeros_init(), (wide,))
        candidate_bias = self.param("candidate_bias", zeros_init(), (self.width,))

        def step(hidden, x):
            x_reset, x_update, x_new = jnp.split(inward @ x + bias, 3)
            h_reset, h_update, h_new = jnp.split(recurrent @ hidden, 3)
            reset, update = nn.sigmoid(x_reset + h_reset), nn.sigmoid(x_update + h_update)
            candidate = nn.tanh(x_new + reset * (h_new + candidate_bias))
            hidden = (1 - update) * candidate + update * hidden
            return hidden, hidden

        last, every = jax.lax.scan(step, hidden, inputs)
        return every, last


EveryLife = nn.vmap(GRU, variable_axes={"params": None}, split_rngs={"params": False})


class Network(nn.Module):
    """Embeddings, three 2x2 convolutions, a GRU, a policy and a value."""

    memory: int
    heads: int

    @nn.compact
    def __call__(self, senses: Senses, hidden):
        cells = senses.image.astype(jnp.int32)
        tiles, colours = (
            nn.Embed(NUM_TILES, 16)(cells[..., 0]),
            nn.Embed(NUM_COLOURS, 16)(cells[..., 1]),
        )
        x = jnp.concatenate([tiles, colours], axis=-1)
        for channels in (16, 32, 64):
            initial = orthogonal(math.sqrt(2))
            x = nn.relu(nn.Conv(channels, (2, 2), padding="VALID", kernel_init=initial)(x))
        x = x.reshape(*x.shape[:2], -1)
        direction = nn.Dense(16)(senses.direction)
        action = nn.Embed(NUM_ACTIONS, 16)(senses.action)
        x = jnp.concatenate([x, direction, action, senses.reward[..., None]], axis=-1)
        x, hidden = EveryLife(self.memory)(x, hidden)
        logits = self._head(x, NUM_ACTIONS, 0.01)
        return logits, self._head(x, 1, 1.0)[..., 0], hidden

    def _head(self, x, num_out: int, gain: float):
        x = nn.tanh(nn.Dense(self.heads, kernel_init=orthogonal(2.0))(x))
        return nn.Dense(num_out, kernel_init=orthogonal(gain))(x)


class PeerPPO:
    """Recurrent PPO over trials that never end, as the peer's meta-task script does it."""

    def __init__(self, sizes: Sizes, rulesets: RuleSet):
        environment, parameters = xminigrid.make(sizes.environment)
        self.sizes = sizes
        self.environment = DirectionObservationWrapper(GymAutoResetWrapper(environment))
        self.parameters = parameters.replace(ruleset=rulesets)
        self.network = Network(sizes.memory, sizes.heads)
        self.optimiser = optax.chain(
            optax.clip_by_global_norm(MAX_NORM),
            optax.inject_hyperparams(optax.adam)(learning_rate=self._rate, eps=1e-8),
        )

    def begin(self, key: jax.Array) -> Runner:
        """Fresh parameters, everyone at the start of an episode."""
        key, key_reset, key_network = jr.split(key, 3)
        lives = self.sizes.lives
        timestep = jax.vmap(self.environment.reset)(self.parameters, jr.split(key_reset, lives))
        action, reward = jnp.zeros(lives, jnp.int32), jnp.zeros(lives)
        hidden = jnp.zeros((lives, self.sizes.memory))
        parameters = self.network.init(key_network, _senses(timestep, action, reward), hidden)
        optimiser = self.optimiser.init(parameters)
        return Runner(parameters, optimiser, timestep, action, reward, hidden, key)

    def updates(self, runner: Runner, num: jax.Array) -> Runner:
        """`num` times: live a chunk, learn from it."""
        return jax.lax.fori_loop(0, num, lambda _, runner: self._update(runner), runner)

    def _update(self, runner: Runner) -> Runner:
        before = runner.hidden
        runner, rows = jax.lax.scan(self._step, runner, None, self.sizes.length)
        senses = _senses(runner.timestep, runner.action, runner.reward)
        _, value, _ = self.network.apply(runner.parameters, senses, runner.hidden)
        advantages = _advantages(rows, value[:, 0])
        batch = (rows, advantages, advantages + rows.value)
        batch = before, *jax.tree.map(lambda x: x.swapaxes(0, 1), batch)

        def epoch(carry, key):
            order = jr.permutation(key, self.sizes.lives)

            def deal(x):
                return x[order].reshape(self.sizes.minibatches, -1, *x.shape[1:])

            return jax.lax.scan(self._minibatch, carry, jax.tree.map(deal, batch))

        key, key_epochs = jr.split(runner.key)
        carry = runner.parameters, runner.optimiser
        keys = jr.split(key_epochs, self.sizes.epochs)
        (parameters, optimiser), _ = jax.lax.scan(epoch, carry, keys)
        return runner._replace(parameters=parameters, optimiser=optimiser, key=key)

    def _step(self, runner: Runner, _: None) -> tuple[Runner, Row]:
        key, key_act = jr.split(runner.key)
        senses = _senses(runner.timestep, runner.action, runner.reward)
        logits, value, hidden = self.network.apply(runner.parameters, senses, runner.hidden)
        logits, value = jax.nn.log_softmax(logits[:, 0]), value[:, 0]
        action = jr.categorical(key_act, logits)
        log_prob = jnp.take_along_axis(logits, action[:, None], axis=-1)[:, 0]
        timestep = jax.vmap(self.environment.step)(self.parameters, runner.timestep, action)
        told = jax.tree.map(lambda x: x[:, 0], senses)
        row = Row(told, action, log_prob, value, timestep.reward)
        runner = runner._replace(
            timestep=timestep, action=action, reward=timestep.reward, hidden=hidden, key=key
        )
        return runner, row

    def _minibatch(self, carry, batch):
        parameters, optimiser = carry
        _, grads = jax.value_and_grad(self._loss, has_aux=True)(parameters, *batch)
        steps, optimiser = self.optimiser.update(grads, optimiser, parameters)
        return (optax.apply_updates(parameters, steps), optimiser), None

    def _loss(self, parameters, hidden, rows: Row, advantages, targets):
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        logits, value, _ = self.network.apply(parameters, rows.senses, hidden)
        log_probs = jax.nn.log_softmax(logits)
        taken = jnp.take_along_axis(log_probs, rows.action[..., None], axis=-1)[..., 0]
        ratio = jnp.exp(taken - rows.log_prob)
        bounded = jnp.clip(ratio, 1 - CLIP, 1 + CLIP)
        policy_loss = -jnp.minimum(advantages * ratio, advantages * bounded).mean()
        near = rows.value + jnp.clip(value - rows.value, -CLIP, CLIP)
        value_loss = 0.5 * jnp.maximum((value - targets) ** 2, (near - targets) ** 2).mean()
        entropy = -(jnp.exp(log_probs) * log_probs).sum(-1).mean()
        return policy_loss + VALUE_COST * value_loss - ENTROPY * entropy, entropy

    def _rate(self, count):
        """Falls linearly; the horizon does not matter for speed."""
        return LEARNING_RATE * (1.0 - count / 1e6)


def _senses(timestep, action, reward) -> Senses:
    """One step of every life, with a time axis of one."""
    seen = timestep.observation
    return jax.tree.map(
        lambda x: x[:, None], Senses(seen["img"], seen["direction"], action, reward)
    )


def _advantages(rows: Row, last_value):
    """Generalised advantage estimation over a trial without end."""

    def step(carry, row: Row):
        advantage, next_value = carry
        delta = row.reward + GAMMA * next_value - row.value
        advantage = delta + GAMMA * TRACE * advantage
        return (advantage, row.value), advantage

    start = jnp.zeros_like(last_value), last_value
    return jax.lax.scan(step, start, rows, reverse=True)[1]
