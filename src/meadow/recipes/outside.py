"""Outside: an environment of another library, as a recipe names it."""

import equinox as eqx
from jaxtyping import Array, Int, Key, PyTree

from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import MeadowError
from meadow.core.spec import ActionSpec
from meadow.core.task import AbstractTaskSpace
from meadow.core.timestep import TimeStep
from meadow.rollout.host import AbstractHost
from meadow.tasks.only import Only


class Outside(AbstractEnvironment[Int[Array, ""], tuple[()]]):
    """Stands in a recipe for environments that are programs; `hosted` opens them.

    Attributes:
        name: such as gymnasium:CartPole-v1, dm_control:cartpole-swingup, ale:Breakout or
            bsuite:catch/0.
        workers: processes among which they are divided; 0 to step them in this one.
        timeout: seconds after which a worker hangs.
        restart: whether an environment that fails is begun anew; otherwise it ends the run.
    """

    name: str = eqx.field(static=True)
    workers: int = eqx.field(static=True, default=0)
    timeout: float = eqx.field(static=True, default=60.0)
    restart: bool = eqx.field(static=True, default=False)

    def open(self, num: int, seed: int) -> AbstractHost:
        """`num` of them, to be closed.

        Raises:
            MeadowError: no such environment, or its library is not installed.
        """
        from meadow.interop.host.named import host

        return host(
            *(self.name, num, seed),
            workers=self.workers,
            timeout=self.timeout,
            on_error="restart" if self.restart else "raise",
        )

    @property
    def action_spec(self) -> ActionSpec:
        """Not known before it is open."""
        raise self._closed()

    def reset(self, task: Int[Array, ""], *, key: Key[Array, ""]) -> tuple[tuple[()], TimeStep]:
        """Not here."""
        raise self._closed()

    def step(
        self, state: tuple[()], task: Int[Array, ""], action: PyTree, *, key: Key[Array, ""]
    ) -> tuple[tuple[()], TimeStep]:
        """Not here."""
        raise self._closed()

    def _closed(self) -> MeadowError:
        return MeadowError(
            f"{self.name!r} is a program that must be opened before anybody lives in it. Write "
            "`with hosted(recipe) as (experiment, host): Inline(experiment, host)`."
        )


def compiled(world: str) -> tuple[AbstractEnvironment, AbstractTaskSpace] | None:
    """An environment of a library that JAX compiles, by a name such as gymnax:CartPole-v1 or
    brax:ant, and the tasks that come with it; None where the name is of no such library.

    Raises:
        UnknownNameError: the library has no such environment.
        MeadowError: it is not installed.
    """
    library, _, name = world.partition(":")
    if library == "gymnax":
        from meadow.interop.from_gymnax import FromGymnax, Parameters

        return FromGymnax(name), Parameters(name)
    if library == "brax":
        from meadow.interop.from_brax import FromBrax

        return FromBrax(name), Only(0)
    return None


def is_outside(world: str) -> bool:
    """Whether a name is of another library's environment.

    >>> is_outside("gymnasium:CartPole-v1"), is_outside("XLand-MiniGrid-R1-9x9")
    (True, False)
    """
    from meadow.interop.host.named import DOORS

    return world.partition(":")[0] in DOORS
