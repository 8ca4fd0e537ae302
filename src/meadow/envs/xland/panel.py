"""Panel: one picture of a film, the world at left, the agent's side at right, the rules below."""

import dataclasses

import numpy as np

from meadow.envs.xland.draw import image, view_image, view_of
from meadow.envs.xland.environment import ACTIONS
from meadow.envs.xland.frame import Outcome, Scene
from meadow.envs.xland.hidden import GAP, MARGIN, Strip, hidden
from meadow.envs.xland.page import BAD, FAINT, GLOW, GOOD, INK, LINE, Colour, Page
from meadow.envs.xland.sprites import sprites
from meadow.envs.xland.world import World
from meadow.tasks import kinds
from meadow.tasks.tiles import EMPTY, name

WIDTH = 760
MAP = 392  # the map fits into a square of this size
SIDE, SECOND = MARGIN + MAP + GAP, 214  # where the right half begins, and its last column in it
BELOW = MARGIN + MAP + 24  # where the hidden part begins


@dataclasses.dataclass(frozen=True)
class Panel:
    """Draws the scenes of one film, all equally large.

    Attributes:
        environment: whose map and view.
        num_rules: the most that one of the film's tasks has, padding not counted.
    """

    environment: World
    num_rules: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, both even, as video wants them."""
        height = BELOW + self._strip.height + 18
        return WIDTH, height + height % 2

    @property
    def _strip(self) -> Strip:
        return Strip(WIDTH, self.num_rules)

    def draw(self, scene: Scene, *, burst: int | None = None) -> Page:
        """One scene; `burst` counts through the pictures of a celebration, from 0."""
        page = Page(self.size)
        self._map(page, scene, burst)
        self._numbers(page, scene)
        self._senses(page, scene)
        _episodes(page, scene, self.environment.time_limit)
        page.paste(0, BELOW, hidden(self._strip, scene.frame))
        return page

    def _map(self, page: Page, scene: Scene, burst: int | None) -> None:
        height, width = self.environment.board.height, self.environment.board.width
        size = max(MAP // max(height, width), 4)
        x0 = MARGIN + (MAP - size * width) // 2
        y0 = MARGIN + (MAP - size * height) // 2
        page.picture(x0, y0, image(self.environment, scene.frame.state, size))
        for y, x in _places(scene):
            page.frame((x0 + x * size, y0 + y * size), (size, size), GOOD, 2)
        for y, x in scene.changed:
            page.frame((x0 + x * size, y0 + y * size), (size, size), GLOW, 3)
        solved = scene.outcomes[-1].solved
        if solved is None:
            return
        page.frame(
            (x0 - 5, y0 - 5), (size * width + 10, size * height + 10), GOOD if solved else BAD, 4
        )
        y, x = np.argwhere(self.environment.board.cells() == int(scene.frame.state.position))[0]
        if burst is not None:
            page.burst((x0 + (x + 0.5) * size, y0 + (y + 0.5) * size), size, burst)
        told = _ending(scene.outcomes[-1], self.environment.time_limit)
        # At the end of the map where the agent is not.
        middle = y0 + size * (1.5 if y > height // 2 else height - 1.5)
        page.banner(told, (MARGIN + MAP / 2, middle), GOOD if solved else INK)

    def _numbers(self, page: Page, scene: Scene) -> None:
        values = {
            "EPISODE": (scene.frame.episode + 1, scene.num_episodes),
            "STEP": (int(scene.frame.state.step), self.environment.time_limit),
            "RETURN": (f"{scene.total:.2f}", None),
        }
        x = SIDE
        for (label, (value, limit)), left in zip(
            values.items(), (x, x + 104, x + SECOND), strict=True
        ):
            page.write((left, MARGIN), label, 11, FAINT)
            end = page.write((left, MARGIN + 14), str(value), 28)
            if limit is not None:
                page.write((end + 5, MARGIN + 26), f"of {limit}", 15, FAINT)

    def _senses(self, page: Page, scene: Scene) -> None:
        state, view = scene.frame.state, view_of(self.environment, scene.frame.state)
        x, y, size = SIDE, MARGIN + 76, max(190 // len(view), 4)
        page.write((x, y), "WHAT THE AGENT SEES", 11, FAINT)
        page.picture(x, y + 18, view_image(view, size))
        page.frame((x, y + 18), (size * len(view), size * len(view)), LINE, 1)
        x, pocket = x + SECOND, int(state.pocket)
        page.write((x, y), "HOLDS", 11, FAINT)
        page.frame((x, y + 18), (48, 48), LINE, 1)
        if pocket != EMPTY:
            page.picture(x, y + 18, sprites(48)[pocket])
        page.write((x, y + 72), name(pocket), 13, fit=WIDTH - MARGIN - x)
        page.write((x, y + 118), "DOES", 11, FAINT)
        action = scene.frame.action
        page.write((x, y + 134), "begins" if action is None else self._word(action), 15)

    def _word(self, action: int) -> str:
        """What an action does; not every environment counts them alike."""
        effect = getattr(self.environment, "actions", range(len(ACTIONS)))[action]
        return (*ACTIONS, "done")[effect]


def _episodes(page: Page, scene: Scene, limit: int) -> None:
    """One bar for each episode of the trial: as high as it took long, green where solved."""
    x, bottom, height = SIDE, MARGIN + MAP - 18, 56
    width = WIDTH - MARGIN - x
    page.write((x, bottom - height - 20), "STEPS TAKEN IN EACH EPISODE", 11, FAINT)
    step = min(width / scene.num_episodes, 64)
    for index in range(scene.num_episodes):
        left, right = round(x + index * step), round(x + (index + 1) * step - min(4, step / 4))
        page.box((left, bottom - 2), (right, bottom), LINE)
        if index >= len(scene.outcomes):
            continue
        episode = scene.outcomes[index]
        top = bottom - max(round(height * episode.steps / limit), 3)
        page.box((left, top), (right, bottom), _mark(episode))
        if step >= 24:
            now = index == len(scene.outcomes) - 1
            centre = ((left + right) / 2, bottom + 4)
            page.write(centre, str(episode.steps), 12, INK if now else FAINT, anchor="ma")


def _ending(episode: Outcome, limit: int) -> str:
    if episode.solved:
        return f"Goal reached in {episode.steps} steps"
    how = "Time is up" if episode.steps >= limit else "Failed"
    return f"{how} after {episode.steps} steps"


def _mark(episode: Outcome) -> Colour:
    return INK if episode.solved is None else GOOD if episode.solved else BAD


def _places(scene: Scene) -> list[tuple[int, int]]:
    """The cell the goal names, where it names one."""
    kind, _, _, y, x = (int(value) for value in np.asarray(scene.frame.task.goal))
    return [(y, x)] if kind in (kinds.TILE_AT, kinds.AGENT_AT) else []
