"""make: what can be asked for by id, and what follows from what is asked."""

import pytest

from meadow.core.errors import TaskError, UnknownNameError
from meadow.envs.published import ids, make
from meadow.tasks.level import Level
from meadow.tasks.minigrid.draw import room
from meadow.tasks.minigrid.empty import Empty
from meadow.tasks.only import Only
from meadow.tasks.trees import Trees


def test_all_44_published_ids_are_known():
    published = [id for id in ids() if id.startswith("XLand-MiniGrid-")]
    assert len(published) == 21 and len(set(ids())) == len(ids()) >= 44, "21 of XLand, 23 ports"


@pytest.mark.parametrize(
    ("id", "overrides", "expected"),
    [
        ("XLand-MiniGrid-R4-9x9", {"height": 11, "width": 11}, (11, 11, 363)),
        ("MiniGrid-Empty-5x5", {"width": 7}, (5, 7, 140)),
        ("MiniGrid-DoorKey-5x5", {"height": 6, "width": 7}, (6, 7, 420)),
        ("MiniGrid-Unlock", {"height": 7}, (7, 11, 392)),
        ("MiniGrid-LockedRoom", {"height": 22, "width": 19}, (22, 19, 220)),
        ("MiniGrid-MemoryS8", {"width": 9}, (7, 9, 405)),
        ("MiniGrid-Playground", {"height": 13, "width": 13, "num_objects": 3}, (13, 13, 512)),
        ("MiniGrid-FourRooms", {"max_steps": 7}, (19, 19, 7)),
    ],
)
def test_what_is_not_overridden_follows(id, overrides, expected):
    environment, space = make(id, **overrides)
    got = environment.height, environment.width, environment.time_limit
    assert got == expected, "the time limit is that of the new size"
    for name in overrides.keys() & {"height", "width", "num_objects"}:
        if not isinstance(space, Trees):
            assert getattr(space, name) == overrides[name], f"{name} reaches the space"


def test_fields_of_the_environment_are_overridden_too():
    environment, space = make("MiniGrid-Empty-8x8", view_size=5, observe=("pocket",))
    assert (environment.view_size, environment.observe) == (5, ("pocket",))
    assert space == Empty(8, 8), "the space is the published one"


def test_compatibility_goes_where_it_makes_a_difference():
    assert make("MiniGrid-BlockedUnlockPickUp", compatibility=True)[1].compatibility
    assert make("XLand-MiniGrid-R1-9x9", compatibility=True)[0].compatibility
    plain, published = (make("MiniGrid-Unlock", compatibility=x) for x in (False, True))
    assert plain == published, "without a fault to reproduce there is nothing to switch"


def test_other_tasks_may_be_given():
    space = Only(Level(room(7, 9), position=(1, 1), direction=1))
    environment, tasks = make("MiniGrid-BlockedUnlockPickUp", space)
    assert tasks is space, "the tasks given are the tasks got"
    assert (environment.height, environment.width) == (7, 9), "the environment has their size"
    assert make("XLand-MiniGrid-R1-9x9", "medium")[1] == Trees.published("medium")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("MiniGrid-Unlok",), UnknownNameError, "Did you mean 'MiniGrid-Unlock'"),
        (("MiniGrid-Unlock", "small"), TaskError, "has levels of its own"),
        (("XLand-MiniGrid-R1-9x9", "smal"), UnknownNameError, "Did you mean 'small'"),
    ],
)
def test_mistakes_are_told(arguments, error, message):
    with pytest.raises(error, match=message):
        make(*arguments)


@pytest.mark.parametrize("id", ["MiniGrid-Unlock", "XLand-MiniGrid-R1-9x9"])
def test_an_unknown_override_names_the_fields(id):
    with pytest.raises(UnknownNameError, match="field of .*'heigt'. Did you mean 'height'"):
        make(id, heigt=3)


def test_a_memory_has_one_height():
    with pytest.raises(UnknownNameError, match="'height'"):
        make("MiniGrid-MemoryS8", height=9)
