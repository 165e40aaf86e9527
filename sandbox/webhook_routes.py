"""The REST routes that answer an interaction and follow it up through its token."""

from aiohttp import web

from sandbox.drafts import EPHEMERAL, SUPPRESS_EMBEDS, read_body, read_draft
from sandbox.errors import JSON
from sandbox.interactions import REPLY_LATER, REPLY_NOW, UPDATE_NOW, Interaction
from sandbox.messages import Message
from sandbox.rest import API, is_true, no_content, reply
from sandbox.state import State


class WebhookRoutes:
    """The routes under /interactions and /webhooks, which bear an interaction's token."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[web.RouteDef]:
        webhook = f"{API}/webhooks/{{webhook_id}}/{{webhook_token}}"
        return [
            web.post(f"{API}/interactions/{{interaction_id}}/{{interaction_token}}/callback", self.answer),
            web.post(webhook, self.follow_up),
            web.get(f"{webhook}/messages/{{message_id}}", self.message),
            web.patch(f"{webhook}/messages/{{message_id}}", self.edit),
            web.delete(f"{webhook}/messages/{{message_id}}", self.delete),
        ]

    async def answer(self, request: web.Request) -> web.Response:
        payload, uploads = await read_body(request)
        ids = request.match_info
        interaction, kind = self._state.interactions.answer(
            ids["interaction_id"], ids["interaction_token"], payload, uploads
        )
        if not is_true(request.query.get("with_response")):
            return no_content()
        return reply(self._callback_payload(interaction, kind))

    async def follow_up(self, request: web.Request) -> web.Response:
        interaction = self._interaction(request)
        payload, uploads = await read_body(request)
        message = self._state.interactions.follow_up(interaction, payload, uploads)
        return reply(self._state.messages.payload(message))  # an application's webhook always waits for the message

    async def message(self, request: web.Request) -> web.Response:
        return reply(self._state.messages.payload(self._message(request)))

    async def edit(self, request: web.Request) -> web.Response:
        message = self._message(request)
        payload, uploads = await read_body(request)
        self._state.messages.edit(message, read_draft(payload, uploads, SUPPRESS_EMBEDS | EPHEMERAL))
        return reply(self._state.messages.payload(message))

    async def delete(self, request: web.Request) -> web.Response:
        self._state.messages.delete(self._message(request))
        return no_content()

    def _interaction(self, request: web.Request) -> Interaction:
        ids = request.match_info
        return self._state.interactions.by_token(ids["webhook_id"], ids["webhook_token"])

    def _message(self, request: web.Request) -> Message:
        return self._state.interactions.message(self._interaction(request), request.match_info["message_id"])

    def _callback_payload(self, interaction: Interaction, kind: int) -> JSON:
        about: JSON = {"id": interaction.id, "type": interaction.type, "channel_id": interaction.channel.id}
        if interaction.channel.guild_id is not None:
            about["guild_id"] = interaction.channel.guild_id
        message = interaction.original
        if message is None:
            return {"interaction": about}
        about |= {
            "response_message_id": message.id,
            "response_message_loading": kind == REPLY_LATER,
            "response_message_ephemeral": message.only_for is not None,
        }
        if kind not in (REPLY_NOW, UPDATE_NOW):
            return {"interaction": about}
        return {"interaction": about, "resource": {"type": kind, "message": self._state.messages.payload(message)}}
