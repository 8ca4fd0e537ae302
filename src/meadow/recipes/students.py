"""Students: the learners of the literature on environment design, by name, as it gives them.

Learning rate and its schedule, gamma, lambda, entropy, epochs, minibatches, clips, Adam's epsilon
and the widths of the networks are theirs, number for number. Where a name says nothing of it, the
network is that of a maze's student. Lives and steps between updates are a recipe's: 32 x 256 in
mazes, but 64 for parallel PLR and 96 for parallel ACCEL; 256 x 256 for `sfl-minigrid`, 256 x 512
for `sfl-jaxnav` and `degen`, 8192 x 32 for `sfl-xland`, 2048 x 64 for `kinetix`.

Where we differ, on purpose and in all of them:

- Direction, time and noise go through a layer each, with a ReLU; theirs are one-hot or embedded
  and linear, and noise goes in as it is.
- A policy begins close to uniform, not at it; dcd's policy and value have a second hidden layer.
- A linear core is normed after each layer (theirs before, in serial PLR), has no dropout, and its
  B and C begin as random numbers in the basis of the spectrum.
- `jaxued-paired` has tanh in both heads; theirs has it in the policy's alone.
- An annealed learning rate falls with every minibatch, theirs with every update.
- The network of `kinetix` reads sets of shapes; here it is a GRU over what the environment shows.
- `sfl-jaxnav` has its widths, for one dense layer over what the environment shows.

References: Jiang et al., minimax, 2023; Coward et al., JaxUED, 2024; Parker-Holder et al., ACCEL
(dcd), 2022; Rutherford et al., No Regrets (SFL), 2024; Mead et al., Improving Regret Approximation
for Unsupervised Dynamic Environment Generation (DEGen), 2026; Matthews et al., Kinetix, 2025.
"""

import dataclasses

from meadow.agents.ppo import PPO
from meadow.nn.plan import Plan

MAZE = Plan(aside=5, memory=256, heads=32, core="lstm", recalls=False)
MAZE_S5 = dataclasses.replace(MAZE, core="linear")
MAZE_RELU = dataclasses.replace(MAZE, relu_heads=True)
# Of a teacher, who sees a whole map, the time and noise.
EDITOR = dataclasses.replace(MAZE, planes=128, aside=10)
EDITOR_S5 = dataclasses.replace(EDITOR, core="linear", planes=32)
EDITOR_RELU = dataclasses.replace(EDITOR, relu_heads=True)

_MINIMAX = PPO(
    MAZE,
    gamma=0.995,
    trace=0.98,
    entropy=1e-3,
    learning_rate=1e-4,
    anneal=False,
    epsilon=1e-5,
    epochs=5,
    minibatches=1,
    bootstrap=False,
)
_S5 = dataclasses.replace(_MINIMAX, plan=MAZE_S5)
_JAXUED = dataclasses.replace(_MINIMAX, plan=MAZE_RELU, anneal=True)
_DCD = dataclasses.replace(_MINIMAX, trace=0.95, bootstrap=True)
_SFL = dataclasses.replace(
    _JAXUED,
    gamma=0.99,
    trace=0.95,
    clip=0.04,
    value_clip=0.04,
    entropy=0.0,
    learning_rate=2.5e-4,
    epochs=4,
    minibatches=4,
)
_PLR = {"gamma": 0.999, "entropy": 0.0, "learning_rate": 3e-4}


STUDENTS: dict[str, PPO] = {
    "minimax-dr": _MINIMAX,
    "minimax-paired": _MINIMAX,
    "minimax-plr": dataclasses.replace(_MINIMAX, **_PLR),
    "minimax-parallel-plr": dataclasses.replace(_MINIMAX, **_PLR, trace=0.95),
    "minimax-accel": dataclasses.replace(_MINIMAX, **_PLR),
    "minimax-parallel-accel": dataclasses.replace(_MINIMAX, gamma=0.999),
    "minimax-s5-dr": dataclasses.replace(_S5, learning_rate=3e-5),
    "minimax-s5-paired": _S5,
    "minimax-s5-plr": dataclasses.replace(_S5, gamma=0.999),
    "minimax-s5-parallel-plr": dataclasses.replace(_S5, gamma=0.999),
    "minimax-s5-accel": _S5,
    "minimax-s5-parallel-accel": dataclasses.replace(
        _S5, gamma=0.999, entropy=0.0, learning_rate=3e-5
    ),
    "jaxued": _JAXUED,
    "jaxued-paired": dataclasses.replace(_JAXUED, plan=MAZE),
    "dcd-25": dataclasses.replace(_DCD, entropy=0.01),
    "dcd-60": dataclasses.replace(_DCD, entropy=0.0),
    "sfl-minigrid": _SFL,
    "sfl-jaxnav": dataclasses.replace(
        _SFL, plan=Plan(features=512, memory=512, heads=512, recalls=False)
    ),
    "sfl-xland": PPO(epsilon=1e-5, bootstrap=False),
    "degen": dataclasses.replace(_SFL, gamma=0.995, entropy=1e-3, learning_rate=5e-4),
    "kinetix": PPO(
        Plan(memory=256, recalls=False),
        gamma=0.995,
        trace=0.9,
        learning_rate=5e-5,
        anneal=False,
        epsilon=1e-5,
        max_norm=1.0,
        epochs=8,
        minibatches=32,
        bootstrap=False,
    ),
}

TEACHERS: dict[str, PPO] = {
    "minimax-paired": dataclasses.replace(_MINIMAX, plan=EDITOR, entropy=5e-2),
    "minimax-s5-paired": dataclasses.replace(_S5, plan=EDITOR_S5),
    "jaxued-paired": dataclasses.replace(_JAXUED, plan=EDITOR_RELU),
}
