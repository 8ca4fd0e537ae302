"""Demo: from nothing to an agent that adapts to hidden rules, with its proofs and its pictures."""

import json
import sys
from pathlib import Path

from rich.console import Console

from meadow.recipes.evaluate import evaluate, plot, summary, table
from meadow.recipes.film import film, task_at, telling
from meadow.recipes.presets import DEMO
from meadow.recipes.recipe import Recipe
from meadow.recipes.train import load, train
from meadow.tasks.show import tree

MINUTES = 2.9
TASKS = 1024


def demo(out: Path, recipe: Recipe = DEMO, *, num_tasks: int = TASKS) -> None:
    """Train, evaluate on held-out tasks, film a trial; the last line printed is one JSON object."""
    console = Console(file=sys.stderr, highlight=False)
    console.print(
        "[bold]Meadow[/] trains an agent on small tasks whose goal and rules it is never shown, "
        f"for at most three minutes. The run is kept in {out}.\n"
    )
    trained = train(recipe, out, minutes=MINUTES)
    if trained.stopped:
        console.print(f"Stopped and saved. Go on with: [bold]meadow train --resume {out}[/]")
        return
    _, agent = load(trained.run, recipe)
    console.print(f"\nLiving {num_tasks:,} tasks that training never drew ...")
    report = evaluate(recipe, agent, num_tasks=num_tasks)
    console.print(table(report))

    number = telling(report)
    console.print("\nOne of them, as the film shows it. The agent sees none of this:")
    console.print(tree(task_at(report.tasks, number)))
    gif = out / "trial.gif"
    episodes, key = recipe.episodes, report.key
    film(recipe.environment, agent, report.tasks, number, episodes, gif, key=key)
    picture = plot(report, trained.run.plots / "adaptation.png")
    print(
        json.dumps(
            summary(report)
            | {
                "train_seconds": round(trained.seconds, 1),
                "train_steps": trained.steps,
                "gif": str(gif),
                "plot": str(picture),
            }
        )
    )
