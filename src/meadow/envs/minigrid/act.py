"""Act: what XLand's six actions do, and what they do with lava and boxes.

Lava is walked into. A box is picked up and put down like any thing; toggled, it is gone, and a key
box has turned into the key that was in it.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, UInt8

from meadow.envs.xland import near as nearby
from meadow.envs.xland.near import Near
from meadow.tasks.tiles import FLOOR, LAVA, NUM_COLOURS, pack

_BOX, _KEY_BOX = pack("box", 0) // NUM_COLOURS, pack("key box", 0) // NUM_COLOURS
_KEY_BOX_MINUS_KEY = pack("key box", 0) - pack("key", 0)
_GREY_BOX = pack("box", "grey")


def act(near: Near, action: Int[Array, "*batch"]) -> tuple[Near, Bool[Array, "*batch"]]:
    """Do the action: what lies near afterwards, and whether the agent moved one cell ahead.

    XLand leaves lava and boxes as they are, so what it did and what is done here never meet.
    """
    after, moved = nearby.act(near, action)
    front, direction = near.front, near.direction
    tile = front // NUM_COLOURS
    box = (tile == _BOX) | (tile == _KEY_BOX)

    enters = (action == nearby.MOVE) & (front == LAVA)
    takes = (action == nearby.PICK_UP) & box & (near.pocket < NUM_COLOURS)
    opens = (action == nearby.TOGGLE) & box
    left = jnp.where(
        opens & (tile == _KEY_BOX), front - jnp.uint8(_KEY_BOX_MINUS_KEY), jnp.uint8(FLOOR)
    )
    # Where it looked, not where it looks: a turn changes nothing.
    ring = jnp.where(takes | opens, nearby.put(after.ring, direction, left), after.ring)
    behind = nearby.put(near.beyond, (direction + 2) & 3, near.front)
    return Near(
        ring=jnp.where(enters, near.beyond, ring),
        beyond=jnp.where(enters, behind, after.beyond),
        pocket=jnp.where(takes, near.front, after.pocket),
        direction=after.direction,
    ), moved | enters


def covered(tiles: UInt8[Array, "*some"]) -> UInt8[Array, "*some"]:
    """Tiles as an agent sees them: a key box is a grey box, and nobody knows what is in it."""
    return jnp.where(tiles // NUM_COLOURS == _KEY_BOX, jnp.uint8(_GREY_BOX), tiles)
