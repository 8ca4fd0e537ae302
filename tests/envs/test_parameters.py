"""Parameters are chosen one after the other, between their bounds."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from meadow.core.errors import SpecError
from meadow.envs.parameters import ParameterEditor

LOW, HIGH = (-1.0, 0.0, 5.0), (1.0, 10.0, 5.0)
EDITOR = ParameterEditor(LOW, HIGH, noise_dim=4)


def test_every_bin_is_a_value_between_the_bounds():
    editor = EDITOR
    step = jax.jit(lambda state, action, key: editor.step(state, (), action, key=key))
    wanted = np.linspace(LOW, HIGH, 11)
    for chosen in ([0, 0, 0], [10, 10, 10], [3, 7, 5]):
        state, said = editor.reset((), key=jr.key(0))
        noise = [said.observation["told"][6:]]
        for i, action in enumerate(chosen):
            told = said.observation["told"]
            shares = np.where(np.arange(3) < i, np.array(chosen) / 10, 0)
            assert np.allclose(told[:3], shares), "what is chosen so far, from 0 to 1"
            assert told[3:6].tolist() == np.eye(3)[i].tolist(), "which comes next"
            assert not said.last(), "it goes on"
            state, said = step(state, jnp.int32(action), jr.key(i + 1))
            noise.append(said.observation["told"][6:])
        assert said.terminated() and said.reward == 0, "the last choice ends it, unrewarded"
        assert not said.observation["told"][3:6].any(), "nothing comes next"
        assert len(np.unique(noise)) == 16, "noise is new in every step"
        assert np.allclose(editor.built(state), wanted[chosen, [0, 1, 2]]), "as they were chosen"


def test_noise_may_last_an_episode():
    editor = ParameterEditor(LOW, HIGH, redraw=False)
    state, first = editor.reset((), key=jr.key(0))
    _, said = editor.step(state, (), jnp.int32(1), key=jr.key(1))
    assert (first.observation["told"][6:] == said.observation["told"][6:]).all()
    assert first.observation["told"][6:].all(), "and is there"


@pytest.mark.parametrize(
    ("low", "high", "bins", "message"),
    [
        ((), (), 11, "a lower and a higher bound for each"),
        ((0.0,), (1.0, 2.0), 11, "a lower and a higher bound for each"),
        ((2.0,), (1.0,), 11, r"self.low=\(2.0,\), self.high=\(1.0,\)"),
        ((0.0,), (1.0,), 1, "`bins` must be at least 2, one for each bound, got 1"),
    ],
)
def test_bounds_that_do_not_fit_are_refused(low, high, bins, message):
    with pytest.raises(SpecError, match=message):
        ParameterEditor(low, high, bins)
