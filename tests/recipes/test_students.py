"""Students: their numbers, as published, in a table of its own; and the networks they make."""

import jax
import jax.numpy as jnp
import jax.random as jr
import pytest

from meadow.core.spec import Discrete
from meadow.nn.actor_critic import actor_critic
from meadow.recipes.students import STUDENTS, TEACHERS

# Rate, gamma, lambda, entropy, epochs, minibatches, clip, annealed.
PUBLISHED = """
    minimax-dr                 1e-4   .995  .98  1e-3  5  1   .2   no
    minimax-paired             1e-4   .995  .98  1e-3  5  1   .2   no
    minimax-plr                3e-4   .999  .98  0     5  1   .2   no
    minimax-parallel-plr       3e-4   .999  .95  0     5  1   .2   no
    minimax-accel              3e-4   .999  .98  0     5  1   .2   no
    minimax-parallel-accel     1e-4   .999  .98  1e-3  5  1   .2   no
    minimax-s5-dr              3e-5   .995  .98  1e-3  5  1   .2   no
    minimax-s5-paired          1e-4   .995  .98  1e-3  5  1   .2   no
    minimax-s5-plr             1e-4   .999  .98  1e-3  5  1   .2   no
    minimax-s5-parallel-plr    1e-4   .999  .98  1e-3  5  1   .2   no
    minimax-s5-accel           1e-4   .995  .98  1e-3  5  1   .2   no
    minimax-s5-parallel-accel  3e-5   .999  .98  0     5  1   .2   no
    jaxued                     1e-4   .995  .98  1e-3  5  1   .2   yes
    jaxued-paired              1e-4   .995  .98  1e-3  5  1   .2   yes
    dcd-25                     1e-4   .995  .95  1e-2  5  1   .2   no
    dcd-60                     1e-4   .995  .95  0     5  1   .2   no
    sfl-minigrid               2.5e-4 .99   .95  0     4  4   .04  yes
    sfl-jaxnav                 2.5e-4 .99   .95  0     4  4   .04  yes
    sfl-xland                  1e-3   .99   .95  1e-2  1  16  .2   yes
    degen                      5e-4   .995  .95  1e-3  4  4   .04  yes
    kinetix                    5e-5   .995  .9   1e-2  8  32  .2   no
"""


def test_the_numbers_are_the_published_ones():
    rows = {name: rest for name, *rest in map(str.split, PUBLISHED.strip().splitlines())}
    assert set(rows) == set(STUDENTS)
    for name, row in rows.items():
        student = STUDENTS[name]
        numbers = tuple(map(float, row[:-1]))
        got = (
            *(student.learning_rate, student.gamma, student.trace, student.entropy),
            *(student.epochs, student.minibatches, student.clip),
        )
        assert got == numbers and student.anneal == (row[-1] == "yes"), name
        assert student.value_clip == student.clip and student.value_cost == 0.5, name
        assert student.epsilon == 1e-5, name
        assert student.max_norm == (1.0 if name == "kinetix" else 0.5), name
        assert student.bootstrap == name.startswith("dcd"), f"{name}: what a time limit is"


@pytest.mark.parametrize("name", ["minimax-dr", "minimax-s5-dr", "jaxued"])
def test_the_network_of_a_maze_is_theirs_in_size(name):
    seen = {"view": jnp.zeros((5, 5, 2), bool), "direction": jnp.zeros(4)}
    plan = STUDENTS[name].plan
    network = jax.eval_shape(lambda key: actor_critic(plan, seen, Discrete(7), key=key), jr.key(0))
    assert (
        network.trunk.encoders["view"].width == 144
        and network.trunk.encoders["direction"].width == 5
    )
    assert network.trunk.action is None and network.trunk.memory.width == 256
    assert network.policy.hidden is not None and network.policy.hidden.bias.shape == (32,)
    size = sum(x.size for x in jax.tree.leaves(network))
    assert 0.4e6 < size < 0.5e6, f"about 0.43M parameters, got {size}"


def test_teachers_see_a_map_and_choose_a_cell():
    seen = {"view": jnp.zeros((13, 13, 3), bool), "time": jnp.zeros(62), "noise": jnp.zeros(50)}
    for name, filters in {"minimax-paired": 128, "minimax-s5-paired": 32}.items():
        plan = TEACHERS[name].plan
        network = jax.eval_shape(
            lambda key, plan=plan: actor_critic(plan, seen, Discrete(169), key=key), jr.key(0)
        )
        assert network.trunk.encoders["view"].width == 121 * filters, name
        assert network.trunk.encoders["time"].width == 10, name
    assert TEACHERS["minimax-paired"].entropy == 0.05, "it is kept curious"
    assert all(teacher.anneal == ("jaxued" in name) for name, teacher in TEACHERS.items())
