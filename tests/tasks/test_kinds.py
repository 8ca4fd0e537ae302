"""Kinds: bytes in the order of the published ids, and what they mean."""

import pytest

from meadow.core.errors import TaskError, UnknownNameError
from meadow.tasks import kinds

RULES = """empty agent_hold agent_near tile_near tile_near_up tile_near_right tile_near_down
tile_near_left agent_near_up agent_near_right agent_near_down agent_near_left""".split()
GOALS = """empty agent_hold agent_on_tile agent_near tile_near tile_on_position agent_on_position
tile_near_up tile_near_right tile_near_down tile_near_left agent_near_up agent_near_right
agent_near_down agent_near_left""".split()


def test_order_is_that_of_the_published_ids():
    assert list(kinds.RULES) == RULES, "the place of a rule kind is its published id"
    assert list(kinds.GOALS) == GOALS, "the place of a goal kind is its published id"


def test_bytes_are_distinct_and_leave_room_for_custom_kinds():
    for table in (kinds.RULE_BYTES, kinds.GOAL_BYTES):
        assert len(set(table)) == len(table), "no two kinds have one byte"
        assert not set(table) & set(kinds.CUSTOM), "custom bytes are free"


def test_a_goal_and_a_rule_of_one_name_are_one_byte():
    shared = set(RULES) & set(GOALS)
    assert {name: kinds.RULES[name] for name in shared} == {
        name: kinds.GOALS[name] for name in shared
    }


def test_lookup_by_name_id_and_custom_byte():
    assert [kinds.rule_kind(i) for i in range(12)] == [kinds.rule_kind(name) for name in RULES]
    assert [kinds.goal_kind(i) for i in range(15)] == [kinds.goal_kind(name) for name in GOALS]
    assert kinds.rule_kind(0x11) == kinds.goal_kind(0x11) == 0x11


def test_arity():
    for name, byte in (kinds.RULES | kinds.GOALS).items():
        places = {"empty": 0, "agent_on_position": 0}
        expected = 2 if name.startswith("tile_near") else places.get(name, 1)
        assert kinds.arity(byte) == expected, f"{name} names {expected} tiles"


def test_wrong_kinds_are_explained():
    with pytest.raises(UnknownNameError, match="rule kind called 'agent_hld'.*'agent_hold'"):
        kinds.rule_kind("agent_hld")
    with pytest.raises(TaskError, match="Expected a rule id in 0..11 or a custom kind"):
        kinds.rule_kind(12)
    with pytest.raises(TaskError, match="Expected a goal id in 0..14"):
        kinds.goal_kind(-1)
