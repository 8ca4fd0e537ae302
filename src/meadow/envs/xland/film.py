"""Film: an agent living its trials, as a GIF or an MP4.

At left the map with what the agent sees lightened; at right what it sees, holds and does, and how
long each episode of the trial took; below what is hidden from it, lit up where it acts.
"""

import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import UInt8, UInt32

from meadow.core.errors import MeadowError, SpecError
from meadow.envs.xland.frame import Frame, Scene, scenes
from meadow.envs.xland.page import BURST
from meadow.envs.xland.panel import Panel
from meadow.envs.xland.sprites import RGB
from meadow.envs.xland.world import World

if TYPE_CHECKING:
    from PIL.Image import Image

# Milliseconds: of an ordinary step, and of those where there is something to read.
STEP, RULE, BEGIN, END, SPARK = 120, 600, 600, 1400, 80
COLOURS = 128  # of a GIF; twice as many are no prettier and a third larger
_SAMPLE = 8  # ordinary steps for one of which the palette is asked
_VIDEO_STEP = 40


class Shot(NamedTuple):
    """What one picture of the film shows, and for how many milliseconds."""

    scene: Scene
    burst: int | None
    duration: int


def film(environment: World, frames: Sequence[Frame], path: Path | str) -> Path:
    """Write the frames as a film; the ending of `path`, .gif or .mp4, says which kind.

    The file appears only when it is complete.

    Raises:
        SpecError: no frames, or another ending.
        MeadowError: MP4 without the package that can write it.
    """
    path = Path(path)
    if not frames:
        raise SpecError(f"Expected at least one frame for {path.name}, got none.")
    writers = {".gif": _write_gif, ".mp4": _write_mp4}
    if path.suffix not in writers:
        raise SpecError(f"Expected a path that ends in .gif or .mp4, got {str(path)!r}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    rules = max(int((np.asarray(frame.task.rules)[:, 0] != 0).sum()) for frame in frames)
    try:
        writers[path.suffix](Panel(environment, rules), shots(environment, frames), part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def shots(environment: World, frames: Sequence[Frame]) -> list[Shot]:
    """The film, picture by picture: a goal that is reached is celebrated, an ending is held."""
    planned = []
    for scene in scenes(environment, frames):
        if scene.outcomes[-1].solved:
            planned += [Shot(scene, time, SPARK) for time in range(BURST)]
        planned.append(Shot(scene, None, _duration(scene)))
    return planned


def _duration(scene: Scene) -> int:
    if scene.outcomes[-1].solved is not None:
        return END
    if scene.frame.action is None:
        return BEGIN
    return RULE if scene.frame.fired is not None and np.any(scene.frame.fired.rules) else STEP


def _draw(panel: Panel, shot: Shot) -> "Image":
    return panel.draw(shot.scene, burst=shot.burst).sheet


def _write_gif(panel: Panel, planned: list[Shot], path: Path) -> None:
    """One palette for all, so that between two pictures only what changed is stored."""
    telling = [shot for i, shot in enumerate(planned) if shot.duration != STEP or i % _SAMPLE == 0]
    palette = _Palette(_draw(panel, shot) for shot in telling)
    sheets = (palette.indexed(_draw(panel, shot)) for shot in planned)
    durations = [shot.duration for shot in planned]
    next(sheets).save(
        path, save_all=True, append_images=sheets, duration=durations, loop=0, disposal=1
    )


class _Palette:
    """The colours of a film.

    Half are exact: those of the tiles, then those that fill most of some picture. The others
    average the rest. A quantizer left alone spends them on shades of grey type and loses a small
    red key.
    """

    def __init__(self, sheets: "Iterable[Image]"):
        most: dict[tuple[int, ...] | float, int] = {}
        for sheet in sheets:
            for count, colour in sheet.getcolors(sheet.width * sheet.height) or ():
                most[colour] = max(count, most.get(colour, 0))
        tiles = set(map(tuple, RGB.tolist()))
        ranked = sorted(most, key=lambda colour: (colour not in tiles, -most[colour]))
        ordered = np.array(ranked, np.uint8)
        exact, rest = np.split(ordered, [COLOURS // 2])
        self.colours = np.concatenate([exact, _averages(rest)])
        self.nearest = np.full(1 << 24, -1, np.int16)  # for every colour met so far

    def indexed(self, sheet: "Image") -> "Image":
        from PIL import Image

        packed = _packed(sheet)
        self._learn(packed[self.nearest[packed] < 0])
        indexed = Image.fromarray(self.nearest[packed].astype(np.uint8))
        indexed.putpalette(self.colours.tobytes())
        return indexed

    def _learn(self, packed: UInt32[np.ndarray, "num"]) -> None:
        new = np.unique(packed)
        rgb = new[:, None] >> np.array([0, 8, 16], np.uint32) & 255
        away = rgb[:, None].astype(np.int32) - self.colours
        self.nearest[new] = np.square(away).sum(-1).argmin(-1)


def _averages(colours: UInt8[np.ndarray, "num 3"]) -> UInt8[np.ndarray, "fewer 3"]:
    from PIL import Image

    if not len(colours):
        return colours
    swatch = Image.fromarray(colours[None]).quantize(
        COLOURS - COLOURS // 2, dither=Image.Dither.NONE
    )
    return np.array(swatch.getpalette(), np.uint8).reshape(-1, 3)


def _packed(sheet: "Image") -> UInt32[np.ndarray, "height width"]:
    """Every pixel as one number, red lowest."""
    pixels = np.frombuffer(sheet.convert("RGBA").tobytes(), "<u4") & 0xFFFFFF
    return pixels.astype(np.uint32).reshape(sheet.height, sheet.width)


def _write_mp4(panel: Panel, planned: list[Shot], path: Path) -> None:
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise MeadowError(
            "Writing .mp4 needs the package imageio-ffmpeg. Install it with "
            "`pip install '.[video]'` in Meadow's folder, or give a path that ends in .gif."
        ) from error
    writer = imageio_ffmpeg.write_frames(
        str(path), panel.size, fps=1000 // _VIDEO_STEP, macro_block_size=2
    )
    with warnings.catch_warnings():
        # JAX warns of every fork; this one turns into ffmpeg at once.
        warnings.filterwarnings("ignore", message=r"os\.fork\(\)", category=RuntimeWarning)
        writer.send(None)
    for shot in planned:
        pixels = _draw(panel, shot).tobytes()
        for _ in range(shot.duration // _VIDEO_STEP):
            writer.send(pixels)
    writer.close()
