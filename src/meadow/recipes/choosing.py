"""Choosing: which curriculum a recipe has, by name, and the numbers that it is made with.

Every curriculum works with any space that can do what it asks for: be drawn from (uniform, fresh,
PLR, SFL, NCC), be edited (ACCEL), or be built by a teacher (minimax, PAIRED, population, REPAIRED).
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from meadow.agents.ppo import PPO
from meadow.core.curriculum import AbstractCurriculum
from meadow.core.editor import AbstractEditor
from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import SpecError, UnknownNameError
from meadow.core.task import AbstractTaskSpace
from meadow.curricula.accel import ACCEL
from meadow.curricula.buffer import Buffer
from meadow.curricula.designed import Designed
from meadow.curricula.ncc import NCC
from meadow.curricula.plr import PLR
from meadow.curricula.repaired import REPAIRED
from meadow.curricula.sfl import SFL
from meadow.curricula.uniform import Uniform
from meadow.envs.fresh import Fresh
from meadow.envs.maze.editor import Placing
from meadow.envs.parameters import ParameterEditor
from meadow.nn.plan import Plan
from meadow.scores import REGRETS, SCORES
from meadow.tasks.box import Parameters
from meadow.tasks.maze.blocks import Blocks

REGRET = "relative_regret"
EDITOR = Plan(planes=128, aside=10, memory=256, heads=32, core="lstm", recalls=False)


@dataclasses.dataclass(frozen=True)
class Choosing:
    """The numbers; a curriculum takes those that it knows.

    Attributes:
        score: what kept tasks are ranked by, such as learnability, max_mc or positive_value_loss
            (`meadow.scores` has them all); the curriculum's own when None.
        worth: the score that a teacher is paid, such as relative_regret; its own when None.
        buffer: what PLR and its kin keep.
        replay: share of iterations that practise kept tasks; 0.8 for ACCEL, 0.5 for others, when
            None.
        warm: share of the buffer to be filled before the first of them.
        candidates: new tasks examined at a time; as many as there are lives when None, but 1,024 in
            SFL.
        look: steps for which an examined task is lived; as long as an iteration when None.
        edits: from a parent to a child.
        parents: which practised tasks have children: batch, easy or hard.
        empty: whether ACCEL begins with the simplest tasks.
        kept: how many tasks SFL and NCC keep.
        period: iterations between two examinations of SFL.
        share: of practice that is of kept tasks, in SFL.
        students: how many, in a population.
        teacher: who builds tasks.
    """

    score: str | None = None
    worth: str | None = None
    buffer: Buffer = Buffer()
    replay: float | None = None
    warm: float = 0.5
    candidates: int | None = None
    look: int | None = None
    edits: int = 20
    parents: str = "batch"
    empty: bool = True
    kept: int = 256
    period: int = 50
    share: float = 0.5
    students: int = 4
    teacher: PPO = PPO(EDITOR, gamma=0.995, trace=0.98, entropy=0.05, learning_rate=1e-4,
                       epochs=5, minibatches=1, anneal=False)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Chosen:
    """What an experiment needs to be told of how its tasks are chosen."""

    curriculum: AbstractCurriculum
    environment: AbstractEnvironment
    anew: bool = True
    look: int | None = None
    students: int | None = None


@dataclasses.dataclass(frozen=True)
class Place:
    """Where tasks are chosen for: the world, the space they come from, so many lives; and whether
    these begin anew in every iteration where the curriculum does not mind."""

    environment: AbstractEnvironment
    space: AbstractTaskSpace
    lives: int
    anew: bool


def choose(name: str, numbers: Choosing, place: Place) -> Chosen:
    """The curriculum of that name.

    Raises:
        UnknownNameError: no such curriculum.
        SpecError: the space cannot do what it asks for, or the score is of another number of
            students.
    """
    if name not in CURRICULA:
        raise UnknownNameError("curriculum", name, CURRICULA)
    return CURRICULA[name](numbers, place)


def _score(given: str | None, own: str, students: int | None = None) -> str:
    """The score given, or a curriculum's own, if it is one of so many students."""
    name = given or own
    if name not in SCORES and name not in REGRETS:
        raise UnknownNameError("score", name, [*SCORES, *REGRETS])
    if (name in REGRETS) != (students is not None):
        whose, known = ("one student", REGRETS) if students else ("several students", SCORES)
        raise SpecError(
            f"The score {name!r} is of {whose}, and this curriculum has {students or 1}. Choose "
            f"one of {', '.join(known)}."
        )
    return name


def _plr(numbers: Choosing, place: Place, replay: float = 0.5, **changes: Any) -> PLR:
    given: dict[str, Any] = {
        "buffer": numbers.buffer,
        "score": changes.get("score") or _score(numbers.score, "max_mc"),
        "replay": replay if numbers.replay is None else numbers.replay,
        "candidates": numbers.candidates or place.lives,
        "warm": numbers.warm,
    }
    return PLR(place.space, **given | changes)


def _uniform(numbers: Choosing, place: Place) -> Chosen:
    return Chosen(Uniform(place.space), place.environment, place.anew)


def _fresh(numbers: Choosing, place: Place) -> Chosen:
    """Lives go on from one iteration to the next, and every episode is of a new task."""
    world = Fresh(place.environment, place.space)
    return Chosen(Uniform(world.nothing), world, anew=False)


def _replaying(**changes: Any) -> Callable[[Choosing, Place], Chosen]:
    def build(numbers: Choosing, place: Place) -> Chosen:
        return Chosen(_plr(numbers, place, **changes), place.environment, look=numbers.look)

    return build


def _accel(numbers: Choosing, place: Place, *, parallel: bool = False) -> Chosen:
    plr = _plr(numbers, place, replay=0.8, parallel=parallel)
    curriculum = ACCEL(plr, numbers.edits, numbers.parents, empty=numbers.empty)
    return Chosen(curriculum, place.environment, look=numbers.look)


def _sfl(numbers: Choosing, place: Place) -> Chosen:
    candidates, score = numbers.candidates or 1024, _score(numbers.score, "learnability")
    curriculum = SFL(place.space, numbers.kept, candidates, numbers.period, numbers.share, score)
    return Chosen(curriculum, place.environment, look=numbers.look)


def _ncc(numbers: Choosing, place: Place) -> Chosen:
    candidates, score = numbers.candidates or place.lives, _score(numbers.score, "learnability")
    curriculum = NCC(place.space, numbers.kept, candidates, score)
    return Chosen(curriculum, place.environment, look=numbers.look)


def _teaching(worth: str, students: int | None) -> Callable[[Choosing, Place], Chosen]:
    def build(numbers: Choosing, place: Place) -> Chosen:
        many = numbers.students if students == 0 else students
        paid = _score(numbers.worth, worth, many)
        curriculum = Designed(editor(place.space), numbers.teacher, paid)
        return Chosen(curriculum, place.environment, students=many)

    return build


def _repaired(numbers: Choosing, place: Place) -> Chosen:
    worth = _score(numbers.worth, REGRET, 2)
    teacher = Designed(editor(place.space), numbers.teacher, worth)
    curriculum = REPAIRED(_plr(numbers, place, score=worth), teacher)
    return Chosen(curriculum, place.environment, look=numbers.look, students=2)


def editor(space: AbstractTaskSpace) -> AbstractEditor:
    """Where a teacher builds tasks of a space.

    Raises:
        SpecError: there is no editor of such tasks.
    """
    if isinstance(space, Blocks):
        return Placing(space.height, space.width, num_walls=space.num_walls, replace=space.replace)
    if isinstance(space, Parameters):
        return ParameterEditor(space.low, space.high)
    raise SpecError(
        f"No teacher can build tasks of {type(space).__name__} yet: expected mazes (`Blocks`) or "
        "parameters (`Parameters`). Choose a curriculum that draws tasks, such as plr or sfl, or "
        "write an `AbstractEditor` and give `Designed` to an `Experiment`."
    )


CURRICULA: dict[str, Callable[[Choosing, Place], Chosen]] = {
    "uniform": _uniform,
    "fresh": _fresh,
    "plr": _replaying(robust=False),
    "robust-plr": _replaying(),
    "parallel-plr": _replaying(parallel=True),
    "accel": _accel,
    "parallel-accel": lambda numbers, place: _accel(numbers, place, parallel=True),
    "sfl": _sfl,
    "ncc": _ncc,
    "minimax": _teaching("neg_return", None),
    "paired": _teaching(REGRET, 2),
    "population": _teaching("population_regret", 0),
    "repaired": _repaired,
}
"""How each is made, by the names that `meadow train --curriculum` knows."""
