"""Presets: recipes by name. All but `demo`, `small` and those of curricula are XLand-MiniGrid's own
configurations, number for number.

Where we differ from them, on purpose and in all of them:

- Tasks are drawn without end from the distribution of the published set, not from a file of a
  million, and a tenth of them is held out: theirs are judged on what they trained on.
- A time limit cuts an episode and does not end it. In `single` and `empty` the value of the
  true last observation stands in for what would have followed; theirs counts as 0. There the
  memory is also cleared at the end of an episode, which is the end of its trial; theirs runs on.
- The network is told whether an episode begins, and at the start of a trial there is no action
  before; theirs is told that it was action 0.
- The learning rate falls with every minibatch, theirs with every update.
- `rgb` scales pixels to [0, 1].

References: Nikulin et al., XLand-MiniGrid, 2023.
"""

import dataclasses

from meadow.agents.ppo import PPO
from meadow.curricula.buffer import Buffer
from meadow.envs.cartpole import CartPole, physics
from meadow.envs.maze.environment import MazeWorld
from meadow.envs.minigrid.environment import MiniGrid
from meadow.envs.xland.environment import XLand
from meadow.envs.xland.pixels import Pixels
from meadow.nn.plan import Plan
from meadow.recipes.choosing import Choosing
from meadow.recipes.recipe import Recipe
from meadow.recipes.students import STUDENTS
from meadow.rollout.life import Trial
from meadow.tasks.maze.blocks import Blocks
from meadow.tasks.minigrid.empty import Empty
from meadow.tasks.only import Numbered
from meadow.tasks.trees import Trees

# Small enough to be learnt by two cores in three minutes: a room of 4x4 cells and three objects of
# 60 kinds. Standing next to one of them makes the object that the goal is about, either to hold it
# or to stand next to it; which object, what it becomes and which of the two is hidden. 7,080 tasks.
DEMO = Recipe(
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
    iterations=700,
    held_out=0.25,
    episodes=6,
)
SMALL = Recipe(
    environment=XLand("R1", 9, 9, observe=("direction",)),
    tasks=Trees.published("small"),
    learner=PPO(Plan(features=64, memory=256, heads=64)),
    trial=Trial(steps=1024),
    lives=1024,
    length=64,
    iterations=2000,
)

# --- many tasks -----------------------------------------------------------------------------------

META = Recipe(
    environment=XLand("R1", 9, 9, observe=("direction",)),
    tasks=Trees.published("trivial"),
    learner=PPO(),
    trial=Trial(steps=4096),
    lives=8192,
    length=32,
    iterations=3 * 128,  # a trial is 128 iterations
    chunk=8,
)
PAPER = Recipe(
    environment=XLand("R4", 13, 13, observe=("direction",)),
    tasks=Trees.published("high"),
    learner=PPO(),
    trial=Trial(steps=12_800),
    lives=16_384,
    length=256,
    iterations=48 * 50,  # a trial is 50 iterations
    episodes=25,
    chunk=50,
)
TRILLION = dataclasses.replace(
    PAPER, learner=PPO(minibatches=32), lives=131_072, iterations=596 * 50
)

RGB = dataclasses.replace(
    PAPER,
    environment=Pixels(XLand("R1", 13, 13, observe=("direction",)), tile=32),
    learner=PPO(learning_rate=1e-4, minibatches=32),
    lives=1024,
    length=128,
    iterations=38 * 100,
)
DEBUG = Recipe(
    environment=XLand("R1", 9, 9, observe=("direction",)),
    tasks=Trees.published("trivial"),
    learner=PPO(Plan(memory=32, heads=16)),
    trial=Trial(steps=736),
    lives=256,
    length=16,
    iterations=11 * 46,  # a trial is 46 iterations
    episodes=3,
    chunk=23,
)

# --- one task -------------------------------------------------------------------------------------

SINGLE = Recipe(
    environment=XLand("R4", 13, 13, observe=("direction",)),
    tasks=Numbered("trivial", 0),
    learner=PPO(),
    trial=Trial(episodes=1),
    lives=16_384,
    length=256,
    iterations=238,
    held_out=0.0,
    episodes=1,
    chunk=2,
)
EMPTY = dataclasses.replace(
    SINGLE,
    environment=MiniGrid(6, 6, observe=("direction",)),
    tasks=Empty(6, 6),
    learner=PPO(Plan(memory=16, heads=16)),
    lives=64,
    length=16,
    iterations=97,
    chunk=8,
)

# --- curricula: try `--curriculum plr`, `accel`, `sfl`, ... ---------------------------------------

MAZE = Recipe(
    environment=MazeWorld(13, 13),
    tasks=Blocks(13, 13, num_walls=60),
    learner=STUDENTS["minimax-dr"],
    trial=Trial(episodes=1),
    lives=32,
    length=256,
    iterations=30_000,
    held_out=0.0,
    episodes=1,
    chunk=50,
    anew=True,
)
# Ten minutes on a laptop.
MAZE_SMALL = dataclasses.replace(
    MAZE,
    environment=MazeWorld(11, 11, max_steps=121),
    tasks=Blocks(11, 11, num_walls=60, replace=False, uniform=True),
    learner=PPO(
        Plan(planes=0, features=64, aside=4, memory=64, heads=0, recalls=False),
        anneal=False,
        epochs=4,
        minibatches=1,
    ),
    lives=128,
    length=121,
    iterations=300,
    chunk=10,
    choosing=Choosing(
        buffer=Buffer(512),
        teacher=PPO(
            Plan(planes=0, features=64, aside=16, memory=64, heads=0, recalls=False),
            gamma=0.995,
            anneal=False,
            epochs=4,
            minibatches=1,
        ),
    ),
)
CARTPOLE = Recipe(
    environment=CartPole(max_steps=200),
    tasks=physics(),
    learner=PPO(
        Plan(features=32, aside=4, memory=32, heads=0),
        gamma=0.98,
        anneal=False,
        epochs=4,
        minibatches=1,
    ),
    trial=Trial(episodes=1),
    lives=64,
    length=200,
    iterations=150,
    held_out=0.0,
    episodes=1,
    chunk=10,
    anew=True,
    choosing=Choosing(buffer=Buffer(512), score="generalised_learnability"),
)

# Rooms of 4x4 cells, task trees up to three rules deep whose branches are often given, so that
# tasks run from a glance to beyond reach. A trial of 100 steps, in which one may fail, find out and
# do better; a quarter of all tasks is held out.
RULES = Recipe(
    environment=XLand("R1", 6, 6, view_size=3, max_steps=25, observe=("pocket",)),
    tasks=Trees(
        depth=3,
        prune=0.4,
        distractor_rules=1,
        distractor_objects=1,
        statics=False,
        goal_kinds=("agent_hold", "agent_near"),
        rule_kinds=("agent_hold", "agent_near"),
    ),
    learner=PPO(
        Plan(channels=(), features=64, aside=16, memory=96, heads=0),
        anneal=False,
        learning_rate=1e-3,
        epochs=2,
        minibatches=4,
    ),
    trial=Trial(steps=100),
    lives=128,
    length=100,
    iterations=320,
    held_out=0.25,
    episodes=4,
    chunk=10,
    choosing=Choosing(buffer=Buffer(1024), score="learnability", edits=2, period=20, share=0.7),
    anew=True,
)

PRESETS: dict[str, tuple[str, Recipe]] = {
    "demo": ("A small room and a first taste: minutes on a laptop.", DEMO),
    "small": ("One room, small task trees: 130 million steps, hours of a laptop.", SMALL),
    "meta": ("XLand-MiniGrid's meta-learning defaults: 100 million steps of trivial tasks.", META),
    "paper": (
        "Its paper's meta-learning run: 10 billion steps of hard tasks in four rooms.",
        PAPER,
    ),
    "trillion": ("Its longest: a trillion steps, made for eight GPUs.", TRILLION),
    "single": ("Its paper's run on one task: a billion steps in four rooms.", SINGLE),
    "rgb": ("Its run from pictures: 500 million steps of hard tasks in one room.", RGB),
    "debug": ("Trivial tasks, a small network: whether all works, in a minute or two.", DEBUG),
    "rules": ("Task trees from trivial to hopeless: minutes on a laptop.", RULES),
    "maze": ("minimax's mazes of 13x13, 60 walls: 250 million steps.", MAZE),
    "maze-small": ("Mazes of 11x11: ten minutes on a laptop.", MAZE_SMALL),
    "cartpole": ("A cart-pole whose physics is the task: minutes on a laptop.", CARTPOLE),
    "empty": ("The same of one task: an empty room of MiniGrid, 100 thousand steps.", EMPTY),
}
