"""The air every test breathes: the CPU as four devices, shapes checked, compilations kept."""

import os

# Before JAX is imported; four devices, so that placements over a mesh can be tested anywhere.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = " ".join(
    [os.environ.get("XLA_FLAGS", ""), "--xla_force_host_platform_device_count=4"]
).strip()

import hypothesis
import jax
import jax.random as jr
import jaxtyping
import pytest
from jaxtyping import Array, Key

# From here on every annotation of ours is checked when its function is called or traced.
jaxtyping.install_import_hook("meadow", "beartype.beartype")

# JAX's strict dtype promotion stays off: optax itself needs the standard one (`decay**count` in its
# bias correction), and so do the peers that run in the same process.

# Compiling takes seconds and is no property of the code under test, so no example has a deadline.
# The same examples every time: a test that fails, fails for everyone.
hypothesis.settings.register_profile("meadow", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("meadow")


def pytest_configure(config: pytest.Config) -> None:
    """Keep compiled programs between runs, and share them between workers.

    Workers may write at the same time: an entry that cannot be read is compiled again.
    """
    folder = config.cache.mkdir("jax")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


@pytest.fixture
def key() -> Key[Array, ""]:
    """A random key, the same in every test."""
    return jr.key(0)
