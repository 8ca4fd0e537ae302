"""Environments of other libraries that are first asked for inside a compiled program."""

import sys
import types
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import jax.random as jr
import pytest

from meadow.interop import from_brax, from_gymnax
from meadow.interop.from_brax import FromBrax
from meadow.interop.from_gymnax import FromGymnax


class Lamp:
    """As both libraries shape theirs, with an array made when it is."""

    def __init__(self):
        self.light = jnp.arange(3.0) + 1

    def reset_env(self, key, parameters):
        return self.light, jnp.zeros(())

    def reset(self, key):
        return SimpleNamespace(obs=self.light)


@pytest.fixture(autouse=True)
def libraries(monkeypatch):
    """Stand-ins for both, of which nothing is remembered."""
    gymnax, brax, envs = (types.ModuleType(name) for name in ("gymnax", "brax", "brax.envs"))
    gymnax.registered_envs, gymnax.make = ["lamp"], lambda name: (Lamp(), ())
    envs._envs, envs.get_environment = {"lamp": Lamp}, lambda name, backend: Lamp()
    brax.envs = envs
    for module in (gymnax, brax, envs):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    caches = from_gymnax._made, from_brax._made
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.mark.parametrize("door", [FromGymnax, FromBrax])
def test_what_was_made_inside_a_program_serves_the_next(door):
    lamp = door("lamp")

    def seen(scale):
        return lamp.reset((), key=jr.key(0))[1].observation * scale

    for scale in (1.0, jnp.ones(3)):  # two programs
        assert jax.jit(seen)(scale).tolist() == [1.0, 2.0, 3.0]
    assert lamp.reset((), key=jr.key(0))[1].observation.tolist() == [1.0, 2.0, 3.0]
