"""The check against Discord's description must itself be able to fail."""

import pytest
from aiohttp import ClientSession, web

from sandbox.app import Sandbox, create_app, serve
from sandbox.settings import Settings
from tests.discord_contract import DESCRIPTION, Contract
from tests.sandbox.conftest import TOKEN, Api

needs_description = pytest.mark.skipif(
    not DESCRIPTION.exists(),
    reason=f"Discord's OpenAPI description is not at {DESCRIPTION}: nothing was held against it",
)


@needs_description
async def test_violations_are_found() -> None:
    contract = Contract()

    @web.middleware
    async def spoil(request: web.Request, handler: object) -> web.StreamResponse:
        response = await handler(request)  # type: ignore[operator]
        if request.path.endswith("/users/@me"):
            response.body = response.body.replace(b'"username"', b'"name"')
        return response

    app = create_app(Settings(sandbox_token=TOKEN), middlewares=[contract.middleware, spoil])
    contract.watch(app)
    async with serve(app) as sandbox, ClientSession() as http:
        api = Api(sandbox.url, http)
        stage = next(iter(sandbox.state.guild.channels))
        await api("GET", "/users/@me")
        await api("GET", "/gateway?colour=red")
        await api("POST", f"/channels/{stage}/messages", {"content": "x", "tts": "loudly"})
        sandbox.state.events.to_bot("MESSAGE_CREATE", {"content": 3}, 0)
    told = "\n".join(contract.violations)
    assert "GET /users/@me: 200: /: 'username' is a required property" in told
    assert "the parameter colour is not in the description" in told
    assert "request: /tts" in told
    assert "MESSAGE_CREATE: /content: 3 is not of type 'string'" in told
    with pytest.raises(AssertionError, match="description was violated"):
        contract.assert_kept()


@needs_description
async def test_everything_is_checked(api: Api, sandbox: Sandbox, contract: Contract) -> None:
    await api("GET", "/users/@me")
    await api("GET", "/channels/1")
    await api("POST", f"/channels/{next(iter(sandbox.state.guild.channels))}/messages", {"content": "x"})
    assert contract.checked == 5  # three answers, one request, one event
