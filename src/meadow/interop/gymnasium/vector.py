"""VectorEnv: many lives at once as one Gymnasium vector environment, one compiled program.

The step after the end of an episode begins the next, whatever the action (NEXT_STEP, which is
Gymnasium's own default). So `step` returns every observation there is, the last ones too, and all
of Gymnasium's vector wrappers work.

On request (SAME_STEP) a life whose episode ends begins the next within the same step, which spends
no step on resets. `step` then returns the first observation of the next episode; the last one of
the ended episode is in `infos["final_obs"]`, its counts in `infos["final_info"]`. Wrappers that
change observations refuse this mode, and up to Gymnasium 1.3 `RecordEpisodeStatistics` miscounts
in it.
"""

from typing import Any, cast

import gymnasium
import jax
import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded, UnsupportedMode
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from jaxtyping import Bool, PyTree, UInt32

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import SpecError
from meadow.core.task import AbstractTaskSpace
from meadow.envs.xland.world import World
from meadow.interop.driven import Driven, Lives
from meadow.interop.gymnasium.env import check_render_mode
from meadow.interop.gymnasium.render import metadata, render
from meadow.interop.gymnasium.spaces import action_space, observation_space
from meadow.interop.programs import programs
from meadow.interop.said import Said, action_of, seed_of
from meadow.rollout.life import Trial


class VectorEnv(gymnasium.vector.VectorEnv):
    """`num_envs` lives. Seeded with s, number i lives what an `Env` lives that is seeded s + i.

    Args:
        environment: what is lived in.
        space: where its tasks come from.
        num_envs: how many lives.
        trial: how long a task is lived; one episode unless said.
        render_mode: rgb_array or ansi, for grid worlds.
        autoreset_mode: NEXT_STEP or SAME_STEP.

    Raises:
        UnsupportedMode: the environment cannot be rendered, or not be reset, so.
    """

    def __init__(
        self,
        environment: AbstractEnvironment,
        space: AbstractTaskSpace,
        num_envs: int = 1,
        trial: Trial | None = None,
        render_mode: str | None = None,
        autoreset_mode: AutoresetMode = AutoresetMode.NEXT_STEP,
    ):
        self._mode = AutoresetMode(autoreset_mode)
        if self._mode is AutoresetMode.DISABLED:
            raise UnsupportedMode("Lives begin again by themselves: NEXT_STEP or SAME_STEP.")
        self.metadata = metadata(environment) | {"autoreset_mode": self._mode}
        check_render_mode(self.metadata, render_mode)
        self.environment, self.render_mode = environment, render_mode
        self.num_envs = num_envs
        self.single_action_space = action_space(environment.action_spec)
        self.single_observation_space = observation_space(environment, space)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        driven = Driven(environment, space, trial or Trial(episodes=1))
        self._arrays, self._programs = programs(driven, num_envs)
        self._lives: Lives | None = None

    def reset(
        self,
        *,
        seed: int | list[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[PyTree, dict[str, Any]]:
        """The next episode of every life; of new trials where there is a seed.

        Args:
            seed: a number, to which each life's own is added, or a list with one for each.
            options: `reset_mask`, `[num_envs]`, says whose episode to begin; the others go on.
        """
        super().reset(seed=seed if isinstance(seed, int) else None)
        mask = self._mask(options or {})
        if seed is None and self._lives is not None:
            self._lives, row = self._programs.again(self._arrays, self._lives, mask)
        elif mask.all() or self._lives is None:
            self._lives, row = self._programs.first(self._arrays, self._seeds(seed))
        else:
            self._lives, row = self._programs.reseed(
                self._arrays, self._lives, mask, self._seeds(seed)
            )
        said = self._programs.said.read(np.array(row))
        return said.observation, infos(said, np.ones(self.num_envs, bool))

    def step(
        self, actions: Any
    ) -> tuple[PyTree, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """What comes of an action each; who ended begins again, now or in the next step.

        Raises:
            ResetNeeded: no episode has begun.
            InvalidAction: an action is none of the action space.
        """
        if self._lives is None:
            raise ResetNeeded("No episode has begun: call `envs.reset()` before `envs.step`.")
        try:
            given = action_of(self.environment.action_spec, actions, (self.num_envs,))
        except SpecError as error:
            raise InvalidAction(str(error)) from error
        everybody = np.ones(self.num_envs, bool)
        if self._mode is AutoresetMode.NEXT_STEP:
            self._lives, row = self._programs.step_or_begin(self._arrays, self._lives, given)
            said = self._programs.said.read(np.array(row))
            ends = said.terminated, said.truncated
            return said.observation, said.reward, *ends, infos(said, everybody)
        self._lives, row = self._programs.step(self._arrays, self._lives, given)
        final, after = self._programs.twice.read(np.array(row))
        told, ended = infos(after, everybody), final.terminated | final.truncated
        if ended.any():
            told |= {"final_obs": _each(final.observation, ended), "_final_obs": ended}
            told |= {"final_info": infos(final, ended), "_final_info": ended.copy()}
        return after.observation, final.reward, final.terminated, final.truncated, told

    def render(self) -> tuple[np.ndarray | str, ...] | None:
        """A picture of every life; None without a `render_mode`."""
        if self.render_mode is None:
            return None
        if self._lives is None:
            raise ResetNeeded("There is nothing to render: call `envs.reset()` first.")
        environment = cast(World, self.environment)
        states = jax.device_get(self._lives.life.state.state)
        return tuple(
            render(environment, jax.tree.map(lambda x: x[i], states), self.render_mode)  # noqa: B023
            for i in range(self.num_envs)
        )

    def _seeds(self, seed: int | list[int] | None) -> UInt32[np.ndarray, "num words"]:
        if seed is None:
            return np.stack([seed_of(self.np_random) for _ in range(self.num_envs)])
        seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int) else seed
        if len(seeds) != self.num_envs:
            raise ValueError(f"Expected a seed for each of {self.num_envs}, got {len(seeds)}.")
        return np.stack([seed_of(seeding.np_random(each)[0]) for each in seeds])

    def _mask(self, options: dict[str, Any]) -> Bool[np.ndarray, "num"]:
        mask = options.get("reset_mask", np.ones(self.num_envs, bool))
        if not isinstance(mask, np.ndarray) or mask.dtype != bool:
            raise TypeError(f"`reset_mask` must be an array of bools, got {mask!r}.")
        if mask.shape != (self.num_envs,) or not mask.any():
            raise ValueError(
                f"`reset_mask` must have shape ({self.num_envs},) and name somebody, got {mask}."
            )
        return mask


def infos(said: Said, who: Bool[np.ndarray, "num"]) -> dict[str, np.ndarray]:
    """Where in their trials some lives stand, and for whom that is said, as Gymnasium lays it."""
    told = {"trial": said.trial, "trial_episode": said.episode, "trial_over": said.over}
    told = {name: np.where(who, values, 0).astype(values.dtype) for name, values in told.items()}
    return told | {f"_{name}": who.copy() for name in told}


def _each(observation: PyTree, who: Bool[np.ndarray, "num"]) -> np.ndarray:
    """The observations of some lives one by one, None for the others."""
    each = np.full(who.shape, None, object)
    leaves, structure = jax.tree.flatten(observation)
    theirs = [x[who] for x in leaves]
    for row, i in enumerate(np.flatnonzero(who)):
        each[i] = structure.unflatten([x[row, ...] for x in theirs])
    return each
