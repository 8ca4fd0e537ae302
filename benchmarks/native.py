"""The native floor: `native_step.c` compiled, checked against Meadow's step, and timed."""

import ctypes
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from meadow.envs.xland.board import ground
from meadow.envs.xland.environment import XLand
from meadow.tasks.grid import GridTask

SOURCE = Path(__file__).parent / "native_step.c"
FLAGS = ("-O3", "-march=native", "-shared", "-fPIC")


def compiled() -> ctypes.CDLL | None:
    """The compiled loop; None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    path = Path(tempfile.mkdtemp()) / "native_step.so"
    subprocess.run([compiler, *FLAGS, "-o", path, SOURCE], check=True)
    return ctypes.CDLL(str(path))


def _structure(name: str, fields: dict[str, Any]) -> type[ctypes.Structure]:
    return type(name, (ctypes.Structure,), {"_fields_": list(fields.items())})


_WORLD = _structure(
    "World",
    dict.fromkeys(
        "num size stride margin rules objects view limit floors doors choices begin_again".split(),
        ctypes.c_int32,
    ),
)
_ARRAYS = (
    "grid pocket seen position direction step reward rule goal object base floor door action"
).split()
_POINTERS = _structure("Arrays", dict.fromkeys(_ARRAYS, ctypes.c_void_p))


class Native:
    """A batch of environments that the C loop steps in place.

    Attributes:
        arrays: by name, as `native_step.c` calls them.
    """

    def __init__(self, environment: XLand, tasks: GridTask, state: Any, actions: Any = None):
        board, num = environment.board, len(tasks.goal)
        grounds = ground(
            environment.layout, environment.height, environment.width, environment.view_size
        )
        view = environment.view_size
        int32, uint8 = np.int32, np.uint8
        self.arrays = {
            "grid": np.array(state.grid, uint8),
            "pocket": np.array(state.pocket, uint8),
            "seen": np.zeros((num, view, view), uint8),
            "position": np.array(state.position, int32),
            "direction": np.array(state.direction, int32),
            "step": np.array(state.step, int32),
            "reward": np.zeros(num, np.float32),
            "rule": np.ascontiguousarray(tasks.rules, uint8),
            "goal": np.ascontiguousarray(tasks.goal, uint8),
            "object": np.ascontiguousarray(tasks.objects, uint8),
            "base": np.ascontiguousarray(grounds.base, uint8),
            "floor": np.ascontiguousarray(grounds.floor, int32),
            "door": np.ascontiguousarray(grounds.doors, int32),
        }
        if actions is not None:
            self.arrays["action"] = np.ascontiguousarray(actions, int32)
        pointers = {name: x.ctypes.data for name, x in self.arrays.items()}
        self._pointers = _POINTERS(**pointers)
        self._world = _WORLD(
            num, board.size, board.stride, board.margin, tasks.rules.shape[1],
            tasks.objects.shape[1], view, environment.time_limit, len(grounds.floor),
            *grounds.doors.shape, actions is None,
        )  # fmt: skip

    def run(self, loop: ctypes.CDLL, steps: int, seed: int = 1) -> float:
        """Step everything so often; the seconds it took."""
        begun = time.perf_counter()
        world, arrays = ctypes.byref(self._world), ctypes.byref(self._pointers)
        loop.rollout(world, arrays, ctypes.c_int32(steps), ctypes.c_uint64(seed))
        return time.perf_counter() - begun


def check(loop: ctypes.CDLL, environment: XLand, tasks: GridTask, steps: int = 64) -> None:
    """Hold the C loop to Meadow's step, through `steps` random actions.

    Raises:
        AssertionError: they differ.
    """
    num = len(tasks.goal)
    state, _ = jax.vmap(lambda task, key: environment.reset(task, key=key))(
        tasks, jr.split(jr.key(0), num)
    )
    actions = jr.randint(jr.key(1), (steps, num), 0, 6)
    native = Native(environment, tasks, state, actions)
    native.run(loop, steps)

    def step(state: Any, action: jax.Array) -> tuple[Any, Any]:
        return jax.vmap(lambda s, t, a: environment.step(s, t, a, key=jr.key(0)))(
            state, tasks, action
        )

    state, timesteps = jax.jit(lambda s, a: jax.lax.scan(step, s, a))(state, actions)
    ours = {name: getattr(state, name) for name in ("grid", "pocket", "position", "direction")}
    ours |= {"seen": timesteps.observation["view"][-1], "reward": timesteps.reward[-1]}
    for name, x in ours.items():
        np.testing.assert_allclose(native.arrays[name], jnp.asarray(x), 1e-6, err_msg=name)
