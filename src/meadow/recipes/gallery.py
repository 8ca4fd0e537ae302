"""Gallery: sixteen tasks that a curriculum would have practised now, with scores, as a picture.

Mazes are drawn and task trees written out; of other tasks there is no picture.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, PyTree, UInt8

from meadow.core.curriculum import Ticket
from meadow.curricula.uniform import Uniform
from meadow.loops.iteration import Experiment, Progress
from meadow.runs import atomic
from meadow.tasks.grid import GridTask
from meadow.tasks.maze.maze import Maze
from meadow.tasks.maze.picture import grid
from meadow.tasks.show import tree

NUM, PICTURES = 16, 8
_COLUMNS = 4
_PLAIN = str.maketrans({"├": "-", "└": "-", "─": " ", "│": " "})  # what the font lacks
_INK, _PAPER = (40, 44, 52), (250, 249, 245)


class Gallery:
    """Draws a picture of a run now and then: eight over its length, where there is a choice.

    Args:
        experiment: whose curriculum chooses; of one that draws all alike there are no pictures.
        folder: where `tasks-ITERATION.png` is written.
        iterations: the run's length.
    """

    def __init__(self, experiment: Experiment, folder: Path, iterations: int):
        self._curriculum, self._folder = experiment.curriculum, folder
        self._between = max(1, iterations // PICTURES)
        self._hung = -1
        self._sample = jax.jit(lambda state: self._curriculum.sample(state, NUM, key=jr.key(0)))

    def __call__(self, iteration: int, progress: Progress) -> None:
        """Draw, if it is time."""
        part = iteration // self._between
        if isinstance(self._curriculum, Uniform) or part <= self._hung:
            return
        self._hung = part
        ticket = self._sample(progress.curriculum)
        image = drawn(ticket.tasks, captions(ticket, progress.curriculum))
        if image is not None:
            from PIL import Image

            data = io.BytesIO()
            Image.fromarray(image).save(data, format="PNG")
            atomic.write(self._folder / f"tasks-{iteration}.png", data.getvalue())


def captions(ticket: Ticket, state: PyTree) -> list[str]:
    """The score of each task, `new` where it is not kept."""
    scores = _scores(state)
    slots = np.asarray(ticket.slots)
    if scores is None:
        return [""] * len(slots)
    return ["new" if slot < 0 else f"{float(scores[slot]):.2f}" for slot in slots]


def drawn(tasks: PyTree, captions: Sequence[str]) -> UInt8[np.ndarray, "height width 3"] | None:
    """The tasks on one sheet, or None."""
    if isinstance(tasks, Maze):
        return grid(tasks, captions, columns=2 * _COLUMNS)
    if isinstance(tasks, GridTask):
        each = [jax.tree.map(lambda x, i=i: np.asarray(x)[i], tasks) for i in range(len(captions))]
        return _cards([tree(task).translate(_PLAIN) for task in each], captions)
    return None


def _scores(state: Any) -> Float[Array, "capacity"] | None:
    """Of what a curriculum keeps, where it keeps anything."""
    entries = getattr(getattr(state, "kept", state), "entries", None)
    return None if entries is None else jnp.asarray(entries.score)


def _cards(texts: Sequence[str], captions: Sequence[str]) -> UInt8[np.ndarray, "height width 3"]:
    """Texts side by side, four in a row, each under its caption."""
    from PIL import Image, ImageDraw, ImageFont

    font, gap, line = ImageFont.load_default(11), 14, 15
    width = gap + max(int(font.getlength(row)) for text in texts for row in text.split("\n"))
    rows = [texts[i : i + _COLUMNS] for i in range(0, len(texts), _COLUMNS)]
    heights = [line * (2 + max(text.count("\n") for text in row)) + gap for row in rows]
    image = Image.new("RGB", (gap + _COLUMNS * (width + gap), gap + sum(heights)), _PAPER)
    draw, top, said = ImageDraw.Draw(image), gap, iter(captions)
    for row, height in zip(rows, heights, strict=True):
        for i, text in enumerate(row):
            left = gap + i * (width + gap)
            draw.text((left, top), next(said), fill=(52, 120, 80), font=font)
            draw.multiline_text((left, top + line), text, fill=_INK, font=font, spacing=3)
        top += height
    return np.asarray(image)
