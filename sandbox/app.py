"""The sandbox as an aiohttp application: `create_app` puts it together, `serve` lets it listen."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Middleware

from sandbox import cdn
from sandbox.account_routes import AccountRoutes
from sandbox.cdn import MAX_FILE_BYTES
from sandbox.channel_routes import ChannelRoutes
from sandbox.clock import Clock
from sandbox.command_routes import CommandRoutes
from sandbox.drafts import MOST_FILES
from sandbox.gateway import Gateway
from sandbox.hosts import only_as
from sandbox.people import People, refusals
from sandbox.rest import guard
from sandbox.settings import Settings
from sandbox.state import State
from sandbox.webhook_routes import WebhookRoutes

PAGE = Path(__file__).parent / "page"
REACHABLE = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # where one finds what listens everywhere
STATE = web.AppKey("state", State)
GATEWAY = web.AppKey("gateway", Gateway)


@dataclass
class Sandbox:
    """A sandbox that listens. `url` is its address, such as http://127.0.0.1:8200."""

    url: str
    token: str
    state: State
    gateway: Gateway


def create_app(
    settings: Settings, *, clock: Clock | None = None, middlewares: Sequence[Middleware] = ()
) -> web.Application:
    """A sandbox with clean state. `middlewares` stand outermost and see requests and answers as clients do."""
    state = State(settings.sandbox_token, clock or Clock())
    largest_request = (MOST_FILES + 1) * MAX_FILE_BYTES  # every file at its limit, and the rest of the form
    guards = [only_as(settings.sandbox_host), refusals, guard(state)]
    app = web.Application(middlewares=[*middlewares, *guards], client_max_size=largest_request)
    gateway = Gateway(state)
    people = People(state, gateway)
    app[STATE], app[GATEWAY] = state, gateway
    bot_routes = (AccountRoutes(state), ChannelRoutes(state), CommandRoutes(state), WebhookRoutes(state))
    for rooms in (*bot_routes, gateway, people):
        app.add_routes(rooms.routes())
    names = {member.user.id: member.user.global_name for member in state.guild.members.values()}
    app.add_routes(cdn.routes(state.files, names))
    app.router.add_get("/", _page)
    app.router.add_static("/page/", PAGE)

    async def close_sockets(_: web.Application) -> None:
        await gateway.shutdown()
        await people.shutdown()

    app.on_shutdown.append(close_sockets)
    app.on_response_prepare.append(_ask_again)
    return app


async def _ask_again(request: web.Request, response: web.StreamResponse) -> None:
    """Let browsers ask whether the page has changed, so that parts of two versions are never mixed."""
    if request.path == "/" or request.path.startswith("/page/"):
        response.headers["Cache-Control"] = "no-cache"


async def _page(_: web.Request) -> web.FileResponse:
    return web.FileResponse(PAGE / "index.html", headers={"X-Frame-Options": "DENY"})


def authority(host: str, port: int) -> str:
    """The two as addresses have them: 127.0.0.1:8200 or [::1]:8200."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@asynccontextmanager
async def serve(app: web.Application, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Sandbox]:
    """Listen until the block ends; port 0 takes a free one. Raises OSError when the port is taken."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        state = app[STATE]
        port = runner.addresses[0][1]
        state.files.origin = f"http://{authority(REACHABLE.get(host, host), port)}"
        yield Sandbox(state.files.origin, state.token, state, app[GATEWAY])
    finally:
        await runner.cleanup()
