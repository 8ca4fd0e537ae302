"""XLand: a grid world whose rules and goal are hidden.

**observation** a dict. `view`: bytes `[view, view]`, the agent at the bottom centre looking up,
  walls hide nothing unless `occlude`, outside the map is EMPTY. On request also `direction`,
  `pocket`, `step`, and `goal` and `rules` (what is otherwise hidden).
**actions** move, turn right, turn left, pick up, put down, toggle (0 to 5).
**reward** `1 - 0.9 * step / max_steps` when the goal is reached, else 0.
**ends** terminates at the goal, truncates after `max_steps`.
**hidden** the goal and the rules; where the view does not reach.
**task** a `GridTask`. Each reset draws doors, places of the objects, the agent's place and facing.
**reference** Nikulin et al., XLand-MiniGrid: Scalable Meta-RL Environments in JAX, 2023. Same
  transitions; our random stream. Beyond the outermost wall (reached only by rules about walls)
  cells read EMPTY, where theirs wrap round.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, Key, UInt8

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import TaskError
from meadow.core.places import read, write
from meadow.core.spec import Discrete
from meadow.core.timestep import TimeStep, restart, transition
from meadow.envs.xland.advance import Fired, State, advance
from meadow.envs.xland.batched import batched
from meadow.envs.xland.begin import begin
from meadow.envs.xland.board import Board, Ground, board, ground
from meadow.envs.xland.compatible import drawn
from meadow.envs.xland.near import Kinds
from meadow.envs.xland.observe import check_senses, observe
from meadow.tasks.grid import GridTask
from meadow.tasks.kinds import CUSTOM
from meadow.tasks.tiles import COLOURS, EMPTY, FLOOR, pack

ACTIONS = ("move", "turn right", "turn left", "pick up", "put down", "toggle")
_DOOR_COLOURS = 6  # red to grey
_LANES = 128  # what is drawn comes in whole vectors: half as much to compile


class XLand(AbstractEnvironment[GridTask, State]):
    """The grid world.

    Args:
        layout: R1, R2, R4, R6 or R9 (`meadow.tasks.layouts`).
        height, width: of the map, walls included.
        view_size: odd; cells the agent sees ahead and across.
        max_steps: the time limit; `3 * height * width` when None.
        observe: what the agent sees besides the view: direction (one-hot), pocket, step, goal,
            rules.
        kinds: kinds of rules and goals of your own, each with a code of its own.
        occlude: whether walls and closed doors hide what lies behind them (it is EMPTY then).
        compatibility: draw resets as published, bit for bit; slower, and as likely.

    Raises:
        UnknownNameError: no such layout or observation.
        TaskError: the size cannot hold the layout, the view size is even, or a kind's code is
            taken.
    """

    layout: str = eqx.field(static=True, default="R1")
    height: int = eqx.field(static=True, default=9)
    width: int = eqx.field(static=True, default=9)
    view_size: int = eqx.field(static=True, default=5)
    max_steps: int | None = eqx.field(static=True, default=None)
    observe: tuple[str, ...] = eqx.field(static=True, default=())
    kinds: Kinds = ()
    occlude: bool = eqx.field(static=True, default=False)
    compatibility: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        check_senses(self.view_size, self.observe, self.occlude)
        if self.max_steps is not None and self.max_steps < 1:
            raise TaskError(f"`max_steps` must be at least 1, got {self.max_steps}.")
        codes = [kind.code for kind in self.kinds]
        if not set(codes) <= set(CUSTOM) or len(set(codes)) < len(codes):
            raise TaskError(
                f"Kinds of your own need different codes in {CUSTOM.start}..{CUSTOM.stop - 1}, got "
                f"{codes}. Write `code: int = CUSTOM[0]`, CUSTOM from `meadow.tasks.kinds`."
            )
        self.ground  # noqa: B018  a layout that cannot be built fails here, not in a step

    @property
    def board(self) -> Board:
        """The constant tables of this size of map and view."""
        return board(self.height, self.width, self.view_size)

    @property
    def ground(self) -> Ground:
        """The layout, before doors and objects are drawn."""
        return ground(self.layout, self.height, self.width, self.view_size)

    @property
    def time_limit(self) -> int:
        """Steps after which an episode is truncated."""
        return self.max_steps or 3 * self.height * self.width

    @property
    def action_spec(self) -> Discrete:
        """Six actions, in the order of `ACTIONS`."""
        return Discrete(len(ACTIONS))

    def reset(self, task: GridTask, *, key: Key[Array, ""]) -> tuple[State, TimeStep]:
        """Draw doors, place the objects and the agent on distinct floor cells.

        Raises:
            TaskError: more objects than the floor has cells (while tracing).
        """
        floor, doors = self.ground.floor, self.ground.doors
        num = task.objects.shape[0]
        self._check_room(num)
        if self.compatibility:
            state = begin(self.board, drawn(self.ground.layout, task.objects, key=key))
            return state, restart(self._observe(state, task))
        # One draw for everything: on a CPU a draw costs more than what is drawn.
        sizes = np.array([len(floor), len(doors), len(doors), 1])
        whole = -(-sizes.sum() // _LANES) * _LANES
        luck = jnp.split(jr.uniform(key, (whole,)), sizes.cumsum())

        places = read(jnp.asarray(doors), (np.arange(len(doors)), choose(luck[1], doors.shape[1])))
        cells = read(jnp.asarray(floor), jax.lax.top_k(luck[0], num + 1)[1])
        state = State(
            grid=furnish(
                jnp.asarray(self.ground.base), places, paint(luck[2]), cells[:-1], task.objects
            ),
            position=cells[-1],
            direction=choose(luck[3][0], 4),
            pocket=jnp.uint8(EMPTY),
            step=jnp.int32(0),
        )
        return state, restart(self._observe(state, task))

    def step(
        self, state: State, task: GridTask, action: Int[Array, ""], *, key: Key[Array, ""]
    ) -> tuple[State, TimeStep]:
        """Act, let the rules work, test the goal; deterministic, `key` is not used."""
        del key
        return batched(self._once, state, task, action)

    def fired(self, state: State, task: GridTask, action: Int[Array, ""]) -> Fired:
        """What `step` would set off: for pictures and for people, not for agents."""
        return advance(self.board, state, task, action, self.kinds)[1]

    def _once(self, state: State, task: GridTask, action: Array) -> tuple[State, TimeStep]:
        return self._finish(*advance(self.board, state, task, action, self.kinds), task)

    def _finish(self, state: State, fired: Fired, task: GridTask) -> tuple[State, TimeStep]:
        truncated = state.step == self.time_limit
        reward = 1.0 - 0.9 * (state.step / self.time_limit)
        timestep = transition(
            jnp.where(fired.goal, reward, 0.0),
            self._observe(state, task),
            terminated=fired.goal,
            truncated=truncated,
        )
        return state, timestep

    def _observe(self, state: State, task: GridTask) -> dict[str, Array]:
        return observe(self.board, state, task, self.view_size, self.observe, self.occlude)

    def _check_room(self, num: int) -> None:
        if num + 1 > len(self.ground.floor):
            raise TaskError(
                f"The task places {num} objects and the agent, but layout {self.layout} of "
                f"{self.height}x{self.width} has {len(self.ground.floor)} free cells. Use a larger "
                "map or fewer objects."
            )


def furnish(
    base: UInt8[Array, " size"],
    places: Int[Array, " doors"],
    doors: UInt8[Array, " doors"],
    cells: Int[Array, " objects"],
    objects: UInt8[Array, " objects"],
) -> UInt8[Array, " size"]:
    """A board at rest with doors and objects on it, in one scatter.

    Args:
        places: of the doors; beyond the board for one that is not there.
        cells: of the objects, all of them floor; padding leaves them so.
    """
    things = jnp.where(objects == EMPTY, jnp.uint8(FLOOR), objects)
    where, what = jnp.concatenate([places, cells]), jnp.concatenate([doors, things])
    return write(base, where, what)


def paint(luck: Float[Array, " doors"]) -> UInt8[Array, " doors"]:
    """Closed doors in random colours."""
    colours = choose(luck, _DOOR_COLOURS) + pack("closed door", COLOURS[1])
    return colours.astype(jnp.uint8)


def choose(luck: Float[Array, "*some"], num: int | Int[Array, ""]) -> Int[Array, "*some"]:
    """A number below `num` for each number in [0, 1)."""
    return jnp.minimum((luck * num).astype(jnp.int32), num - 1)
