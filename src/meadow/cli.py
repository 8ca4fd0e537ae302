"""meadow: the command line. `meadow --help` lists the commands; each has help of its own."""

import dataclasses
import json
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import jax
import jax.random as jr
import tyro
from rich.console import Console
from rich.markup import escape

from meadow.core.errors import MeadowError, UnknownNameError
from meadow.envs.maze.environment import MazeWorld
from meadow.recipes import behaviour, ids, judge, sets
from meadow.recipes import evaluate as evaluation
from meadow.recipes import film as filming
from meadow.recipes.agents import AGENTS
from meadow.recipes.demo import demo as run_demo
from meadow.recipes.looks import EPISODES, visited
from meadow.recipes.outside import Outside
from meadow.recipes.pool import pool
from meadow.recipes.presets import DEMO, PRESETS
from meadow.recipes.recipe import Recipe
from meadow.recipes.train import SAVE_EVERY, load, recipe_of
from meadow.recipes.train import train as run_train
from meadow.runs.folder import Run
from meadow.tasks.benchmark_file import cache_folder
from meadow.tasks.statistics import shown

RECIPES = PRESETS | AGENTS

if TYPE_CHECKING:
    Preset = Recipe
else:
    Preset = tyro.extras.subcommand_type_from_defaults(
        {name: recipe for name, (_, recipe) in RECIPES.items()},
        {name: text for name, (text, _) in RECIPES.items()},
        prefix_names=False,
    )
Positional = tyro.conf.Positional


def demo(out: Path = Path("runs/demo")) -> None:
    """Train an agent that adapts to hidden rules, in three minutes, and show what it can do.

    Prints the adaptation table on held-out tasks, writes a film and plots, and ends with one line
    of JSON on standard output.

    Args:
        out: folder for the run; where there is one already, `out`-2, `out`-3, ... instead.
    """
    run_demo(_unused(out))


def train(
    recipe: Annotated[Preset, tyro.conf.arg(name="")] = DEMO,
    out: Path | None = None,
    resume: Path | None = None,
    world: Annotated[str | None, tyro.conf.arg(aliases=["--env"])] = None,
    minutes: float | None = None,
    save_every: float = SAVE_EVERY,
    devices: int | None = None,
) -> None:
    """Train a recipe; every field of it can be changed here.

    For example: meadow train small --out runs/a --learner.learning-rate 3e-4 --seed 1
    Or elsewhere: meadow train debug --world XLand-MiniGrid-R2-11x11
    Or another library's: meadow train d4pg-control --env dm_control:cartpole-swingup

    Args:
        recipe: what to train; fields not given keep the recipe's value.
        out: folder for the run: manifest, metrics, checkpoints, plots; runs/train when not given.
        resume: go on with the run in this folder, bit for bit, as the recipe it was begun with.
        world: the id of a published environment to train in instead of the recipe's, on the tasks
            that come with it; or one of another library: gymnasium:CartPole-v1,
            dm_control:cartpole-swingup, ale:Breakout, bsuite:catch/0; or one that is compiled with
            the agent: gymnax:CartPole-v1, brax:ant.
        minutes: stop after so long.
        save_every: seconds between checkpoints.
        devices: how many devices to lay the lives over; all there are when not given.
    """
    options = {"minutes": minutes, "save_every": save_every, "devices": devices}
    if resume is None:
        recipe = recipe if world is None else recipe.elsewhere(world)
        training = run_train(recipe, out or Path("runs/train"), **options)
    else:
        begun = recipe_of(Run.open(resume))
        if world or out or recipe not in (DEMO, begun):  # DEMO is what no recipe means
            raise MeadowError(
                f"A run goes on where it is, as the recipe it was begun with: nothing of it can be "
                f"changed. Write `meadow train --resume {resume}`, or begin another run with "
                "`--out`."
            )
        training = run_train(begun, resume, resume=True, **options)
    console, path = _console(), training.run.path
    if training.stopped:
        console.print(f"Stopped and saved. Go on with: [bold]meadow train --resume {path}[/]")
        return
    console.print(
        f"{training.steps:,} steps in all, {training.seconds:.0f} s. "
        f"Next: [bold]meadow eval {path}[/]"
    )


def evaluate(
    run: Positional[Path],
    more: Positional[tuple[Path, ...]] = (),
    tasks: int = 1024,
    episodes: int | None = None,
    tasks_from: Literal["held-out", "training"] | None = None,
    seed: int = 0,
) -> None:
    """Judge a run's agent on tasks it never saw; several runs of one recipe are judged as one.

    Episode by episode of a trial, and all episodes together; beside it stand the same agent with
    its memory cleared at each episode, and a random one. The last line is one JSON object.
    XLand-MiniGrid's protocol: --episodes 25 --tasks-from training

    In another library's environment: mean returns of the agent without its luck, of the agent as
    it acts while it learns, and of a random one, over `episodes`.

    An agent of mazes is asked for mazes that others test on, at both time limits, for perfect mazes
    and for random ones, and among these for the ones that it finds hardest; the table is also
    written as CSV.

    Args:
        run: its folder.
        more: folders of runs that differ from it in their seed; intervals are then over runs.
        tasks: how many; of held-out tasks no two have the same goal and rules. Of mazes, how many
            random ones.
        episodes: of each task, the memory kept from one to the next; the recipe's when not given.
            Of mazes, how often each is tried anew; 10 when not given. In another library's
            environment, of each agent; 20 when not given.
        tasks_from: held-out tasks, or tasks drawn as in training; the former when not given,
            unless the recipe holds none out. Given for a run in mazes, it is judged on these.
        seed: of the tasks and of the luck in living them.
    """
    _check_least(tasks=tasks, episodes=episodes)
    runs = pool([run, *more])
    folder, recipe, console = runs.runs[0], runs.recipe, _console()
    if isinstance(recipe.environment, Outside):
        found = visited(recipe, runs.agents, episodes=episodes or EPISODES, seed=seed)
        figures: dict[str, Any] = {}
        for name, mean in found.items():
            console.print(f"{name:16} {mean.value:10.2f}  [{mean.low:.2f}, {mean.high:.2f}]")
            figures |= {name: mean.value, f"{name}_ci": [mean.low, mean.high]}
    elif isinstance(recipe.environment, MazeWorld) and tasks_from is None:
        attempts = judge.ATTEMPTS if episodes is None else episodes
        verdict = judge.judged(recipe, runs.agents, mazes=tasks, attempts=attempts, seed=seed)
        console.print(judge.table(verdict))
        figures = judge.summary(verdict) | judge.leave(verdict, folder)
    else:
        held_out = None if tasks_from is None else tasks_from == "held-out"
        options = {"num_tasks": tasks, "episodes": episodes, "held_out": held_out, "seed": seed}
        reports = [evaluation.evaluate(recipe, agent, **options) for agent in runs.agents]
        report = evaluation.pooled(reports)
        console.print(evaluation.table(report))
        console.print(evaluation.sums(report))
        figures = evaluation.summary(report)
        if report.episodes > 1:
            figures["plot"] = str(evaluation.plot(report, folder.plots / "adaptation.png"))
    print(json.dumps({"iteration": min(runs.iterations), **figures}))


def bsuite(
    agent: Positional[str] = "dqn",
    out: Path = Path("runs/bsuite"),
    settings: tuple[str, ...] = behaviour.SETTINGS,
    share: float = 1.0,
    seed: int = 0,
) -> None:
    """Let an agent live bsuite's experiments, and score it: a table and a radar plot.

    For example: meadow bsuite dqn, meadow bsuite r2d2 --settings memory_len/0 catch/0

    Args:
        agent: a recipe (dqn, r2d2, impala, ppo); every setting has a fresh agent.
        out: folder for what bsuite records, `scores.json` and `radar.png`.
        settings: which; fourteen experiments when not given.
        share: of an experiment's episodes that are lived, for a first look.
        seed: of the agents.
    """
    _check_name([agent], "agent", AGENTS)
    recipe = dataclasses.replace(AGENTS[agent][1], seed=seed)

    def told(scored: behaviour.Scored) -> None:
        console.print(f"{scored.setting}: {scored.score:.2f}")

    console, folder = _console(), _unused(out)
    found = behaviour.sweep(recipe, folder, settings, share=share, told=told)
    console.print(behaviour.table(found))
    print(json.dumps({"bsuite": behaviour.by_tag(found), "folder": str(folder)}))


def play(
    world: Positional[str] = "demo",
    published: str | None = None,
    seed: int = 0,
    browser: bool = False,
) -> None:
    """Play in the terminal or in a browser: find out the hidden rules yourself. `?` shows them.

    Args:
        world: a recipe (demo, small, paper), or an environment id such as
            XLand-MiniGrid-R4-13x13.
        published: take tasks of a published kind (trivial, small, medium, high) instead of the
            recipe's own.
        seed: of tasks and episodes.
        browser: on a page that this machine serves to itself alone; the address is printed.
    """
    from meadow.envs.xland.browser.server import serve
    from meadow.envs.xland.play import play as run_play

    if browser:
        serve(ids.menu(), world, published, seed)
    else:
        run_play(*ids.playground(world, published), seed)


def render(
    run: Positional[Path], out: Path | None = None, episodes: int | None = None, seed: int = 0
) -> None:
    """Film a run's agent living a trial of a task it never saw, where the recipe holds any out.

    Args:
        run: its folder.
        out: a .gif or .mp4 file; `trial.gif` in the run's folder when not given.
        episodes: of the trial; the recipe's when not given.
        seed: of the task and the luck.
    """
    _check_least(episodes=episodes)
    folder = Run.open(run)
    recipe = recipe_of(folder)
    agent = load(folder, recipe)[1]
    key_task, key_film = jr.split(jr.key(seed))
    batch = evaluation.drawn(recipe, 1, held_out=bool(recipe.held_out), key=key_task)
    path = out or folder.path / "trial.gif"
    num = episodes or recipe.episodes
    print(filming.film(recipe.environment, agent, batch, 0, num, path, key=key_film))


def tasks(
    what: Positional[Literal["show", "stats", "make"]],
    name: Positional[str] = "demo",
    num: int = 3,
    first: int | None = None,
    seed: int = 0,
    again: bool = False,
) -> None:
    """Print tasks as trees, count what a published set is made of, or make the set.

    For example: meadow tasks show medium, meadow tasks stats small-1m, meadow tasks make high-3m

    Args:
        what: `show` some tasks: the goal, the rules that make its parts, the distractors; print
            the `stats` of a published set; `make` it, where it is not in the cache yet. The last
            two end with one line of JSON.
        name: a recipe (demo, small, paper) or a published kind (trivial, medium, high) to show; a
            published set (small-1m, medium-1m-v2, ...) or a file of one, for stats too.
        num: how many to show.
        first: show a set's tasks from this number on; drawn at random when not given.
        seed: of the draw.
        again: make the set although it is there.
    """
    if what == "make":
        path, figures = sets.make(name, again=again)
        print(json.dumps({"name": name, **figures, "path": str(path)}))
    elif what == "stats":
        figures = sets.stats(name)
        _console().print(shown(name, figures))
        print(json.dumps({"name": name, **figures}))
    else:
        for number, text in sets.trees(name, num, first, seed):
            print(f"Task {number}\n{text}\n")


COMMANDS = {
    "demo": demo,
    "train": train,
    "eval": evaluate,
    "bsuite": bsuite,
    "play": play,
    "render": render,
    "tasks": tasks,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Parse, run, and end with a sentence instead of a traceback where the input is at fault."""
    argv = list(sys.argv[1:] if argv is None else argv)
    _cache_compiled_programs()
    try:
        _check_name(argv[:1], "command", COMMANDS)
        if argv[:1] == ["train"]:
            _check_name(argv[1:2], "recipe", RECIPES)
        if argv[:1] == ["tasks"]:
            _check_name(argv[1:2], "thing to do with tasks", ("show", "stats", "make"))
        _obey(argv)
    except MeadowError as error:
        _console().print(f"[bold red]meadow:[/] {escape(str(error))}")
        raise SystemExit(2) from error


def _obey(argv: list[str]) -> None:
    if not argv or argv[0] not in COMMANDS:  # asks for help, or needs it
        tyro.extras.subcommand_cli_from_dict(
            COMMANDS,
            prog="meadow",
            description="Open-ended reinforcement learning: tasks whose rules are hidden, agents "
            "that find them out.",
            args=argv,
        )
        return
    name, *rest = argv
    # A command of its own, not one of several: so its options may stand before or after a recipe.
    config = (tyro.conf.CascadeSubcommandArgs,)
    tyro.cli(COMMANDS[name], prog=f"meadow {name}", args=rest, config=config)


def _check_name(given: Sequence[str], kind: str, known: Collection[str]) -> None:
    """Offer close matches for a name that nothing is called (an option is none)."""
    for name in given:
        if not name.startswith("-") and name not in known:
            raise UnknownNameError(kind, name, known)


def _check_least(**options: int | None) -> None:
    """Refuse to count to less than one."""
    for name, given in options.items():
        if given is not None and given < 1:
            raise MeadowError(f"`--{name}` must be at least 1, got {given}.")


def _cache_compiled_programs() -> None:
    """Keep compiled programs between calls, so that the second start is quick."""
    jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)


def _unused(path: Path) -> Path:
    """`path`, or the first of path-2, path-3, ... that holds nothing yet."""
    path = path if path.name else path.resolve()
    candidates = (path.with_name(f"{path.name}-{i}") for i in range(2, 10_000))
    return path if not path.exists() else next(p for p in candidates if not p.exists())


def _console() -> Console:
    return Console(file=sys.stderr, highlight=False)


if __name__ == "__main__":
    main()
