"""Env: an environment and its tasks as one Gymnasium environment."""

from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded, UnsupportedMode
from jaxtyping import PyTree

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import SpecError
from meadow.core.task import AbstractTaskSpace
from meadow.envs.xland.world import World
from meadow.interop.driven import Driven
from meadow.interop.gymnasium.render import METADATA, metadata, render
from meadow.interop.gymnasium.spaces import action_space, observation_space
from meadow.interop.programs import Single
from meadow.interop.said import Said, action_of, seed_of
from meadow.rollout.life import Trial


class Env(gymnasium.Env):
    """One life; every `reset` begins an episode, of a new task where the trial is over.

    A seed begins a new trial, and everything after follows from it. `info` counts: `trial` since
    the seed, `trial_episode` in the trial, and whether the trial is over (`trial_over`).

    Args:
        environment: what is lived in.
        space: where its tasks come from.
        trial: how long a task is lived; one episode unless said.
        render_mode: rgb_array or ansi, for grid worlds.

    Raises:
        UnsupportedMode: the environment cannot be rendered so.
    """

    metadata = METADATA

    def __init__(
        self,
        environment: AbstractEnvironment,
        space: AbstractTaskSpace,
        trial: Trial | None = None,
        render_mode: str | None = None,
    ):
        self.metadata = metadata(environment)
        check_render_mode(self.metadata, render_mode)
        self.environment, self.render_mode = environment, render_mode
        self._spec = environment.action_spec
        self.action_space = action_space(self._spec)
        self.observation_space = observation_space(environment, space)
        self._life = Single(Driven(environment, space, trial or Trial(episodes=1)))
        self._begun, self._ended = False, False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[PyTree, dict[str, Any]]:
        """The next episode; `seed` begins a new trial. There are no options."""
        super().reset(seed=seed)
        if seed is None and self._begun:
            said = self._life.again()
        else:
            said = self._life.first(seed_of(self.np_random))
        self._begun, self._ended = True, False
        return said.observation, info(said)

    def step(self, action: Any) -> tuple[PyTree, float, bool, bool, dict[str, Any]]:
        """What comes of an action.

        Raises:
            ResetNeeded: no episode has begun, or the last one has ended.
            InvalidAction: the action is none of the action space.
        """
        if not self._begun or self._ended:
            why = "The episode has ended" if self._begun else "No episode has begun"
            raise ResetNeeded(f"{why}: call `env.reset()` before `env.step(action)`.")
        try:
            said = self._life.step(action_of(self._spec, action))
        except SpecError as error:
            raise InvalidAction(str(error)) from error
        terminated, truncated = bool(said.terminated), bool(said.truncated)
        self._ended = terminated or truncated
        return said.observation, float(said.reward), terminated, truncated, info(said)

    def render(self) -> np.ndarray | str | None:
        """The map, what the agent sees lightened; None without a `render_mode`."""
        if self.render_mode is None:
            return None
        if not self._begun:
            raise ResetNeeded("There is nothing to render: call `env.reset()` first.")
        return render(cast(World, self.environment), self._life.playing().state, self.render_mode)


def info(said: Said) -> dict[str, Any]:
    """Where in its trial a life stands."""
    return {
        "trial": int(said.trial),
        "trial_episode": int(said.episode),
        "trial_over": bool(said.over),
    }


def check_render_mode(metadata: dict, render_mode: str | None) -> None:
    """Raise where nothing can be rendered so."""
    if render_mode is not None and render_mode not in metadata["render_modes"]:
        modes = ", ".join(metadata["render_modes"]) or "none"
        raise UnsupportedMode(
            f"This environment has these render modes: {modes}; got {render_mode!r}."
        )
