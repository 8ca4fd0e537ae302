"""Probes: environments so small that the right answer is known, in rising order of difficulty.

Each asks one thing that a learner can get wrong, and states the exact return of whoever gets it
right (optimal) and of whoever misses just that thing (baseline). Returns are undiscounted sums over
an episode, averaged over tasks drawn from the `Choice` named; g is the learner's gamma.

    probe            tasks        asks                                       optimal    baseline
    ConstantReward   Choice(1)    is anything learnt at all?                 1          1
    ObservedReward   Choice(2)    does the value look at the observation?    0          0
    DelayedReward    Choice(1)    is the future discounted?                  1          1
    Matching         Choice(n)    does the action look at the observation?   1          1/n
    TimeLimit        Choice(2)    is a cut bootstrapped, an end not?         limit      limit
    TMaze            Choice(2)    is something remembered?                   1          1/2
    HiddenArm        Choice(n)    is the hidden rule inferred?               see there
    DeepSea          Choice(n)    is what is new looked for?                 0.99       0

For the first three and `TimeLimit` no action matters; what is asked for is the value, stated in the
class. Every state is an int32, the steps taken.

References: Rauber et al. and others use the first four to debug learners; the T-maze is Bakker's,
Reinforcement Learning with Long Short-Term Memory, 2001; the hidden arm in one trial is the
smallest case of Duan et al., RL^2, 2016; the deep sea is that of Osband et al., Behaviour Suite for
Reinforcement Learning, 2020.
"""

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import SpecError
from meadow.core.spec import Discrete
from meadow.core.task import AbstractTaskSpace
from meadow.core.timestep import TimeStep, restart, transition

Number = Int[Array, ""]


class Choice(AbstractTaskSpace[Number]):
    """A task is one of `num`, as an int32, all equally likely.

    >>> Choice(1).sample(key=jr.key(0)).item()
    0
    """

    num: int

    def sample(self, *, key: Key[Array, ""]) -> Number:
        """One of 0 .. num - 1."""
        return jr.randint(key, (), 0, self.num)


class ConstantReward(AbstractEnvironment[Number, Number]):
    """One step, reward 1, done. The value is 1; an agent's loss on it must go to 0."""

    @property
    def action_spec(self) -> Discrete:
        """Two actions that do the same."""
        return Discrete(2)

    def reset(self, task: Number, *, key: Key[Array, ""]) -> tuple[Number, TimeStep]:
        """Show a 1."""
        return _begin(jnp.ones(1))

    def step(
        self, state: Number, task: Number, action: Number, *, key: Key[Array, ""]
    ) -> tuple[Number, TimeStep]:
        """Reward 1, and the end."""
        return state + 1, transition(1.0, jnp.ones(1), terminated=True)


class ObservedReward(AbstractEnvironment[Number, Number]):
    """One step; the reward is what was shown, -1 or 1. The value of observation x is x."""

    @property
    def action_spec(self) -> Discrete:
        """Two actions that do the same."""
        return Discrete(2)

    def reset(self, task: Number, *, key: Key[Array, ""]) -> tuple[Number, TimeStep]:
        """Show -1 in task 0, 1 in task 1."""
        return _begin(self._shown(task))

    def step(
        self, state: Number, task: Number, action: Number, *, key: Key[Array, ""]
    ) -> tuple[Number, TimeStep]:
        """Pay what was shown, and end."""
        shown = self._shown(task)
        return state + 1, transition(shown[0], shown, terminated=True)

    def _shown(self, task: Number) -> Float[Array, "1"]:
        return jnp.reshape(2.0 * task - 1.0, 1)


class DelayedReward(AbstractEnvironment[Number, Number]):
    """Three steps, of which only the last is paid, two steps after the first.

    The values of the three observations are g^2, g and 1.
    """

    @property
    def action_spec(self) -> Discrete:
        """Two actions that do the same."""
        return Discrete(2)

    def reset(self, task: Number, *, key: Key[Array, ""]) -> tuple[Number, TimeStep]:
        """Show how many steps were taken, as one of three."""
        return _begin(jax.nn.one_hot(0, 3))

    def step(
        self, state: Number, task: Number, action: Number, *, key: Key[Array, ""]
    ) -> tuple[Number, TimeStep]:
        """Pay and end after the third step."""
        state = state + 1
        done = state == 3
        return state, transition(done, jax.nn.one_hot(state, 3), terminated=done)


class Matching(AbstractEnvironment[Number, Number]):
    """One step; the action that matches what is shown is paid 1.

    Optimal 1; any agent that does not look, random ones included, 1/num.
    """

    num: int = 2

    @property
    def action_spec(self) -> Discrete:
        """As many actions as there are things to show."""
        return Discrete(self.num)

    def reset(self, task: Number, *, key: Key[Array, ""]) -> tuple[Number, TimeStep]:
        """Show the task, one-hot."""
        return _begin(jax.nn.one_hot(task, self.num))

    def step(
        self, state: Number, task: Number, action: Number, *, key: Key[Array, ""]
    ) -> tuple[Number, TimeStep]:
        """Pay a match, and end."""
        shown = jax.nn.one_hot(task, self.num)
        return state + 1, transition(action == task, shown, terminated=True)


class TimeLimit(AbstractEnvironment[Number, Number]):
    """Reward 1 a step for `limit` steps; task 0 then terminates, task 1 is cut.

    The observation is one of limit + 1: in task 0 the steps taken, in task 1 always the last. So
    after t steps the values are

        task 0:  1 + g + ... + g^(limit - t - 1) = (1 - g^(limit - t)) / (1 - g)
        task 1:  1 + g + g^2 + ...               = 1 / (1 - g)

    With g = 0.9 and limit 2 these are 1.9 and 1 in task 0, and 10 in task 1. A learner that takes
    the cut for an end finds values of task 1 between 1 and 1.9; one that takes the end for a cut
    finds values above 1.9 in task 0.
    """

    limit: int = 2

    @property
    def action_spec(self) -> Discrete:
        """Two actions that do the same."""
        return Discrete(2)

    def reset(self, task: Number, *, key: Key[Array, ""]) -> tuple[Number, TimeStep]:
        """Show 0 steps taken, or the sign of the endless task."""
        return _begin(self._shown(task, 0))

    def step(
        self, state: Number, task: Number, action: Number, *, key: Key[Array, ""]
    ) -> tuple[Number, TimeStep]:
        """Reward 1; after `limit` steps an end or a cut."""
        state = state + 1
        over = state == self.limit
        return state, transition(
            1.0,
            self._shown(task, state),
            terminated=over & (task == 0),
            truncated=over & (task == 1),
        )

    def _shown(self, task: Number, taken: Number | int) -> Float[Array, "sign"]:
        return jax.nn.one_hot(jnp.where(task == 0, taken, self.limit), self.limit + 1)


class TMaze(AbstractEnvironment[Number, Number]):
    """A cue, a corridor of `length` steps without it, then a junction: which cue was it?

    Any action walks on; at the junction the action that matches the cue is paid 1. An episode has
    `length` + 1 steps. The observation is the cue, one-hot and only at first, and whether this is
    the junction. Optimal 1; without memory, random included, 1/2.
    """

    length: int = 3

    def __check_init__(self) -> None:
        if self.length < 1:
            raise SpecError(f"`TMaze` needs length >= 1 to hide the cue, got {self.length}.")

    @property
    def action_spec(self) -> Discrete:
        """Left or right."""
        return Discrete(2)

    def reset(self, task: Number, *, key: Key[Array, ""]) -> tuple[Number, TimeStep]:
        """Show the cue, which is the task."""
        return _begin(jnp.append(jax.nn.one_hot(task, 2), 0.0))

    def step(
        self, state: Number, task: Number, action: Number, *, key: Key[Array, ""]
    ) -> tuple[Number, TimeStep]:
        """Walk on; at the junction, pay the right answer and end."""
        state = state + 1
        done = state == self.length + 1
        shown = jnp.stack([0.0, 0.0, jnp.where(state == self.length, 1.0, 0.0)])
        return state, transition(done & (action == task), shown, terminated=done)


class HiddenArm(AbstractEnvironment[Number, Number]):
    """`length` pulls of `num` arms; one, the task, pays 1 and the others 0. Nothing is shown.

    *The rule must be inferred*, with `length` >= `num`: the reward is the only sign. Optimal
    (try arms in turn, stay with the one that pays) `length` - (num - 1)/2: the good arm comes
    after 0 .. num - 1 failures, all equally likely. Who ignores what was paid gets `length`/num.

    *The second episode must beat the first*, with `length` = 1: one pull an episode, so that only
    memory kept over the episodes of a trial helps. In a trial of k episodes, optimal
    k - (num - 1)/2 for k >= num, which for two arms is k - 1 + 1/2: a half in the first episode,
    1 in every other. An agent that forgets between episodes gets k/num.

    The baselines are those of agents blind to the reward. It is in every time step, so an agent
    without memory that looks at it can do a little better (with two arms: any arm after a 0, the
    first arm after a 1, and 2/3 of its pulls are paid in the long run), but never as well.
    """

    num: int = 2
    length: int = 4

    @property
    def action_spec(self) -> Discrete:
        """Which arm to pull."""
        return Discrete(self.num)

    def reset(self, task: Number, *, key: Key[Array, ""]) -> tuple[Number, TimeStep]:
        """Show a 1, whatever the task."""
        return _begin(jnp.ones(1))

    def step(
        self, state: Number, task: Number, action: Number, *, key: Key[Array, ""]
    ) -> tuple[Number, TimeStep]:
        """Pay the good arm."""
        state = state + 1
        done = state == self.length
        return state, transition(action == task, jnp.ones(1), terminated=done)


class DeepSea(AbstractEnvironment[Number, Number]):
    """A diver sinks through `size` rows, and goes one column left or right with each; treasure lies
    in the last column of the last row.

    Which of the two actions is right depends on the cell, by the task. Going right costs 0.01 in
    all, the treasure pays 1: optimal 0.99, and 0 for who never goes right. One path of 2^`size`
    finds the treasure, so that random actions do not: who is paid must have looked for what is new.
    The observation is the cell, one-hot; all are 0 at the end.
    """

    size: int = 10

    @property
    def action_spec(self) -> Discrete:
        """One of them goes right."""
        return Discrete(2)

    def reset(self, task: Number, *, key: Key[Array, ""]) -> tuple[Number, TimeStep]:
        """Afloat, in the first column. The state is row * size + column."""
        return _begin(jax.nn.one_hot(0, self.size**2))

    def step(
        self, state: Number, task: Number, action: Number, *, key: Key[Array, ""]
    ) -> tuple[Number, TimeStep]:
        """Sink a row; pay at the bottom, and end."""
        row, column = jnp.divmod(state, self.size)
        right = action == self.right(state, task)
        done = row == self.size - 1
        treasure = done & right & (column == self.size - 1)
        column = jnp.clip(column + jnp.where(right, 1, -1), 0, self.size - 1)
        state = (row + 1) * self.size + column
        reward = treasure - jnp.where(right, 0.01 / self.size, 0.0)
        return state, transition(reward, jax.nn.one_hot(state, self.size**2), terminated=done)

    def right(self, state: Number, task: Number) -> Number:
        """The action that goes right in this cell."""
        return jr.bernoulli(jr.fold_in(jr.key(task), state)).astype(jnp.int32)


def _begin(shown: Float[Array, "size"]) -> tuple[Number, TimeStep]:
    return jnp.zeros((), jnp.int32), restart(shown)


def other_arm(task: Number, key: Key[Array, ""], *, num: int = 2) -> Number:
    """A `HiddenArm` task with another good arm: what `check_environment(hidden=...)` asks for."""
    return (task + jr.randint(key, (), 1, num)) % num


PROBES: tuple[tuple[AbstractEnvironment, AbstractTaskSpace], ...] = (
    (ConstantReward(), Choice(1)),
    (ObservedReward(), Choice(2)),
    (DelayedReward(), Choice(1)),
    (Matching(num=3), Choice(3)),
    (TimeLimit(), Choice(2)),
    (TMaze(), Choice(2)),
    (HiddenArm(), Choice(2)),
    (HiddenArm(length=1), Choice(2)),
    (DeepSea(size=4), Choice(2)),
)
