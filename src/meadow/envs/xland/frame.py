"""Frame: one step of a life as a film shows it, and what came before it in the trial."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Int, Key, PyTree

from meadow.core.timestep import TimeStep
from meadow.envs.xland.advance import Fired, State
from meadow.envs.xland.draw import map_of
from meadow.envs.xland.world import World


class Frame(NamedTuple):
    """One step of a life, single-example; JAX or NumPy arrays.

    Attributes:
        state: after the step.
        task: the whole of it, for people may know what is hidden from the agent.
        fired: what the step set off (`environment.fired` of the state before it); None on the
            first frame of an episode.
        action: that led here; None on the first frame of an episode.
        episode: index in the trial, from 0; a film may show several trials.
        reward: of this step.
        over: whether the episode ended with this step.
    """

    state: State
    task: PyTree
    fired: Fired | None
    action: int | None
    episode: int
    reward: float
    over: bool = False


class Outcome(NamedTuple):
    """How an episode went, so far or to its end; `solved` is None while it goes on."""

    solved: bool | None
    steps: int


class Scene(NamedTuple):
    """A frame in its trial: all that one picture shows.

    Attributes:
        outcomes: of the trial's episodes up to this one.
        num_episodes: of the trial, as far as the film goes.
        total: return of this episode up to here.
        changed: cells (row, column) that rules changed in this step.
    """

    frame: Frame
    outcomes: tuple[Outcome, ...]
    num_episodes: int
    total: float
    changed: tuple[tuple[int, int], ...] = ()


def scenes(environment: World, frames: Sequence[Frame]) -> list[Scene]:
    """Every frame with what is known of its trial by then. An episode of index 0 begins a trial."""
    told: list[Scene] = []
    for frame in frames:
        before = told[-1] if told else None
        goes_on = before is not None and frame.action is not None
        same_trial = before is not None and (goes_on or frame.episode > before.frame.episode)
        earlier = before.outcomes[: -1 if goes_on else None] if before and same_trial else ()
        changed = _changed(environment, before.frame, frame) if before and goes_on else ()
        total = frame.reward + (before.total if before and goes_on else 0.0)
        outcomes = (*earlier, outcome(frame))
        told.append(Scene(frame, outcomes, len(outcomes), total, changed))
    return _counted(told)


def outcome(frame: Frame) -> Outcome:
    """How the episode stands at a frame."""
    steps = int(frame.state.step)
    if frame.fired is not None and bool(frame.fired.goal):
        return Outcome(True, steps)
    return Outcome(False if frame.over else None, steps)


def advance(
    environment: World, state: State, task: PyTree, action: Int[Array, ""], *, key: Key[Array, ""]
) -> tuple[State, TimeStep, Fired]:
    """One step, and what it set off."""
    after, timestep = environment.step(state, task, action, key=key)
    return after, timestep, environment.fired(state, task, action)


def frames_from_actions(
    environment: World, task: PyTree, actions: Sequence[int], *, key: Key[Array, ""]
) -> list[Frame]:
    """The trial in which these actions are done; an episode that ends is followed by the next."""
    reset, step = eqx.filter_jit(environment.reset), eqx.filter_jit(advance)
    frames: list[Frame] = []
    state: Any = None
    episode, over = -1, True
    for action in actions:
        key, key_reset, key_step = jr.split(key, 3)
        if over:
            state, _ = reset(task, key=key_reset)
            episode += 1
            frames.append(Frame(jax.device_get(state), task, None, None, episode, 0.0))
        state, timestep, fired = step(environment, state, task, jnp.int32(action), key=key_step)
        lived, fired, reward, over = jax.device_get(
            (state, fired, timestep.reward, timestep.last())
        )
        frames.append(Frame(lived, task, fired, int(action), episode, float(reward), bool(over)))
    return frames


def _changed(environment: World, before: Frame, after: Frame) -> tuple[tuple[int, int], ...]:
    if after.fired is None or not np.any(after.fired.rules):
        return ()
    different = map_of(environment, before.state) != map_of(environment, after.state)
    return tuple((int(y), int(x)) for y, x in np.argwhere(different))


def _counted(told: list[Scene]) -> list[Scene]:
    """Fill in how many episodes each trial has, which only its last scene knows."""
    counted, num = [], 0
    for scene in reversed(told):
        num = max(num, len(scene.outcomes))
        counted.append(scene._replace(num_episodes=num))
        if scene.frame.action is None and len(scene.outcomes) == 1:
            num = 0
    return counted[::-1]
