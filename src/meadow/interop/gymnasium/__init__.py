"""Gymnasium: one environment, many at once, and the published ones by name.

>>> import gymnasium
>>> names = register_all()
>>> env = gymnasium.make("meadow/XLand-MiniGrid-R1-9x9-v0")
>>> env.observation_space
Dict('view': Box(0, 255, (5, 5), uint8))
"""

from meadow.interop.gymnasium.env import Env as Env
from meadow.interop.gymnasium.ids import register_all as register_all
from meadow.interop.gymnasium.vector import VectorEnv as VectorEnv
