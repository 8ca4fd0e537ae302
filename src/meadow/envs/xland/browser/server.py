"""Server: the page and its games, for this machine alone.

It listens on 127.0.0.1. Other pages in the same browser can send requests there too, so everything
lies below a random word that only the printed address tells, foreign host names are not answered
(a name on the web may be made to point here), and no game is opened for a page of another origin.
"""

import contextlib
import mimetypes
import os
import secrets
import socket
import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meadow.core.errors import MeadowError
from meadow.envs.xland.browser.session import Menu, Session
from meadow.envs.xland.browser.sheet import LARGEST, NAMES, SMALLEST, sheet

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket

HOST, PORT = "127.0.0.1", 8642
PAGE = Path(__file__).with_name("page")

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
_FOREIGN = 1008  # WebSocket: policy violation


def serve(menu: Menu, world: str, kind: str | None = None, seed: int = 0, port: int = PORT) -> None:
    """Serve until Ctrl-C; the address is printed, and opened where there is a display.

    Args:
        menu: what can be played.
        world, kind: what is played first.
        seed: of every game's tasks and episodes.
        port: where this is taken, a free one.

    Raises:
        MeadowError: starlette or uvicorn is missing, or what is to be played first cannot be.
    """
    try:
        import uvicorn
        import websockets  # noqa: F401  without it uvicorn would answer no game
        from starlette.applications import Starlette  # noqa: F401
    except ImportError as error:
        raise MeadowError(
            f"Playing in a browser needs the package {error.name}. Install what it takes with "
            "`pip install '.[web]'` in Meadow's folder, or play in the terminal without "
            "`--browser`."
        ) from error
    menu.open(world, kind)  # so that what is wrong with it is said here
    token = secrets.token_urlsafe(12)
    with listen(port) as listening:
        address = f"http://{HOST}:{listening.getsockname()[1]}/{token}/"
        print(f"Play at {address}\nCtrl-C ends it.", flush=True)
        if _has_display():
            webbrowser.open(address)
        server = uvicorn.Server(settings(app(menu, world, kind, seed, token=token)))
        with contextlib.suppress(KeyboardInterrupt):  # which it may swallow or hand on
            server.run(sockets=[listening])
        print("Ended.")


def listen(port: int) -> socket.socket:
    """A socket that listens on this port of this machine, or on a free one."""
    try:
        return socket.create_server((HOST, port))
    except OSError:
        return socket.create_server((HOST, 0))


def settings(served: "Starlette") -> Any:
    """How uvicorn serves: quietly, no large messages, and no waiting for tabs at the end."""
    import uvicorn

    return uvicorn.Config(
        served,
        log_config=None,  # its own would close every handler there is
        log_level="warning",
        ws_max_size=1 << 16,
        timeout_graceful_shutdown=1,
    )


def app(
    menu: Menu, world: str, kind: str | None = None, seed: int = 0, *, token: str
) -> "Starlette":
    """The page below `/token/`, its sprites, and a game for every tab that connects."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.routing import Mount, Route, WebSocketRoute
    from starlette.staticfiles import StaticFiles

    async def play(tab: "WebSocket") -> None:
        await _played(tab, Session(menu, world, kind, seed))

    mimetypes.add_type("text/javascript", ".js")  # what a machine has registered may differ
    routes = [
        Route("/sprites/{size:int}/{name}.png", _sprites),
        WebSocketRoute("/play", play),
        Mount("/", StaticFiles(directory=PAGE, html=True)),
    ]
    middleware = [
        Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"]),
        Middleware(_WithHeaders),
    ]
    return Starlette(routes=[Mount(f"/{token}", routes=routes)], middleware=middleware)


async def _played(tab: "WebSocket", session: Session) -> None:
    """A game from its tab's coming to its going; what computes does so off the event loop."""
    from starlette.concurrency import iterate_in_threadpool
    from starlette.websockets import WebSocketDisconnect

    async def send(answers: Iterator[dict[str, Any]]) -> None:
        async for answer in iterate_in_threadpool(answers):
            await tab.send_json(answer)

    if tab.headers.get("origin") not in (None, f"http://{tab.headers['host']}"):
        await tab.close(_FOREIGN)
        return
    await tab.accept()
    try:
        await send(session.greet())
        while (message := await tab.receive())["type"] == "websocket.receive":
            await send(session.hear(message.get("text")))
    except WebSocketDisconnect:
        pass  # closed while an answer was on its way


async def _sprites(request: "Request") -> "Response":
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import Response

    size, name = request.path_params["size"], request.path_params["name"]
    if not SMALLEST <= size <= LARGEST or name not in NAMES:
        known = f"sizes are {SMALLEST} to {LARGEST}, names {', '.join(NAMES)}"
        return Response(f"No sprites called {name} of {size} pixels: {known}.", 404)
    return Response(await run_in_threadpool(sheet, size, name), media_type="image/png")


class _WithHeaders:
    """Adds to every answer what keeps other pages out."""

    def __init__(self, app: Any):
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from starlette.datastructures import MutableHeaders

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self.app(scope, receive, with_headers)


def _has_display() -> bool:
    """Whether a browser that is opened here will be seen."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
