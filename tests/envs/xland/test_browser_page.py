"""The page in a real browser: keys go in, and what is on the screen is what was drawn here."""

import base64
import io
import json
import re
import shutil
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from jaxtyping import UInt8
from PIL import Image

from meadow.core.task import AbstractTaskSpace
from meadow.envs.minigrid.environment import MiniGrid
from meadow.envs.xland.browser import server
from meadow.envs.xland.browser.session import Menu
from meadow.envs.xland.draw import image, view_image, view_of
from meadow.envs.xland.environment import XLand
from meadow.envs.xland.game import Game

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 20_000  # milliseconds
SMALL = {"width": 340, "height": 700}  # a large map has large sprites, which take time to draw


@pytest.fixture(scope="module")
def address(small: XLand, same: AbstractTaskSpace, corridor: AbstractTaskSpace) -> Iterator[str]:
    """Where a server of two worlds listens."""
    uvicorn = pytest.importorskip("uvicorn", reason="needs the extra `web`")
    worlds = {
        "corridor": (MiniGrid(3, 7, view_size=3, max_steps=10), corridor),
        "room": (small, same),
    }
    menu = Menu(tuple(worlds), ("small",), lambda world, kind: worlds[world])
    with server.listen(0) as listening:
        served = uvicorn.Server(server.settings(server.app(menu, "corridor", token="secret")))
        thread = threading.Thread(target=served.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/secret/"
        served.should_exit = True
        thread.join(timeout=20)
        assert not thread.is_alive(), "the server does not end"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser that is installed, without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser on PATH: {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, address: str) -> Iterator[Any]:
    """The page of a new tab, its first map drawn; nothing may be complained of while it is open."""
    tab = chromium.new_page(viewport=SMALL)
    tab.set_default_timeout(PATIENCE)
    complaints = listened(tab)
    tab.goto(address)
    tab.wait_for_selector("#map canvas[data-size]")
    yield tab
    tab.close()
    assert not complaints, f"the browser complains: {complaints}"


def listened(tab: Any) -> list[str]:
    """What the browser will complain of."""
    complaints: list[str] = []
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
    tab.on(
        "console",
        lambda said: said.type in ("error", "warning") and complaints.append(said.text),
    )
    return complaints


def awaited(tab: Any, selector: str, words: str) -> None:
    """Wait until an element says these words."""
    tab.locator(selector, has_text=re.compile(f"^{re.escape(words)}$")).wait_for()


def pixels(tab: Any, board: str) -> UInt8[np.ndarray, "rows columns 3"]:
    """What is on a canvas."""
    url = tab.evaluate("id => document.querySelector(`#${id} canvas`).toDataURL()", board)
    file = io.BytesIO(base64.b64decode(url.partition(",")[2]))
    return np.asarray(Image.open(file).convert("RGB"))


def check_drawn(tab: Any, game: Game) -> None:
    """The canvases become, pixel for pixel, what the renderer draws."""
    environment, state = game.environment, game.state
    boards = [tab.wait_for_selector(f"#{board} canvas[data-size]") for board in ("map", "view")]
    size, size_view = (int(board.get_attribute("data-size")) for board in boards)
    expected = {
        "map": image(environment, state, size),
        "view": view_image(view_of(environment, state), size_view),
    }
    deadline = time.monotonic() + PATIENCE / 1000
    for board, picture in expected.items():
        while not np.array_equal(shown := pixels(tab, board), picture):
            assert shown.shape == picture.shape, f"the {board} has another size"
            wrong = (shown != picture).any(-1).mean()
            assert time.monotonic() < deadline, f"{wrong:.1%} of the {board}'s pixels differ"


def test_a_person_plays(page: Any, corridor: AbstractTaskSpace):
    game = Game(MiniGrid(3, 7, view_size=3, max_steps=10), corridor)
    awaited(page, "#step", "0 of 10")
    check_drawn(page, game)
    page.keyboard.press("ArrowUp")
    game.do("move")
    awaited(page, "#step", "1 of 10")
    awaited(page, "#log li", "1blue ball at row 1, column 4 becomes red key")
    check_drawn(page, game)
    assert page.locator(".marks .changed").count() == 1, "what the rule changed is framed"
    assert "red key" not in page.inner_text("#task"), "the rules are hidden"
    page.keyboard.press("?")
    awaited(page, "#log li.rule", "1Rule 1: stand next to blue ball -> red key")
    awaited(page, "#task .fired .when", "1stand next to blue ball")
    awaited(page, "#task .goal", "Goal: hold red key")
    page.keyboard.press("Tab")
    awaited(page, "#ending", "Goal reached in 2 steps, reward 0.82.")
    awaited(page, "#held", "red key")
    awaited(page, "#log li.goal", "2Goal: hold red key")
    page.keyboard.press("u")
    awaited(page, "#held", "nothing")
    page.keyboard.press("r")
    awaited(page, "#episode", "2")


def test_a_hand_plays(page: Any):
    """On-screen buttons do what keys do, and those that would do nothing are off."""
    assert page.is_disabled("text=Undo"), "nothing to undo yet"
    page.click("text=Turn left")
    awaited(page, "#step", "1 of 10")
    page.click("text=Undo")
    awaited(page, "#step", "0 of 10")
    page.click("#reveal")
    awaited(page, "#task .goal", "Goal: hold red key")
    page.click("text=New task")
    awaited(page, "#trial", "2")


def test_the_keyboard_is_not_taken_from_the_controls(page: Any):
    """One gets away from the map, and elsewhere keys mean what they mean everywhere."""
    focus = "document.activeElement.dataset.do ?? document.activeElement.id"
    assert page.evaluate(focus) == "map", "play begins at once"
    page.keyboard.press("Escape")
    assert page.evaluate(focus) == "turn left"
    page.keyboard.press("Tab")
    assert page.evaluate(focus) == "move", "away from the map Tab goes on"
    page.keyboard.press("Space")
    awaited(page, "#step", "1 of 10")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate(focus) == "turn left", "and Shift+Tab back"
    page.focus("#map")
    page.keyboard.press("Tab")
    awaited(page, "#held", "red key")
    page.keyboard.press("r")
    awaited(page, "#episode", "2")


def test_left_shift_alone_puts_down(page: Any):
    """Not the other one, nor where it only helps to type."""
    page.keyboard.press("ShiftRight")
    page.keyboard.press("ShiftLeft+Slash")
    awaited(page, "#task .goal", "Goal: hold red key")
    page.keyboard.press("ShiftLeft")
    awaited(page, "#step", "1 of 10")


def test_another_world_is_chosen(page: Any, small: XLand, same: AbstractTaskSpace):
    page.select_option("#world", "room")
    game = Game(small, same)
    awaited(page, "#step", "0 of 6")
    check_drawn(page, game)
    for key, word in {"ArrowRight": "turn right", "ArrowUp": "move"}.items():
        page.keyboard.press(key)
        game.do(word)
        awaited(page, "#step", f"{game.results[-1].steps} of 6")
        check_drawn(page, game)


def test_a_phone_shows_it_all(chromium: Any, address: str, corridor: AbstractTaskSpace):
    """Two device pixels to one of the page's, a narrow screen, a dark one, no motion."""
    tab = chromium.new_page(
        viewport={"width": 320, "height": 640},
        device_scale_factor=2,
        color_scheme="dark",
        reduced_motion="reduce",
    )
    tab.set_default_timeout(PATIENCE)
    complaints = listened(tab)
    tab.goto(address)
    tab.wait_for_selector("#map canvas[data-size]")
    check_drawn(tab, Game(MiniGrid(3, 7, view_size=3, max_steps=10), corridor))
    wide, room = tab.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= room, f"the page is {wide} pixels wide on a screen of {room}"
    background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, re.findall(r"\d+", background))) < 64, f"dark is asked for: {background}"
    tab.click("text=Move")
    tab.wait_for_selector(".marks .changed")
    moving = tab.evaluate("document.getAnimations().length")
    assert moving == 0, "no motion is asked for"
    tab.close()
    assert not complaints, f"the browser complains: {complaints}"


def test_everything_has_a_name(page: Any):
    """What a screen reader says of the map, and of every control."""
    assert page.get_attribute("#map", "aria-label") == "Map, 3 by 7"
    assert "You are at row 1, column 2, facing right" in page.text_content("#words")
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, select')].filter("
        "e => !(e.ariaLabel || e.textContent.trim()) || (e.matches('select') && !e.labels.length)"
        ").map(e => e.outerHTML)"
    )
    assert not nameless, json.dumps(nameless)
