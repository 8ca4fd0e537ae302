"""Maps equal the peer's: the same walls, and doors that may stand on the same cells."""

import jax
import numpy as np
import pytest

from meadow.envs.xland.environment import XLand
from meadow.tasks.tiles import COLOURS, TILES

pytestmark = pytest.mark.parity

SIZES = {
    "R1": (9, 11, 13, 15, 17),
    "R2": (9, 11, 13, 15, 17),
    "R4": (9, 11, 13, 15, 17),
    "R6": (13, 17, 19),
    "R9": (16, 19, 25),
}
NUM_KEYS = 512


@pytest.fixture(scope="module")
def generators() -> dict:
    """The peer's functions from a key to a map, by layout."""
    xland = pytest.importorskip(
        "xminigrid.envs.xland", reason='the peer is not installed: pip install "meadow[peers]"'
    )
    return {
        "R1": xland.generate_room,
        "R2": xland.generate_two_rooms,
        "R4": xland.generate_four_rooms,
        "R6": xland.generate_six_rooms,
        "R9": xland.generate_nine_rooms,
    }


@pytest.mark.parametrize(("name", "size"), [(n, s) for n, sizes in SIZES.items() for s in sizes])
def test_the_published_maps_are_the_peers(generators, name, size):
    environment = XLand(name, size, size)
    assert environment.time_limit == 3 * size * size, "the published time limit"
    draw = jax.jit(jax.vmap(lambda key: generators[name](key, size, size)[1]))
    theirs = np.asarray(draw(jax.random.split(jax.random.key(0), NUM_KEYS)))
    tile, colour = theirs.reshape(NUM_KEYS, size * size, 2).transpose(2, 0, 1)
    doors = tile == TILES.index("closed door")

    plan = environment.ground.layout
    base = plan.base.reshape(-1)
    same = tile * len(COLOURS) + colour == base
    assert (same | doors).all(), "walls and floor must lie alike"
    assert (doors.sum(1) == len(plan.doors)).all(), "there must be as many doors"
    for line in plan.doors:
        assert (doors[:, line].sum(1) == 1).all(), "a line must hold one of the peer's doors"
        assert doors[:, line].any(0).all(), "each of our cells must be one of the peer's"
    assert set(colour[doors]) <= set(range(1, 7)), "doors are red to grey"
