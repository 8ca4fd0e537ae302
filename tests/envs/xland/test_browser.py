"""Browser: what is said between a page and its game, and to whom the server talks."""

import io
import json
import os
import signal
import sys
import threading
import webbrowser
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from meadow import cli
from meadow.core.environment import AbstractEnvironment
from meadow.core.errors import MeadowError, TaskError
from meadow.core.task import AbstractTaskSpace
from meadow.envs import published
from meadow.envs.minigrid.environment import MiniGrid
from meadow.envs.xland.browser import server
from meadow.envs.xland.browser.session import LONGEST, Menu, Session
from meadow.envs.xland.browser.sheet import COLUMNS, NAMES, sheet
from meadow.envs.xland.draw import map_of, view_of, view_window
from meadow.envs.xland.environment import XLand
from meadow.envs.xland.game import WORDS
from meadow.envs.xland.sprites import occupied, sprites
from meadow.envs.xland.world import World
from meadow.tasks.tiles import parse

TOKEN = "secret"
ORIGIN = "http://127.0.0.1:8642"
GAME = f"ws://127.0.0.1:8642/{TOKEN}/play"


@pytest.fixture(scope="module")
def menu(corridor: AbstractTaskSpace) -> Menu:
    """A corridor, and what cannot be opened."""
    environment = MiniGrid(3, 7, view_size=3, max_steps=10)

    def opened(world: str, kind: str | None) -> tuple[AbstractEnvironment, AbstractTaskSpace]:
        if world == "full":
            raise TaskError("It is full.")
        return environment, corridor

    return Menu(("corridor", "full"), ("small",), opened)


@pytest.fixture
def session(menu: Menu) -> Session:
    """A tab that has been greeted."""
    session = Session(menu, "corridor")
    list(session.greet())
    return session


def said(session: Session, **message: str | None) -> dict[str, Any]:
    """The last answer to a message, as the page gets it."""
    *_, answer = session.hear(json.dumps(message))
    return json.loads(json.dumps(answer))


# --- a session -----------------------------------------------------------------------------------


def test_a_page_is_greeted_with_the_menu_and_a_game(menu: Menu):
    first, wait, moment = Session(menu, "corridor", "small").greet()
    assert first == {"menu": {"worlds": menu.worlds, "kinds": menu.kinds}}
    assert "corridor" in wait["wait"]
    assert (moment["moment"]["world"], moment["moment"]["kind"]) == ("corridor", "small")


def test_a_moment_is_what_the_renderer_draws(session: Session):
    moment, game = said(session, do="move")["moment"], session.game
    tiles, lit, view = (f(game.environment, game.state) for f in (map_of, view_window, view_of))
    assert moment["map"] == {
        "height": 3,
        "width": 7,
        "tiles": tiles.ravel().tolist(),
        "lit": lit.ravel().astype(int).tolist(),
        "agent": [1, 3, 1],
    }
    assert moment["view"]["tiles"] == view.ravel().tolist()
    assert moment["view"]["agent"] == [2, 1, 0] and not any(moment["view"]["lit"])
    assert "row 1, column 3, facing right; ahead: red key; you hold nothing" in moment["words"]


def test_a_trial_is_told(session: Session):
    moment = said(session, do="move")["moment"]
    assert moment["results"] == [{"how": "playing", "steps": 1, "reward": 0.0}]
    assert moment["marks"] == [{"row": 1, "column": 4, "what": "changed"}], "what the rule changed"
    moment = said(session, do="pick up")["moment"]
    assert moment["results"] == [{"how": "solved", "steps": 2, "reward": 0.82}]
    assert moment["ending"] == "Goal reached in 2 steps, reward 0.82."
    assert moment["pocket"] == {"tile": parse("red key"), "name": "red key"}
    assert set(moment["can"]) == {"undo", "episode", "task", "reveal"}, "it is over"
    assert moment["log"] == [
        {"step": 1, "what": "change", "text": "blue ball at row 1, column 4 becomes red key"},
        {"step": 2, "what": "change", "text": "red key gone from row 1, column 4"},
        {"step": 2, "what": "change", "text": "you hold red key now"},
        {"step": 2, "what": "goal", "text": "Goal reached in 2 steps, reward 0.82."},
    ]
    moment = said(session, do="episode")["moment"]
    assert [result["how"] for result in moment["results"]] == ["solved", "playing"]
    assert moment["trial"] == 1 and moment["log"] == []
    assert said(session, do="task")["moment"]["trial"] == 2


def test_what_is_hidden_is_not_sent(session: Session):
    said(session, do="move")
    hidden = said(session, do="undo")["moment"]
    said(session, do="move")
    hidden = json.dumps(hidden) + json.dumps(said(session, do="pick up"))
    assert hidden.count('"task": null') == 2
    for secret in ("Rule", "Goal:", "stand next to", "row 1, column 1"):
        assert secret not in hidden, f"the page was told: {secret}"


def test_what_is_revealed_is_a_tree_with_what_fired(session: Session):
    said(session, do="reveal")
    moment = said(session, do="move")["moment"]
    task = moment["task"]
    assert moment["log"][0]["text"] == "Rule 1: stand next to blue ball -> red key"
    assert (task["goal"], task["failure"]) == ("hold red key", "stand at row 1, column 1")
    (key,) = task["parts"]
    assert (key["name"], key["when"], key["fired"]) == ("red key", "stand next to blue ball", True)
    assert [part["name"] for part in key["parts"]] == ["blue ball"]
    (other,) = task["rules"]
    assert (other["number"], other["when"], other["fired"]) == (2, "stand next to pink hex", False)
    assert task["objects"] == [], "the ball is needed, walls and floor are no things"
    assert not task["reached"] and said(session, do="pick up")["moment"]["task"]["reached"]


def test_xland_is_told_too(small: XLand, same: AbstractTaskSpace):
    menu = Menu(("room",), (), lambda world, kind: (small, same))
    session = Session(menu, "room")
    list(session.greet())
    task = said(session, do="reveal")["moment"]["task"]
    assert task["goal"] == "hold red key" and task["failure"] == "" and len(task["parts"]) == 1


MALFORMED = {
    "no text": None,
    "nothing": "",
    "no JSON": '{"do":',
    "no object": '["do"]',
    "a number": '{"do": 1}',
    "too much": '{"do": "move", "now": true}',
    "too little": '{"world": "corridor"}',
    "no name": '{"world": null, "kind": null}',
    "an unknown action": '{"do": "fly"}',
    "an unknown world": '{"world": "corridoor", "kind": null}',
    "an unknown kind": '{"world": "corridor", "kind": "smal"}',
    "too deep": "[" * LONGEST,
    "too long": '{"do": "move"}' + " " * LONGEST,
    "a huge number": '{"do": 1' + "0" * (LONGEST - 20) + "}",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_what_makes_no_sense_is_refused_and_changes_nothing(session: Session, text: str | None):
    moments = list(session.game.moments)
    *_, answer = session.hear(text)
    assert list(answer) == ["refused"] and len(answer["refused"]) < 300
    assert session.game.moments == moments, "a refused message did something"
    assert "moment" in said(session, do="move"), "the session lives on"


def test_a_world_that_cannot_be_opened_leaves_the_game(session: Session):
    game = session.game
    assert said(session, world="full", kind=None) == {"refused": "It is full."}
    assert session.game is game
    assert said(session, do="move")["moment"]["world"] == "corridor"


def test_every_word_is_understood(session: Session):
    for word in WORDS:
        assert "moment" in said(session, do=word), f"{word} is refused"


# --- sprites -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_sheet_holds_every_sprite(name: str):
    size = 8
    light, facing = NAMES[name]
    expected = sprites(size, light=light) if facing is None else occupied(size, facing, light=light)
    pixels = np.asarray(Image.open(io.BytesIO(sheet(size, name))))
    for tile, sprite in enumerate(expected):
        y, x = tile // COLUMNS * size, tile % COLUMNS * size
        assert np.array_equal(pixels[y : y + size, x : x + size], sprite), f"tile {tile} of {name}"


# --- the server ----------------------------------------------------------------------------------


@pytest.fixture
def client(menu: Menu) -> Iterator[Any]:
    """Someone who speaks HTTP, knows the address and makes no claim about an origin."""
    testclient = pytest.importorskip("starlette.testclient", reason="needs the extra `web`")
    served = server.app(menu, "corridor", token=TOKEN)
    with testclient.TestClient(served, base_url=ORIGIN) as client:
        yield client


def greeted(tab: Any) -> dict[str, Any]:
    """The first moment that a tab is told of."""
    return [tab.receive_json() for _ in range(3)][-1]["moment"]


def test_the_page_and_all_it_needs_is_served(client: Any):
    page = client.get(f"/{TOKEN}/")
    assert page.status_code == 200 and "<title>Meadow</title>" in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for path in sorted(server.PAGE.iterdir()):
        answer = client.get(f"/{TOKEN}/{path.name}")
        assert answer.content == path.read_bytes(), path.name
        assert path.suffix != ".js" or answer.headers["content-type"].startswith("text/javascript")
        for elsewhere in ("https:", "http:", "//cdn"):
            assert elsewhere not in path.read_text(), f"{path.name} needs the web"
    assert client.get(f"/{TOKEN}/sprites/8/lit-0.png").content == sheet(8, "lit-0")


@pytest.mark.parametrize("path", ["8/lit-4.png", "3/lit.png", "999/lit.png", "x/lit.png"])
def test_unknown_sprites_are_not_found(client: Any, path: str):
    assert client.get(f"/{TOKEN}/sprites/{path}").status_code == 404


@pytest.mark.parametrize("path", ["/", "/wrong/", "/wrong/play.js", f"/{TOKEN}/../../server.py"])
def test_nothing_is_served_without_the_word(client: Any, path: str):
    assert client.get(path).status_code == 404


def test_foreign_names_of_this_machine_are_not_answered(client: Any):
    """A page on the web whose name was made to point at 127.0.0.1 sends its own name."""
    assert client.get(f"/{TOKEN}/", headers={"host": "evil.example:8642"}).status_code == 400


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:9999", "null"])
def test_other_pages_cannot_play(client: Any, origin: str):
    from starlette.websockets import WebSocketDisconnect

    with (
        pytest.raises(WebSocketDisconnect) as refused,
        client.websocket_connect(GAME, headers={"origin": origin}),
    ):
        pass
    assert refused.value.code == 1008, "closed for a reason of policy"


def test_every_tab_has_a_game_of_its_own(client: Any):
    own = {"origin": ORIGIN}
    with (
        client.websocket_connect(GAME, headers=own) as one,
        client.websocket_connect(GAME, headers=own) as two,
    ):
        assert greeted(one)["map"] == greeted(two)["map"], "the same seed, the same beginning"
        one.send_bytes(b"\x00")
        assert "refused" in one.receive_json(), "what is no text"
        one.send_json({"do": "move"})
        assert one.receive_json()["moment"]["results"][0]["steps"] == 1
        two.send_json({"do": "reveal"})
        assert two.receive_json()["moment"]["results"][0]["steps"] == 0, "one tab moved the other"


def test_a_taken_port_is_replaced():
    with server.listen(0) as first, server.listen(first.getsockname()[1]) as second:
        assert first.getsockname()[1] != second.getsockname()[1]
        assert second.getsockname()[0] == "127.0.0.1", "only this machine is listened to"


def test_what_cannot_be_played_is_said_before_anything_is_served(menu: Menu):
    with pytest.raises(TaskError, match="full"):
        server.serve(menu, "full", port=0)


def test_the_command_line_offers_every_world(monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple] = []
    monkeypatch.setattr(server, "serve", lambda *args: asked.append(args))
    monkeypatch.setattr(cli, "_cache_compiled_programs", lambda: None)
    cli.main(["play", "MiniGrid-DoorKey-5x5", "--browser", "--seed", "3"])
    ((menu, *rest),) = asked
    assert rest == ["MiniGrid-DoorKey-5x5", None, 3]
    assert {"demo", *published.ids()} <= set(menu.worlds) and "high" in menu.kinds
    for world in menu.worlds:
        environment, _ = menu.open(world, None)
        assert isinstance(environment, World), f"{world} is offered, but cannot be played"


def test_a_missing_package_is_named(menu: Menu, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MeadowError, match=r"uvicorn.*pip install .\.\[web\]"):
        server.serve(menu, "corridor", port=0)


def test_ctrl_c_ends_it_though_a_tab_is_open(
    menu: Menu, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    websockets = pytest.importorskip("websockets", reason="needs the extra `web`")
    from websockets.sync.client import connect

    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals come to the main thread, and this is another one")
    answers = []

    def visit(address: str) -> None:
        with connect(f"{address.replace('http', 'ws')}play") as tab:
            answers.extend(json.loads(tab.recv()) for _ in range(3))
            os.kill(os.getpid(), signal.SIGINT)
            with pytest.raises(websockets.ConnectionClosed):
                tab.recv(timeout=20)
            answers.append({"closed": True})

    def in_a_thread(address: str) -> None:
        threads.append(threading.Thread(target=visit, args=(address,), daemon=True))
        threads[0].start()

    threads: list[threading.Thread] = []
    monkeypatch.setattr(webbrowser, "open", in_a_thread)
    monkeypatch.setattr(server, "_has_display", lambda: True)
    server.serve(menu, "corridor", port=0)
    threads[0].join(timeout=20)
    assert [list(answer) for answer in answers] == [["menu"], ["wait"], ["moment"], ["closed"]]
    told = capsys.readouterr()
    assert "Play at http://127.0.0.1:" in told.out and told.out.endswith("Ended.\n")
    assert "Traceback" not in told.err
