"""Game: a person in the agent's place, whatever shows it: words go in, moments come out."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import MeadowError
from meadow.core.task import AbstractTaskSpace
from meadow.core.timestep import TimeStep
from meadow.envs.xland.advance import Fired, State
from meadow.envs.xland.draw import map_of
from meadow.envs.xland.environment import ACTIONS
from meadow.envs.xland.frame import advance
from meadow.envs.xland.world import World
from meadow.tasks.tiles import EMPTY, FLOOR, name

EPISODE, TASK, UNDO, REVEAL = "episode", "task", "undo", "reveal"
WORDS = (*ACTIONS, EPISODE, TASK, UNDO, REVEAL)

PLAYING, SOLVED, FAILED, TIME_UP, LEFT = "playing", "solved", "failed", "time up", "left"


class Result(NamedTuple):
    """How an episode went, or goes (PLAYING); `reward` is the sum of its rewards."""

    how: str
    steps: int
    reward: float


class Moment(NamedTuple):
    """A step of the episode and what it brought about.

    Attributes:
        fired: None on the first moment.
        changes: what a watcher sees happen, in words.
        result: of the episode up to here.
    """

    state: State
    fired: Fired | None
    changes: tuple[str, ...]
    result: Result


class Game:
    """Trials of tasks, episodes of trials, moments of episodes.

    Args:
        environment: what is played in.
        space: where its tasks come from.
        seed: of tasks and episodes.

    Raises:
        MeadowError: an environment of another sort.

    Attributes:
        task: of this trial.
        trial: tasks begun so far.
        past: results of the trial's earlier episodes.
        moments: of this episode, the last one now.
        revealed: whether goal and rules are shown.
    """

    def __init__(self, environment: AbstractEnvironment, space: AbstractTaskSpace, seed: int = 0):
        if not isinstance(environment, World):
            raise MeadowError(
                f"A person plays on a map, which {type(environment).__name__} does not have: "
                f"see `meadow.envs.xland.world.World` for what it takes."
            )
        self.environment = environment
        self.revealed, self.trial = False, 0
        self._key = jr.key(seed)
        self._sample = eqx.filter_jit(space.sample)
        self._reset = eqx.filter_jit(environment.reset)
        self._step = eqx.filter_jit(advance)
        self._begin_task()
        # Compile now, so that the first key is answered at once.
        self._step(environment, self.state, self.task, jnp.int32(0), key=self._key)

    @property
    def state(self) -> State:
        """The state now."""
        return self.moments[-1].state

    @property
    def results(self) -> list[Result]:
        """Of the trial's episodes, the last one still going on or just over."""
        return [*self.past, self.moments[-1].result]

    @property
    def _effects(self) -> Sequence[int]:
        """What each action does, as an index into `ACTIONS`: an agent may lack some of them."""
        return getattr(self.environment, "actions", range(len(ACTIONS)))

    @property
    def over(self) -> bool:
        """Whether the episode has ended."""
        return self.moments[-1].result.how != PLAYING

    def can(self) -> list[str]:
        """Which of `WORDS` would do something now."""
        actions = [] if self.over else [ACTIONS[i] for i in self._effects if i < len(ACTIONS)]
        return [*actions, EPISODE, TASK, REVEAL] + [UNDO] * (len(self.moments) > 1)

    def do(self, word: str) -> None:
        """Do one of `WORDS`; nothing where `can` does not list it."""
        if word not in self.can():
            return
        if word == REVEAL:
            self.revealed = not self.revealed
        elif word == TASK:
            self._begin_task()
        elif word == EPISODE:
            self._begin_episode()
        elif word == UNDO:
            del self.moments[-1]
        else:
            self._act(ACTIONS.index(word))

    def _begin_task(self) -> None:
        self.task: Any = self._sample(key=self._next_key())
        self.trial += 1
        self.past: list[Result] = []
        self.moments: list[Moment] = []
        self._begin_episode()

    def _begin_episode(self) -> None:
        if self.moments:
            result = self.moments[-1].result
            self.past.append(result._replace(how=LEFT) if result.how == PLAYING else result)
        state, _ = self._reset(self.task, key=self._next_key())
        self.moments = [Moment(state, None, (), Result(PLAYING, 0, 0.0))]

    def _act(self, effect: int) -> None:
        now = self.moments[-1]
        # Not drawn from the game's own key: what is undone and done again has the same luck.
        key = jr.fold_in(self._key, now.result.steps)
        state, timestep, fired = self._step(
            self.environment, now.state, self.task, jnp.int32(self._effects.index(effect)), key=key
        )
        reward = round(now.result.reward + float(timestep.reward), 3)
        result = Result(_how(timestep, fired), int(state.step), reward)
        told = tuple(changes(self.environment, now.state, state))
        self.moments.append(Moment(state, jax.device_get(fired), told, result))

    def _next_key(self) -> Key[Array, ""]:
        self._key, key = jr.split(self._key)
        return key


def ending(result: Result) -> str:
    """How an episode that is over ended, as a sentence.

    >>> ending(Result(SOLVED, 12, 0.87))
    'Goal reached in 12 steps, reward 0.87.'
    """
    return {
        SOLVED: f"Goal reached in {result.steps} steps, reward {result.reward:.2f}.",
        FAILED: f"Failed after {result.steps} steps.",
        TIME_UP: f"Time is up after {result.steps} steps.",
    }[result.how]


def changes(environment: World, before: State, after: State) -> list[str]:
    """What a watcher sees happen to things, in words."""
    told = []
    was, now = map_of(environment, before), map_of(environment, after)
    for y, x in np.argwhere(was != now):
        old, new, place = int(was[y, x]), int(now[y, x]), f"row {y}, column {x}"
        if new == FLOOR:
            told.append(f"{name(old)} gone from {place}")
        elif old == FLOOR:
            told.append(f"{name(new)} appears at {place}")
        else:
            told.append(f"{name(old)} at {place} becomes {name(new)}")
    if int(before.pocket) != int(after.pocket):
        held = int(after.pocket)
        told.append("you hold nothing now" if held == EMPTY else f"you hold {name(held)} now")
    return told


def _how(timestep: TimeStep, fired: Fired) -> str:
    if bool(fired.goal):
        return SOLVED
    if bool(timestep.terminated()):
        return FAILED
    return TIME_UP if bool(timestep.last()) else PLAYING
