"""Meadow: open-ended reinforcement learning in JAX.

The names below are the first a reader meets; everything else is imported from the module that
defines it.
"""

from meadow.agents.ppo import PPO as PPO
from meadow.agents.random import Random as Random
from meadow.curricula.uniform import Uniform as Uniform
from meadow.envs.published import ids as ids
from meadow.envs.published import make as make
from meadow.envs.xland.environment import XLand as XLand
from meadow.evaluation.interval import estimate as estimate
from meadow.evaluation.trials import Forgetful as Forgetful
from meadow.evaluation.trials import lived as lived
from meadow.loops.compiled import Compiled as Compiled
from meadow.loops.iteration import Experiment as Experiment
from meadow.nn.plan import Plan as Plan
from meadow.rollout.life import Trial as Trial
from meadow.tasks.grid import grid_task as grid_task
from meadow.tasks.table import Split as Split
from meadow.tasks.trees import Trees as Trees

__version__ = "0.1.0"
