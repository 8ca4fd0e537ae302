"""Raw: the published encoding goes in and comes out unchanged."""

import jax.numpy as jnp
import numpy as np
import pytest

from meadow.core.errors import TaskError
from meadow.tasks import kinds
from meadow.tasks.grid import check_task, grid_task
from meadow.tasks.raw import from_raw, to_raw

RED, BLUE, PINK = (3, 1), (7, 3), (11, 11)
NO_RULES, NO_TILES = [[0] * 7], [[0, 0]]


def every_goal() -> np.ndarray:
    rows = []
    for i, kind in enumerate(kinds.GOAL_BYTES):
        places = {"agent_on_position": (8, 9, 0, 0), "tile_on_position": (*RED, 8, 200)}
        one_or_two = (*RED, *BLUE) if kinds.arity(kind) == 2 else (*RED, 0, 0)
        name = kinds.GOAL_NAMES[kind]
        rows.append((i, *places.get(name, one_or_two if i else (0, 0, 0, 0))))
    return np.array(rows)


def every_rule() -> np.ndarray:
    rows = [(0,) * 7]
    for i, kind in enumerate(kinds.RULE_BYTES[1:], 1):
        rows.append((i, *RED, *BLUE, *PINK) if kinds.arity(kind) == 2 else (i, *RED, *PINK, 0, 0))
    return np.array(rows)


def test_every_kind_survives_the_round_trip():
    goals, rules = every_goal(), np.broadcast_to(every_rule(), (15, 12, 7))
    tiles = np.broadcast_to(np.array([RED, BLUE, (0, 0)]), (15, 3, 2))
    task = from_raw(goals, rules, tiles)
    check_task(task)
    assert task.goal.shape == (15, 5) and task.rules.shape == (15, 12, 4), "batch axes are kept"
    for name, ours, theirs in zip(
        ("goal", "rules", "tiles"), to_raw(task), (goals, rules, tiles), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs, f"to_raw(from_raw({name})) is {name}")


def test_it_means_what_a_task_by_hand_means():
    task = from_raw((5, *RED, 2, 3), [(4, *RED, *BLUE, *PINK), (1, *RED, *PINK, 0, 0)], [BLUE])
    hand = grid_task(
        ("tile_on_position", "red ball", 2, 3),
        [("tile_near_up", "red ball", "blue key", "pink hex"),
         ("agent_hold", "red ball", "pink hex")],
        ["blue key"],
    )  # fmt: skip
    for ours, theirs in zip((task.goal, task.rules, task.objects),
                            (hand.goal, hand.rules, hand.objects), strict=True):  # fmt: skip
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == jnp.uint8


def test_what_an_id_does_not_use_is_dropped():
    task = from_raw((1, *RED, 9, 9), [(0, 1, 2, 3, 4, 5, 6)], NO_TILES)
    np.testing.assert_array_equal(task.goal[2:], 0, "a hold goal has one tile and no place")
    np.testing.assert_array_equal(task.rules, 0, "the empty rule is a row of zeros")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (((15, *RED, 0, 0), NO_RULES, NO_TILES), "Expected a goal id in 0..14, got 15"),
        (((1, *RED, 0, 0), [[12] + [0] * 6], NO_TILES), r"rule id in 0..11, got 12 \(at index"),
        (((1, 13, 1, 0, 0), NO_RULES, NO_TILES), "tile id in the goal's first tile in 0..12"),
        (((1, *RED, 0, 0), [(1, *RED, 3, 12, 0, 0)], NO_TILES), "colour id in a rule's product"),
        (((1, *RED, 0, 0), NO_RULES, [[3, -1]]), "colour id in init_tiles in 0..11, got -1"),
        (((5, *RED, 0, 256), NO_RULES, NO_TILES), "row or column in 0..255, got 256"),
        (((1, *RED, 0), NO_RULES, NO_TILES), r"`goal` must have shape \[5\].*got \[4\]"),
        (((1, *RED, 0, 0), [[0] * 4], NO_TILES), r"`rules` must have shape \[any, 7\]"),
        (((1, *RED, 0, 0), [NO_RULES], NO_TILES), r"got \[1, 1, 7\]"),
        (((1.5, *RED, 0, 0), NO_RULES, NO_TILES), "must be whole numbers, got float64"),
    ],
)
def test_malformed_encodings_are_explained(raw, message):
    with pytest.raises(TaskError, match=message):
        from_raw(*raw)


def test_kinds_of_ones_own_have_no_published_id():
    task = grid_task(("agent_hold", "red ball"), [(0x12, "red ball", "blue key", "pink hex")])
    with pytest.raises(TaskError, match=r"rule kind 18 \(at index \[0\]\) has no published id"):
        to_raw(task)
