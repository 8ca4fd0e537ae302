"""Policy: an agent as one file that acts without what it was trained with.

What acts is compiled code (StableHLO, for CPU and GPU alike) beside its parameters: neither the
agent's class nor its networks, learner or environment are needed, and no pickle is read.

    policy = load("policy.safetensors")
    memory, action = policy.act(policy.begin(), observation, first=True, key=jax.random.key(0))
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, ArrayLike, Key, PyTree

from meadow.core.agent import AbstractAgent
from meadow.core.errors import CheckpointError, SpecError
from meadow.core.timestep import StepType, TimeStep
from meadow.runs import checkpoint

FORMAT = "1"
PLATFORMS = ("cpu", "cuda")

Arrays = list[Array]


class Policy:
    """An agent that was exported; `load` reads one.

    Attributes:
        about: what was written down with it.
    """

    def __init__(self, program: Any, parameters: Arrays, memory: Arrays, about: Mapping[str, Any]):
        self.about = about
        self._program, self._parameters, self._memory = program, parameters, memory
        self._call = jax.jit(program.call)

    def begin(self) -> Arrays:
        """The memory of an agent that has lived nothing: begin every trial with it."""
        return list(self._memory)

    def act(
        self,
        memory: Arrays,
        observation: PyTree,
        reward: float = 0.0,
        *,
        first: bool = False,
        episode: int = 0,
        key: Key[Array, ""],
    ) -> tuple[Arrays, PyTree]:
        """The memory after it, and the action.

        Args:
            observation: of the form that the agent was trained with.
            reward: of the action before.
            first: an episode begins here.
            episode: which one of the trial.

        Raises:
            SpecError: an observation of another form.
        """
        observation = jax.tree.map(jnp.asarray, observation)
        got, wanted = _form(observation), self.about["observation"]
        if got != wanted:
            raise SpecError(f"This policy was trained on observations {wanted}, got {got}.")
        kind = StepType.FIRST if first else StepType.MID
        timestep = (jnp.uint8(kind), jnp.float32(reward), jnp.float32(1), jnp.int32(episode))
        seen = jax.tree.leaves(observation)
        return self._call(self._parameters, memory, timestep, seen, jr.key_data(key))


def save(
    path: str | os.PathLike[str],
    agent: AbstractAgent,
    observation: PyTree,
    about: Mapping[str, str] | None = None,
) -> None:
    """Export an agent.

    Args:
        observation: one example; only its form matters.
        about: anything worth knowing about it.

    Raises:
        CheckpointError: the disk did not take the file; what was at `path` is untouched.
    """
    parameters, definition = jax.tree.flatten(agent)
    memory, remembered = jax.tree.flatten(agent.init_memory())
    example, form = jax.tree.flatten(observation)

    def act(parameters: Arrays, memory: Arrays, moment: tuple, seen: Arrays, data: Array) -> tuple:
        kind, reward, discount, episode = moment
        timestep = TimeStep(kind, reward, discount, jax.tree.unflatten(form, seen), episode)
        after, action, _ = jax.tree.unflatten(definition, parameters).act(
            jax.tree.unflatten(remembered, memory), timestep, key=jr.wrap_key_data(data)
        )
        return jax.tree.leaves(after), action

    moment = (jnp.uint8(0), jnp.float32(0), jnp.float32(1), jnp.int32(0))
    given = (parameters, memory, moment, example, jr.key_data(jr.key(0)))
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)), given)
    program = jax.export.export(jax.jit(act), platforms=PLATFORMS)(*shapes)
    code = np.frombuffer(program.serialize(), np.uint8)
    held = {"program": [code], "parameters": parameters, "memory": memory}
    held = jax.tree.map(np.asarray, held)
    forms = {name: [_announced(x) for x in arrays] for name, arrays in held.items()}
    told = {
        "policy": FORMAT,
        "observation": json.dumps(_form(observation)),
        "forms": json.dumps(forms),
    }
    checkpoint.save(path, held, dict(about or {}) | told)


def about(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What was written down with an agent, without reading the agent.

    Raises:
        CheckpointError: no policy.
    """
    told = checkpoint.metadata(path)
    if told.get("policy") != FORMAT:
        raise CheckpointError(
            f"Expected {Path(path)} to be a policy of format {FORMAT}, got {told.get('policy')!r}. "
            "Export one with `meadow.runs.policy.save`."
        )
    return told


def load(path: str | os.PathLike[str]) -> Policy:
    """Read an agent.

    Raises:
        CheckpointError: no policy, or a damaged one.
    """
    told = about(path)
    forms = json.loads(told["forms"])
    like = {
        name: [jax.ShapeDtypeStruct(tuple(shape), dtype) for dtype, shape in arrays]
        for name, arrays in forms.items()
    }
    held = checkpoint.load(path, like)
    program = jax.export.deserialize(bytearray(held["program"][0].tobytes()))
    facts = {k: v for k, v in told.items() if k not in ("policy", "forms", "observation")}
    facts["observation"] = json.loads(told["observation"])
    parameters, memory = ([jnp.asarray(x) for x in held[k]] for k in ("parameters", "memory"))
    return Policy(program, parameters, memory, facts)


def _form(tree: PyTree) -> Any:
    """Names, dtypes and shapes, as JSON says them."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): _announced(x) for path, x in leaves}


def _announced(x: ArrayLike) -> list:
    return [str(jnp.result_type(x)), list(jnp.shape(x))]
