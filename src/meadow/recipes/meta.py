"""MetaRL: an agent that meets hidden rules and finds them out; a complete experiment.

Every life gets a task from a space of task trees and lives it for a trial with its memory kept;
the learner improves what the agent does over whole trials. A share of the tasks is never shown in
training, so that evaluation can ask what the agent makes of tasks nobody chose.
"""

import dataclasses

from meadow.agents.ppo import PPO
from meadow.core.task import AbstractTaskSpace
from meadow.curricula.uniform import Uniform
from meadow.envs.xland.environment import XLand
from meadow.loops.iteration import Experiment
from meadow.nn.actor_critic import Plan
from meadow.rollout.life import Trial
from meadow.tasks.grid import GridTask
from meadow.tasks.table import Split
from meadow.tasks.trees import Trees


@dataclasses.dataclass(frozen=True)
class MetaRL:
    """A complete experiment: change any field, of it or within it.

    Attributes:
        environment: the world.
        tasks: the space that tasks are drawn from.
        learner: how the agent improves.
        trial: how long a task is lived in training.
        lives: how many live side by side.
        length: steps of each between two updates.
        iterations: how many updates.
        held_out: share of different tasks kept for evaluation, in (0, 1).
        episodes: of a trial in evaluation.
        chunk: iterations between two lines of metrics.
        seed: of everything random.
    """

    environment: XLand
    tasks: Trees
    learner: PPO
    trial: Trial
    lives: int
    length: int
    iterations: int
    held_out: float = 0.1
    episodes: int = 10
    chunk: int = 20
    seed: int = 0

    def space(self, *, held_out: bool) -> AbstractTaskSpace[GridTask]:
        """The tasks to learn from, or those held out; no goal with its rules is on both sides."""
        return Split(self.tasks, held_out, self.held_out)

    def experiment(self) -> Experiment:
        """What the loop runs."""
        return Experiment(
            environment=self.environment,
            curriculum=Uniform(self.space(held_out=False)),
            learner=dataclasses.replace(self.learner, updates=self.iterations),
            trial=self.trial,
            lives=self.lives,
            length=self.length,
        )

    @property
    def steps(self) -> int:
        """Environment steps in the whole run."""
        return self.iterations * self.lives * self.length


# Small enough to be learnt by two cores in three minutes: a room of 4x4 cells and three objects of
# 60 kinds. Standing next to one of them makes the object that the goal is about, either to hold it
# or to stand next to it; which object, what it becomes and which of the two is hidden. 7,080 tasks.
DEMO = MetaRL(
    environment=XLand("R1", 6, 6, view_size=3, max_steps=20, observe=("pocket",)),
    tasks=Trees(
        depth=1,
        min_depth=1,
        distractor_objects=2,
        statics=False,
        goal_kinds=("agent_hold", "agent_near"),
        rule_kinds=("agent_near",),
    ),
    learner=PPO(
        Plan(channels=(), features=64, aside=8, memory=64, heads=0),
        gamma=0.985,
        value_cost=0.1,
        value_clip=None,
        learning_rate=1.5e-3,
    ),
    trial=Trial(steps=128),
    lives=512,
    length=64,
    iterations=600,
    held_out=0.25,
    episodes=6,
)
SMALL = MetaRL(
    environment=XLand("R1", 9, 9, observe=("direction",)),
    tasks=Trees.published("small"),
    learner=PPO(Plan(features=64, memory=256, heads=64)),
    trial=Trial(steps=1024),
    lives=1024,
    length=64,
    iterations=2000,
)
PAPER = MetaRL(
    environment=XLand("R4", 13, 13, observe=("direction",)),
    tasks=Trees.published("high"),
    learner=PPO(Plan()),
    trial=Trial(steps=12_800),
    lives=16_384,
    length=256,
    iterations=2_400,
    episodes=25,
    chunk=50,
)
PRESETS: dict[str, tuple[str, MetaRL]] = {
    "demo": ("A small room and a first taste: minutes on a laptop.", DEMO),
    "small": ("One room, small task trees: hours on a laptop, minutes on a GPU.", SMALL),
    "paper": ("XLand-MiniGrid's own meta-learning run, 10 billion steps: days on one GPU.", PAPER),
}
