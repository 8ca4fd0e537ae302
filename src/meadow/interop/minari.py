"""Minari: datasets of episodes that others wrote, as rows, and rows as a dataset for others.

Needs the extra `minari`. An episode's true final observation, and whether it terminated or was
cut, are kept both ways. Minari knows no lives: what is read is one life, an episode after the
other, each a trial of its own; what is written are the episodes of every life in turn.
"""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from meadow.core.errors import SpecError
from meadow.core.spec import ActionSpec, Box, Discrete
from meadow.core.timestep import StepType, TimeStep
from meadow.core.trajectory import Trajectory
from meadow.data.recorded import Recorded, lifted

if TYPE_CHECKING:
    import gymnasium
    import minari

# What JAX computes with, of what others write.
_NARROWER = {"float64": "float32", "int64": "int32", "uint64": "uint32"}


def read(dataset: "minari.MinariDataset | str") -> Recorded:
    """All episodes of a dataset, or of the local one of that name.

    Raises:
        SpecError: no episodes, or actions or observations that are not ours: discrete ones from 0,
            boxes with the same bounds for every number; arrays and dicts of them.
    """
    found = _local(dataset) if isinstance(dataset, str) else dataset
    rows = [_rows(episode) for episode in found.iterate_episodes() if len(episode.rewards)]
    if not rows:
        raise SpecError(f"Expected a dataset with episodes, got none in {found.id}.")
    timestep, action, after = jax.tree.map(lambda *x: np.concatenate(x)[:, None], *rows)
    ended = after["step_type"] >= StepType.LAST
    before, after = (TimeStep(**jax.tree.map(jnp.asarray, x)) for x in (timestep, after))
    spec = _spec(found.action_space)
    return Recorded(lifted(before, action, after, ended, {}), spec, {"minari": found.id})


def write(recorded: Recorded, name: str, **about: Any) -> "minari.MinariDataset":
    """Make a local dataset of that name, such as `pendulum/sac-v0`.

    An episode of which the end was not lived is cut where its rows end. What an agent wrote down
    while acting is left out.

    Args:
        about: what Minari is told besides: `author`, `description`, `algorithm_name`, ...
    """
    import minari
    from minari.data_collector import EpisodeBuffer

    from meadow.interop.gymnasium.spaces import action_space

    lived = jax.device_get(recorded.trajectory)
    rows, lives = lived.trial_ended.shape
    buffers: list[Any] = []
    for life in range(lives):
        alone = jax.tree.map(lambda x, life=life: x[:, life], _whole(lived))
        ends = np.flatnonzero(alone["next"].step_type >= StepType.LAST) + 1
        bounds = np.unique(np.concatenate([[0], ends, [rows]]))
        for start, stop in zip(bounds[:-1], bounds[1:], strict=True):
            some = jax.tree.map(lambda x, a=start, b=stop: x[a:b], alone)
            buffers.append(EpisodeBuffer(id=len(buffers), **_episode(**some)))
    spaces: dict[str, Any] = {
        "action_space": action_space(recorded.action_spec),
        "observation_space": _space(jax.tree.map(lambda x: x[0, 0], lived.timestep.observation)),
    }
    return minari.create_dataset_from_buffers(name, buffers, **spaces, **about)


def _whole(lived: Trajectory) -> dict[str, PyTree]:
    return {"timestep": lived.timestep, "action": lived.action, "next": lived.next}


def _episode(timestep: TimeStep, action: PyTree, next: TimeStep) -> dict[str, Any]:
    """What Minari asks of an episode of these rows, of one life."""
    over = (next.step_type >= StepType.LAST) & (next.discount == 0)
    end = np.arange(len(over)) == len(over) - 1
    seen = jax.tree.map(
        lambda x, y: np.concatenate([x, y[-1:]]), timestep.observation, next.observation
    )
    return {
        "observations": seen,
        "actions": action,
        "rewards": next.reward,
        "terminations": over,
        "truncations": end & ~over,
    }


def _local(name: str) -> "minari.MinariDataset":
    import minari

    return minari.load_dataset(name)


def _rows(episode: "minari.EpisodeData") -> tuple[dict[str, PyTree], PyTree, dict[str, PyTree]]:
    """The fields of the time steps before every action, the actions, and those after."""
    num = len(episode.rewards)
    seen = _plain(episode.observations, "observations")
    kind = np.r_[StepType.FIRST, np.full(num - 1, StepType.MID), StepType.LAST].astype(np.uint8)
    over = np.asarray(episode.terminations, bool)
    fields = {
        "step_type": kind,
        "reward": np.r_[0.0, episode.rewards].astype(np.float32),
        "discount": np.r_[1.0, ~over].astype(np.float32),
        "observation": seen,
        "episode": np.zeros(num + 1, np.int32),
    }
    before, after = jax.tree.map(lambda x: x[:-1], fields), jax.tree.map(lambda x: x[1:], fields)
    return before, _plain(episode.actions, "actions"), after


def _plain(tree: PyTree, what: str) -> PyTree:
    if isinstance(tree, dict):
        return {name: _plain(x, what) for name, x in tree.items()}
    if isinstance(tree, (tuple, list)):
        raise SpecError(f"Expected {what} that are arrays or dicts of arrays, got a tuple of some.")
    array = np.asarray(tree)
    return array.astype(_NARROWER.get(array.dtype.name, array.dtype))


def _spec(space: "gymnasium.Space") -> ActionSpec:
    import gymnasium

    if isinstance(space, gymnasium.spaces.Discrete) and space.start == 0:
        return Discrete(int(space.n))
    if isinstance(space, gymnasium.spaces.Box):
        low, high = np.unique(space.low), np.unique(space.high)
        if low.size == high.size == 1:
            return Box(space.shape, low.item(), high.item())
    raise SpecError(
        f"Expected discrete actions from 0, or a box with the same bounds for all, got {space}."
    )


def _space(example: PyTree) -> "gymnasium.Space":
    import gymnasium

    if isinstance(example, dict):
        return gymnasium.spaces.Dict({name: _space(x) for name, x in example.items()})
    low, high = -np.inf, np.inf
    if example.dtype == np.bool_:
        low, high = 0, 1
    elif np.issubdtype(example.dtype, np.integer):
        low, high = np.iinfo(example.dtype).min, np.iinfo(example.dtype).max
    return gymnasium.spaces.Box(low, high, example.shape, example.dtype.type)
