"""A Python environment that does as it is told, misbehaving included; workers can import it."""

import os
import time

import numpy as np

from meadow.core.spec import Discrete
from meadow.rollout.host_program import Told

GOOD, RAISE, NAN, SHAPE, TYPE, PARTS, DIE, HANG = range(8)
SHOWN = {"born": np.zeros((), np.int32), "count": np.zeros(2, np.float32)}


class Clockwork:
    """Episodes of as many steps as one of 1 to 4, the i-th paid i; odd ones terminate.

    Shows which birth it is and, twice, the steps taken. An action says how to misbehave.
    """

    action_spec = Discrete(8)
    observation = SHOWN

    def __init__(self, seed: int):
        self.seed, self.episodes, self.count = seed, 0, 0

    def reset(self):
        self.episodes, self.count = self.episodes + 1, 0
        self.length = 1 + (self.seed + self.episodes) % 4
        return self.shown()

    def step(self, action) -> Told:
        if action == RAISE:
            raise RuntimeError("a spring broke")
        if action == DIE:
            os._exit(3)
        if action == HANG:
            time.sleep(60)
        self.count += 1
        last, shown = self.count == self.length, self.shown()
        if action == SHAPE:
            shown["count"] = np.zeros(3, np.float32)
        if action == TYPE:
            shown["born"] = np.float32(0.5)
        if action == PARTS:
            del shown["born"]
        reward = np.nan if action == NAN else float(self.count)
        return Told(shown, reward, 0.0 if last and self.length % 2 else 1.0, last)

    def shown(self):
        # float64, as many environments show; kept as float32.
        return {"born": np.int64(self.seed % 2**31), "count": np.full(2, float(self.count))}

    def close(self) -> None:
        pass


class Stillborn(Clockwork):
    """Its process dies in every reset."""

    def reset(self):
        os._exit(4)
