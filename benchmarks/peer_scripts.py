"""The peer's own training script, run from a checkout of its repository: `--peer PATH`.

It is loaded as it is. Its logger and its command line need not be installed, because nothing is
logged or parsed there; tasks come from us instead of a download; evaluation is set to no episodes,
so that what is timed is resets and updates.
"""

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from peer_ppo import Sizes
from xminigrid.benchmarks import Benchmark
from xminigrid.types import RuleSet

NOT_NEEDED = ("wandb", "pyrallis")


class Program(NamedTuple):
    """The script, compiled: `run` resets everyone and does the updates of one repeat."""

    parameters: Any
    run: Callable[[], None]


def program(path: Path, sizes: Sizes, rulesets: RuleSet, updates: int) -> Program:
    """Their meta-task training, compiled for one meta-update of so many updates."""
    script = _script(path)
    config = script.TrainConfig(
        env_id=sizes.environment,
        rnn_hidden_dim=sizes.memory,
        head_hidden_dim=sizes.heads,
        num_envs=sizes.lives,
        num_steps_per_env=sizes.length * updates,
        num_steps_per_update=sizes.length,
        update_epochs=sizes.epochs,
        num_minibatches=sizes.minibatches,
        total_timesteps=sizes.lives * sizes.length * updates,
        eval_num_envs=1,
        eval_num_episodes=0,
    )
    benchmark = Benchmark(*jax.tree.leaves(rulesets), num_rules=rulesets.rules[:, 0, 0])
    with mock.patch.object(script.xminigrid, "load_benchmark", lambda _: benchmark):
        key, environment, parameters, benchmark, hidden, state = script.make_states(config)
    train = script.make_train(environment, parameters, benchmark, config)
    keys = jax.random.split(key, 1)
    state, hidden = jax.tree.map(lambda x: jnp.asarray(x)[None], (state, hidden))
    compiled = train.lower(keys, state, hidden).compile()
    return Program(state.params, lambda: jax.block_until_ready(compiled(keys, state, hidden)))


def _script(path: Path) -> types.ModuleType:
    """`training/train_meta_task.py` as a module."""
    folder = path / "training"
    if not (folder / "train_meta_task.py").exists():
        raise SystemExit(
            f"--peer expects a checkout of xland-minigrid, with training/train_meta_task.py in it; "
            f"found none in {path}."
        )
    if importlib.util.find_spec("distrax") is None:
        raise SystemExit("The peer's scripts need distrax: pip install distrax")
    importlib.import_module("flax.training.train_state")
    for name in NOT_NEEDED:
        if importlib.util.find_spec(name) is None:
            sys.modules[name] = mock.MagicMock()
    sys.path.append(str(folder))
    # It gives arrays as defaults to a dataclass, which Python 3.11 refuses; NumPy's scalars pass.
    with mock.patch.object(jnp, "asarray", lambda x: np.float32(x)):
        importlib.import_module("utils")
    return importlib.import_module("train_meta_task")
