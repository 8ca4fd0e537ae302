"""Every store keeps the laws: add yours to the list."""

import pytest

from meadow.replay.fifo import Fifo
from meadow.replay.prioritised import Prioritised
from meadow.replay.replay import Replay
from meadow.testing import check_store

CAPACITY = 24
STORES = {
    "transitions": Replay(CAPACITY),
    "five rows": Replay(CAPACITY, length=5),
    "overlapping sequences": Replay(CAPACITY, length=4, period=2, memory=True),
    "observations once": Replay(CAPACITY, length=3, ends=6),
    "prioritised": Replay(CAPACITY, length=3, selector=Prioritised()),
    "prioritised sequences": Replay(CAPACITY, length=8, period=4, selector=Prioritised(1.0, 1.0)),
    "twice at most": Replay(CAPACITY, selector=Prioritised(0.0, times=20)),
    "a queue": Replay(CAPACITY, length=2, period=2, selector=Fifo(), record=("number",)),
}


@pytest.mark.parametrize("store", STORES.values(), ids=STORES)
def test_store(store, key):
    check_store(store, capacity=CAPACITY, key=key)
