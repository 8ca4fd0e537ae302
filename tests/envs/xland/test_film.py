"""Film: a life becomes pictures, held and lit where something happens."""

import sys
import warnings
from pathlib import Path

import jax.random as jr
import numpy as np
import pytest
from PIL import Image

from meadow.core.errors import MeadowError, SpecError
from meadow.envs.xland import film as filming
from meadow.envs.xland.environment import XLand
from meadow.envs.xland.film import film, shots
from meadow.envs.xland.frame import Frame, Outcome, frames_from_actions, scenes
from meadow.envs.xland.page import BURST, GLOW, GLOW_PALE, GOOD_PALE
from meadow.envs.xland.panel import Panel
from meadow.tasks.grid import GridTask


def colours(picture: Image.Image) -> set[tuple[int, ...]]:
    """Every colour of a picture."""
    found = picture.convert("RGB").getcolors(1 << 24)
    return {colour for _, colour in found}


def drawn(environment: XLand, frame: Frame) -> Image.Image:
    """One frame alone, as the film draws it."""
    return Panel(environment, 1).draw(scenes(environment, [frame])[0]).sheet


def test_scenes_know_their_trial(small: XLand, solved: list[Frame]):
    again = [frame._replace(episode=1) for frame in solved[:2]]
    told = scenes(small, [*solved, *again, *solved])
    assert [scene.outcomes for scene in told[:3]] == [
        (Outcome(None, 0),),
        (Outcome(None, 1),),
        (Outcome(True, 2),),
    ], "an episode is solved on the step that reaches the goal"
    assert told[4].outcomes == (Outcome(True, 2), Outcome(None, 1)), "earlier episodes are kept"
    assert told[5].outcomes == (Outcome(None, 0),), "episode 0 begins another trial"
    assert [scene.num_episodes for scene in told] == [2] * 5 + [1] * 3, "of the scene's own trial"
    assert [round(scene.total, 2) for scene in told] == [0, 0, 0.7, 0, 0, 0, 0, 0.7], (
        "the return is that of the episode"
    )
    assert told[1].changed == ((1, 4),), "the rule changed the ball's cell"
    assert told[2].changed == (), "a pick-up is no rule"


def test_episodes_follow_one_another(small: XLand, chain: GridTask):
    frames = frames_from_actions(small, chain, [1] * 8, key=jr.key(0))
    assert [frame.episode for frame in frames] == [0] * 7 + [1] * 3, "after 6 steps time is up"
    assert [int(frame.state.step) for frame in frames] == [*range(7), *range(3)]
    assert [frame.action for frame in frames] == [None, *[1] * 6, None, 1, 1]
    assert scenes(small, frames)[6].outcomes == (Outcome(False, 6),), "time is up: not solved"
    same = [np.array_equal(frames[0].state.grid, f.state.grid) for f in frames]
    assert same[:7] == [True] * 7, "turning changes nothing on the map"


def test_an_episode_may_end_before_its_time(small: XLand, solved: list[Frame]):
    """Levels have failures: the last frame is over, its goal not reached, time not up."""
    failed = [solved[0], solved[1]._replace(over=True)]
    told = scenes(small, failed)
    assert told[-1].outcomes == (Outcome(False, 1),), "it was not solved"
    assert [shot.duration for shot in shots(small, failed)][-1] == filming.END, "and is held"


def test_what_fires_is_lit(small: XLand, solved: list[Frame]):
    start, rule, goal = (colours(drawn(small, frame)) for frame in solved)
    assert GLOW_PALE in rule and GOOD_PALE not in rule, "the rule's line is lit when it fires"
    assert GOOD_PALE in goal and GLOW_PALE not in goal, "the goal's line when it is reached"
    assert not {GLOW_PALE, GOOD_PALE} & start, "and none before"
    changed = Panel(small, 1).draw(scenes(small, solved)[1]).sheet
    assert GLOW in colours(changed.crop((0, 0, 420, 420))), "the cell a rule changed is framed"


def test_a_goal_is_celebrated_and_endings_are_held(small: XLand, solved: list[Frame]):
    planned = shots(small, solved)
    assert [shot.burst for shot in planned] == [None, None, *range(BURST), None]
    durations = [shot.duration for shot in planned]
    expected = [filming.BEGIN, filming.RULE, *[filming.SPARK] * BURST, filming.END]
    assert durations == expected, "what is to be read stays longer"


def test_a_gif_shows_every_shot_as_long_as_planned(
    small: XLand, solved: list[Frame], tmp_path: Path
):
    path = film(small, solved, tmp_path / "life.gif")
    planned = shots(small, solved)
    with Image.open(path) as shown:
        assert shown.size == Panel(small, 1).size
        assert shown.n_frames == len(planned), "one picture for each shot"
        lasted = []
        for index, shot in enumerate(planned):
            shown.seek(index)
            lasted.append(shown.info["duration"])
            wanted = np.asarray(Panel(small, 1).draw(shot.scene, burst=shot.burst).sheet, int)
            away = np.abs(np.asarray(shown.convert("RGB"), int) - wanted)
            print(away.max(), (away > 24).mean(), (away > 0).mean())
            assert (away > 24).mean() < 0.001, f"picture {index} has lost a colour"
            assert (away == 0).mean() > 0.97, f"picture {index}: plain areas are not exact"
    assert lasted == [shot.duration for shot in planned]
    assert path.stat().st_size < 100_000, "only what changed is stored"
    assert list(tmp_path.iterdir()) == [path], "nothing else is left"


def test_pictures_of_one_film_are_equally_large_and_even(small: XLand, solved: list[Frame]):
    for num_rules in (0, 1, 6, 7, 18):
        width, height = Panel(small, num_rules).size
        assert width % 2 == 0 and height % 2 == 0, "video wants even sizes"
        if num_rules:  # the task has one
            sheet = Panel(small, num_rules).draw(scenes(small, solved)[0]).sheet
            assert sheet.size == (width, height), "and every picture is as large as announced"


def test_nothing_is_left_of_a_film_that_failed(
    small: XLand, solved: list[Frame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "life.gif").write_bytes(b"the film before")

    def fail(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="No space"):
        film(small, solved, tmp_path / "life.gif")
    assert [p.name for p in tmp_path.iterdir()] == ["life.gif"], "no half of a film stays"
    assert (tmp_path / "life.gif").read_bytes() == b"the film before", "the old one does"


def test_wrong_arguments_say_what_to_write(small: XLand, solved: list[Frame], tmp_path: Path):
    with pytest.raises(SpecError, match=r"\.gif or \.mp4, got .*life\.avi"):
        film(small, solved, tmp_path / "life.avi")
    with pytest.raises(SpecError, match="at least one frame"):
        film(small, [], tmp_path / "life.gif")


def test_mp4_without_its_package_says_how_to_get_it(
    small: XLand, solved: list[Frame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(MeadowError, match=r"pip install .\.\[video\]"):
        film(small, solved, tmp_path / "life.mp4")
    assert not list(tmp_path.iterdir()), "and leaves nothing"


def test_mp4(small: XLand, solved: list[Frame], tmp_path: Path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    path = film(small, solved, tmp_path / "life.mp4")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"os\.fork\(\)")
        num, seconds = ffmpeg.count_frames_and_secs(str(path))
    planned = sum(shot.duration for shot in shots(small, solved)) / 1000
    assert abs(seconds - planned) < 0.1, "it lasts as long as the GIF"
    assert num == round(planned * 25)
