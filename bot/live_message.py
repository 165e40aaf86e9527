"""A message that grows: edited on its own clock, continued in further messages, its last state always delivered."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import discord

from bot.delivery import Delivery
from bot.draft import Draft, view_of
from bot.scheduler import Scheduler

TOKEN_LIFE = 14 * 60.0  # seconds; Discord's interaction tokens die after 15 minutes, and one is kept for the last edits
DEAD_TOKEN = {10015, 50027}  # Discord's error codes: unknown webhook, invalid webhook token


@dataclass(frozen=True)
class _Page:
    """One Discord message's state, as far as it can differ."""

    content: str
    buttons: tuple[str, ...]
    has_file: bool


UNKNOWN = _Page("", ("unknown",), False)  # the state of a message that was sent again: it may show what it first did


class LiveMessage(Delivery):
    """The answer to a deferred interaction, growing over as many messages as it needs.

    ``render`` gives the newest draft; it is asked only when an edit is about to be sent, so pieces that arrive faster
    than Discord takes edits cost nothing. A draft's earlier pages never change once a later one exists. It is made as
    soon as the interaction was answered: from then on the token's life is measured, whatever the clock says.
    """

    def __init__(
        self, interaction: discord.Interaction[Any], scheduler: Scheduler, render: Callable[[], Draft]
    ) -> None:
        if interaction.channel_id is None:
            raise ValueError("an interaction without a channel has no message to grow")
        super().__init__(interaction.channel_id, scheduler)
        self._interaction = interaction
        self._render = render
        self._shown: list[_Page] = []
        self._ids: list[int] = []
        self._token_ends = asyncio.get_running_loop().time() + TOKEN_LIFE
        self._token_dead = False

    @property
    def ids(self) -> Sequence[int]:
        """The messages sent so far, a page each."""
        return self._ids

    @property
    def urgent(self) -> bool:
        return self._final or not self._shown

    @property
    def bucket(self) -> int:
        """Discord counts edits by an interaction's token apart, ordinary ones by channel."""
        return self._interaction.id if self._by_token() else self.channel_id

    @property
    def outlives_token(self) -> bool:
        """Whether the bot may go on by ordinary channel messages once the interaction's token is dead."""
        interaction = self._interaction
        if interaction.guild_id is None:
            return interaction.context.dm_channel is True
        permissions = interaction.app_permissions
        in_thread = isinstance(interaction.channel, discord.Thread)
        may_send = permissions.send_messages_in_threads if in_thread else permissions.send_messages
        is_member = interaction.client.get_guild(interaction.guild_id) is not None
        return is_member and permissions.view_channel and may_send

    @property
    def seconds_of_token(self) -> float:
        """How long the interaction's token can still be used, in seconds; negative once it cannot."""
        return self._token_ends - asyncio.get_running_loop().time()

    async def send_newest(self) -> bool:
        draft = self._render()
        wanted = _page_states(draft)
        index = next((i for i, page in enumerate(wanted) if self._shown[i : i + 1] != [page]), None)
        if index is None:
            return True
        sent_again = index == len(self._ids) and self._failures > 0
        await self._put(index, wanted[index], draft)
        self._shown[index : index + 1] = [UNKNOWN if sent_again else wanted[index]]
        return self._shown == wanted

    def take_refusal(self, error: discord.HTTPException) -> None:
        if error.code in DEAD_TOKEN and not self._token_dead and self.outlives_token:
            self._token_dead = self.dirty = True
        else:
            super().take_refusal(error)

    async def _put(self, index: int, page: _Page, draft: Draft) -> None:
        """Edits the message of page ``index``, or sends it if there is none yet."""
        changes: dict[str, Any] = {"content": page.content}
        shown = self._shown[index] if index < len(self._shown) else _Page("", (), False)
        if page.buttons != shown.buttons:
            changes["view"] = view_of(draft.buttons) if page.buttons else None
        if page.has_file and draft.file is not None:
            changes["attachments"] = [draft.file.file()]
        if index == len(self._ids):
            self._ids.append(await self._send(changes))
        else:
            await self._edit(index, changes)

    async def _send(self, content: dict[str, Any]) -> int:
        """Sends the next message; the first one takes the place of "thinking..."."""
        if not self._by_token():
            if "attachments" in content:
                content["files"] = content.pop("attachments")
            nonce = f"{self._interaction.id}-{len(self._ids)}"  # what arrived unacknowledged is not sent twice
            return (await self._channel().send(nonce=nonce, **content)).id
        if not self._ids:
            return (await self._interaction.edit_original_response(**content)).id
        if "attachments" in content:
            content["files"] = content.pop("attachments")
        return (await self._interaction.followup.send(wait=True, **content)).id

    async def _edit(self, index: int, changes: dict[str, Any]) -> None:
        if self._by_token():
            await self._interaction.followup.edit_message(self._ids[index], **changes)
        else:
            await self._channel().get_partial_message(self._ids[index]).edit(**changes)

    def _by_token(self) -> bool:
        """The first message always goes by the token: nothing else takes the place of "thinking..."."""
        return not self._token_dead and (not self._ids or self.seconds_of_token > 0 or not self.outlives_token)

    def _channel(self) -> discord.PartialMessageable:
        client: discord.Client = self._interaction.client
        return client.get_partial_messageable(self.channel_id, guild_id=self._interaction.guild_id)


def _page_states(draft: Draft) -> list[_Page]:
    last = len(draft.pages) - 1
    return [
        _Page(
            content,
            tuple(button.custom_id for button in draft.buttons) if index == last else (),
            index == last and draft.file is not None,
        )
        for index, content in enumerate(draft.pages)
    ]
