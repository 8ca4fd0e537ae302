"""Kinds: what makes a rule fire or a goal hold, as one byte.

The published twelve rules and most of the fifteen goals are one of three forms, so a kind needs no
code of its own, only bits: what triggers it, and in which directions it looks.

    bit 0..3   up, right, down, left (map directions)
    bit 4      HOLD    tried on pick-up:  the pocket is a
    bit 5      AGENT   tried on move:     a lies next to the agent, in one of the directions
    bit 6      AGENT   tried on put-down
    bit 7      TILE    tried on put-down: b lies in one of the directions of a, one of them in front

A byte with no trigger bit (only goals have those) is about places, ON_TILE, TILE_AT, AGENT_AT; or
about what was done, in levels only (`meadow.tasks.level`), whose failures are of these kinds too:

    PUT_NEAR     a was put down in one of the nine cells in and around row, column
    MISHANDLED   another thing than a was picked up, or the agent tried to put down what it held
    DONE_NEAR    the agent says that it is done, right beside row, column
    DONE         it says so anywhere, or toggles

The bytes 0x11 to 0x1f are free for kinds of your own (`meadow.envs.xland.near.AbstractKind`).

References: Nikulin et al., XLand-MiniGrid, 2023. The reduction to three forms is ours.
"""

from meadow.core.errors import TaskError, UnknownNameError

UP, RIGHT, DOWN, LEFT = 1, 2, 4, 8
AROUND = UP | RIGHT | DOWN | LEFT
HOLD, AGENT_MOVE, AGENT_PUT, TILE = 0x10, 0x20, 0x40, 0x80
NEVER, ON_TILE, TILE_AT, AGENT_AT = 0x00, 0x01, 0x02, 0x03
PUT_NEAR, MISHANDLED, DONE_NEAR, DONE = 0x04, 0x05, 0x06, 0x07
CUSTOM = range(0x11, 0x20)

_AGENT = AGENT_MOVE | AGENT_PUT

# In the order of the published ids: place in the tuple is the id.
RULES: dict[str, int] = {
    "empty": NEVER,
    "agent_hold": HOLD,
    "agent_near": AGENT_MOVE | AROUND,
    "tile_near": TILE | AROUND,
    "tile_near_up": TILE | UP,
    "tile_near_right": TILE | RIGHT,
    "tile_near_down": TILE | DOWN,
    "tile_near_left": TILE | LEFT,
    "agent_near_up": _AGENT | UP,
    "agent_near_right": _AGENT | RIGHT,
    "agent_near_down": _AGENT | DOWN,
    "agent_near_left": _AGENT | LEFT,
}
GOALS: dict[str, int] = {
    "empty": NEVER,
    "agent_hold": HOLD,
    "agent_on_tile": ON_TILE,
    "agent_near": AGENT_MOVE | AROUND,
    "tile_near": TILE | AROUND,
    "tile_on_position": TILE_AT,
    "agent_on_position": AGENT_AT,
    "tile_near_up": TILE | UP,
    "tile_near_right": TILE | RIGHT,
    "tile_near_down": TILE | DOWN,
    "tile_near_left": TILE | LEFT,
    "agent_near_up": _AGENT | UP,
    "agent_near_right": _AGENT | RIGHT,
    "agent_near_down": _AGENT | DOWN,
    "agent_near_left": _AGENT | LEFT,
}
RULE_BYTES, GOAL_BYTES = tuple(RULES.values()), tuple(GOALS.values())
RULE_NAMES = {byte: name for name, byte in RULES.items()}
GOAL_NAMES = {byte: name for name, byte in GOALS.items()}


def rule_kind(kind: str | int) -> int:
    """The byte of a rule kind given by name, published id or the byte of a custom kind.

    Raises:
        UnknownNameError: no kind of that name.
        TaskError: no kind of that id.
    """
    return _byte(kind, RULES, RULE_BYTES, "rule")


def goal_kind(kind: str | int) -> int:
    """The byte of a goal kind given by name, published id or the byte of a custom kind."""
    return _byte(kind, GOALS, GOAL_BYTES, "goal")


def _byte(kind: str | int, names: dict[str, int], ids: tuple[int, ...], what: str) -> int:
    if isinstance(kind, str):
        if kind not in names:
            raise UnknownNameError(f"{what} kind", kind, names)
        return names[kind]
    if kind in CUSTOM:
        return kind
    if not 0 <= kind < len(ids):
        raise TaskError(
            f"Expected a {what} id in 0..{len(ids) - 1} or a custom kind in "
            f"{CUSTOM.start}..{CUSTOM.stop - 1}, got {kind}. Ids count in this order: "
            f"{', '.join(names)}."
        )
    return ids[kind]


def arity(byte: int) -> int:
    """How many tiles a kind names as inputs: 2 for TILE, 1 for most, 0 for places."""
    if byte & TILE:
        return 2
    return 0 if byte in (NEVER, AGENT_AT) else 1
