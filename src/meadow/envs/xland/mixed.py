"""Mixed: grid worlds of different size, layout, view and time limit in one batch.

Each map lies in the top left corner of the largest one's board; around it all is EMPTY, as it is
outside any map. Then a step is the same program for all, and what tells one environment from
another is data: a number in the task, by which tables are read.

**observation** as of the members. A smaller view lies at the bottom centre of the largest, EMPTY
  around it.
**actions, reward, ends, hidden** as of the member that the task names.
**task** a `MixedTask`: which member, and a `GridTask` for it.
"""

import functools
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Int, Key, UInt8

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import TaskError
from meadow.core.spec import Discrete
from meadow.core.task import AbstractTaskSpace
from meadow.core.timestep import TimeStep, restart, transition
from meadow.envs.xland.advance import Fired, State, advance
from meadow.envs.xland.batched import batched
from meadow.envs.xland.board import Board, board
from meadow.envs.xland.environment import XLand, choose, furnish, paint
from meadow.envs.xland.observe import check_senses, observe
from meadow.envs.xland.occlusion import visible
from meadow.tasks.grid import GridTask
from meadow.tasks.layouts import layout
from meadow.tasks.tiles import EMPTY


class MixedTask(eqx.Module):
    """A task and the environment it is for.

    Attributes:
        environment: which of the members.
        task: for it; rules and objects padded alike for all.
    """

    environment: Int[Array, "*batch"]
    task: GridTask


class Mixed(AbstractEnvironment[MixedTask, State]):
    """Several `XLand`s as one environment; every task says which it is lived in.

    For every member it is that environment, bit for bit: the same resets from the same keys, the
    same steps. Memory and time per step are those of the largest member.

    Args:
        environments: the members; they may differ in all but `observe` and `kinds`.

    Raises:
        TaskError: no members, or members that do not go together.

    >>> small, large = XLand("R1", 9, 9), XLand("R4", 13, 13, view_size=7)
    >>> mixed = Mixed((small, large))
    >>> from meadow.tasks.trees import Trees
    >>> tasks = MixedTasks((Trees.published("trivial"), Trees.published("small")))
    >>> task = jax.jit(tasks.sample)(key=jr.key(1))
    >>> state, timestep = jax.jit(mixed.reset)(task, key=jr.key(0))
    >>> int(task.environment), task.task.rules.shape, timestep.observation["view"].shape
    (1, (4, 4), (7, 7))
    """

    environments: tuple[XLand, ...]

    def __check_init__(self) -> None:
        if not self.environments:
            raise TaskError("`Mixed` needs at least one environment, got none.")
        first = self.environments[0]
        for number, other in enumerate(self.environments):
            for name in ("observe", "kinds"):
                if not eqx.tree_equal(getattr(first, name), getattr(other, name)):
                    raise TaskError(
                        f"The members of `Mixed` must agree in `{name}`, but number 0 has "
                        f"{getattr(first, name)} and number {number} {getattr(other, name)}."
                    )
            if other.compatibility:
                raise TaskError(
                    f"`Mixed` draws resets in its own way, but number {number} asks for "
                    "`compatibility=True`. Leave it out, or use that environment alone."
                )
        check_senses(self.view_size, first.observe, any(e.occlude for e in self.environments))

    @property
    def board(self) -> Board:
        """The constant tables of the largest map and view."""
        height, width = (max(getattr(e, s) for e in self.environments) for s in ("height", "width"))
        return board(height, width, self.view_size)

    @property
    def view_size(self) -> int:
        """The largest."""
        return max(environment.view_size for environment in self.environments)

    @property
    def action_spec(self) -> Discrete:
        """The members'."""
        return self.environments[0].action_spec

    def member(self, state: State, task: MixedTask) -> tuple[XLand, State, GridTask]:
        """The environment this is, with its own state and task: for pictures and for people."""
        environment = self.environments[int(task.environment)]
        from_cells, to = self.board.cells(), environment.board
        cells = from_cells[: environment.height, : environment.width]
        grid = np.full(to.size, EMPTY, np.uint8)
        grid[to.cells()] = np.asarray(state.grid)[cells]
        (place,) = np.argwhere(cells == int(state.position))
        position = to.cells()[tuple(place)]
        own = eqx.tree_at(
            lambda s: (s.grid, s.position), state, (jnp.asarray(grid), jnp.asarray(position))
        )
        return environment, own, task.task

    def reset(self, task: MixedTask, *, key: Key[Array, ""]) -> tuple[State, TimeStep]:
        """As the member's, from the same draws.

        Raises:
            TaskError: more objects than some member has free cells (while tracing).
        """
        tables, num = self._tables, task.task.objects.shape[0]
        self._check_room(num)
        mine = jax.tree.map(lambda x: jnp.asarray(x)[task.environment], tables)
        # The n-th number of a draw does not depend on how many are drawn.
        luck = jr.uniform(key, (int(tables.num_luck.max()),))
        slots = np.arange(tables.doors.shape[1])
        which = choose(luck[mine.num_floor + slots], mine.num_choices)
        colours = paint(luck[mine.num_floor + mine.num_doors + slots])
        places = jnp.take_along_axis(mine.doors, which[:, None], 1)[:, 0]

        among = jnp.arange(tables.floor.shape[1])
        drawn = jnp.where(among < mine.num_floor, luck[among], -1.0)
        cells = mine.floor[jax.lax.top_k(drawn, num + 1)[1]]
        state = State(
            grid=furnish(mine.base, places, colours, cells[:-1], task.task.objects),
            position=cells[-1],
            direction=choose(luck[mine.num_luck - 1], 4),
            pocket=jnp.uint8(EMPTY),
            step=jnp.int32(0),
        )
        return state, restart(self._observe(state, task))

    def step(
        self, state: State, task: MixedTask, action: Int[Array, ""], *, key: Key[Array, ""]
    ) -> tuple[State, TimeStep]:
        """Act, let the rules work, test the goal; deterministic, `key` is not used."""
        del key
        return batched(self._once, state, task, action)

    def fired(self, state: State, task: MixedTask, action: Int[Array, ""]) -> Fired:
        """What `step` would set off: for pictures and for people, not for agents."""
        return self._advance(state, task, action)[1]

    def _advance(self, state: State, task: MixedTask, action: Array) -> tuple[State, Fired]:
        return advance(self.board, state, task.task, action, self.environments[0].kinds)

    def _once(self, state: State, task: MixedTask, action: Array) -> tuple[State, TimeStep]:
        state, fired = self._advance(state, task, action)
        limits = [e.time_limit for e in self.environments]
        # What a compiler makes of `0.9 * (step / limit)` where the limit is known to it.
        costs = [np.float32(0.9) * (np.float32(1) / np.float32(limit)) for limit in limits]
        reward = 1.0 - state.step * self._of(costs, task)
        return state, transition(
            jnp.where(fired.goal, reward, 0.0),
            self._observe(state, task),
            terminated=fired.goal,
            truncated=state.step == self._of(limits, task),
        )

    def _observe(self, state: State, task: MixedTask) -> dict[str, Array]:
        seen = observe(self.board, state, task.task, self.view_size, self.environments[0].observe)
        return seen | {"view": self._limited(seen["view"], task)}

    def _limited(self, view: Array, task: MixedTask) -> UInt8[Array, "*batch view view"]:
        """What the member sees of the largest view."""
        sizes = {e.view_size for e in self.environments}
        occluded = [e.occlude for e in self.environments]
        inside = None
        if len(sizes) > 1:
            inside = self._of([_inside(e.view_size, max(sizes)) for e in self.environments], task)
            view = jnp.where(inside, view, jnp.uint8(EMPTY))
        if any(occluded):
            clear = ~self._of(occluded, task)[..., None, None]
            view = jnp.where(visible(view, inside) | clear, view, jnp.uint8(EMPTY))
        return view

    def _of(self, values: list, task: MixedTask) -> Array:
        """The member's among values of all."""
        if all(np.array_equal(values[0], value) for value in values):
            return jnp.asarray(values[0])
        return jnp.asarray(values)[task.environment]

    @property
    def _tables(self) -> "_Member":
        plans = tuple((e.layout, e.height, e.width) for e in self.environments)
        return _tables(plans, self.view_size)

    def _check_room(self, num: int) -> None:
        room = self._tables.num_floor
        if num + 1 > room.min():
            tight = self.environments[int(room.argmin())]
            raise TaskError(
                f"The task places {num} objects and the agent, but layout {tight.layout} of "
                f"{tight.height}x{tight.width} has {room.min()} free cells. Use larger maps or "
                "fewer objects (padding counts)."
            )


class MixedTasks(AbstractTaskSpace[MixedTask]):
    """Draws a member of a `Mixed`, all equally likely, then a task for it from its own space.

    Attributes:
        spaces: of `GridTask`s, one for each member in their order. Rules and objects are padded to
            the most that any space has.

    Raises:
        TaskError: no spaces.
    """

    spaces: tuple[AbstractTaskSpace[GridTask], ...]

    def __check_init__(self) -> None:
        if not self.spaces:
            raise TaskError("`MixedTasks` needs a space for each environment, got none.")

    def sample(self, *, key: Key[Array, ""]) -> MixedTask:
        key_environment, key_task = jr.split(key)
        shapes = [jax.eval_shape(lambda k, s=s: s.sample(key=k), key) for s in self.spaces]
        num_rules = max(shape.rules.shape[0] for shape in shapes)
        num_objects = max(shape.objects.shape[0] for shape in shapes)

        def draw(space: AbstractTaskSpace[GridTask], key: Key[Array, ""]) -> GridTask:
            task = space.sample(key=key)
            return GridTask(
                goal=task.goal,
                rules=jnp.pad(task.rules, ((0, num_rules - len(task.rules)), (0, 0))),
                objects=jnp.pad(task.objects, (0, num_objects - len(task.objects))),
            )

        environment = choose(jr.uniform(key_environment), len(self.spaces))
        numbers, distinct = _distinct(self.spaces)
        draws = [functools.partial(draw, space) for space in distinct]
        task = jax.lax.switch(jnp.asarray(numbers)[environment], draws, key_task)
        return MixedTask(environment=environment, task=task)


class _Member(NamedTuple):
    """What a reset reads of a member, all members stacked; cells are of the common board.

    Attributes:
        base: the board at rest.
        floor: where things may be placed, the first `num_floor`.
        doors: where each of `num_doors` may stand, the first `num_choices` of a row; other rows
            lie outside the board.
        num_luck: how many numbers a reset draws.
    """

    base: np.ndarray
    floor: np.ndarray
    doors: np.ndarray
    num_floor: np.ndarray
    num_doors: np.ndarray
    num_choices: np.ndarray
    num_luck: np.ndarray


@functools.lru_cache
def _tables(plans: tuple[tuple[str, int, int], ...], view_size: int) -> _Member:
    height, width = (max(plan[i] for plan in plans) for i in (1, 2))
    common = board(height, width, view_size)
    layouts = [layout(*plan) for plan in plans]
    rows, choices = np.array([plan.doors.shape for plan in layouts]).T
    room = np.array([len(plan.floor) for plan in layouts])
    base = np.full((len(plans), common.size), EMPTY, np.uint8)
    floor = np.full((len(plans), room.max()), common.size, np.int32)
    doors = np.full((len(plans), rows.max(), choices.max()), common.size, np.int32)
    for number, plan in enumerate(layouts):
        cells = common.cells()[: plan.base.shape[0], : plan.base.shape[1]]
        base[number, cells] = plan.base
        floor[number, : room[number]] = cells.reshape(-1)[plan.floor]
        doors[number, : rows[number], : choices[number]] = cells.reshape(-1)[plan.doors]
    return _Member(base, floor, doors, room, rows, choices, room + 2 * rows + 1)


def _inside(size: int, largest: int) -> Bool[np.ndarray, "largest largest"]:
    """Where a view lies in the largest one: at the bottom centre."""
    inside = np.zeros((largest, largest), bool)
    left = largest // 2 - size // 2
    inside[largest - size :, left : left + size] = True
    return inside


def _distinct(spaces: tuple[AbstractTaskSpace, ...]) -> tuple[list[int], list[AbstractTaskSpace]]:
    """Which of the different spaces each is, and those; so that none is drawn from twice."""
    known: dict[tuple, int] = {}
    numbers, distinct = [], []
    for space in spaces:
        leaves, structure = jax.tree.flatten(space)
        same = (structure, *map(id, leaves))
        if same not in known:
            known[same] = len(distinct)
            distinct.append(space)
        numbers.append(known[same])
    return numbers, distinct
