"""The CDN: attachments as they were uploaded, and avatars that the sandbox draws itself."""

import re
from dataclasses import dataclass, field
from hashlib import md5
from html import escape

from aiohttp import web

from sandbox.clock import Snowflakes
from sandbox.errors import JSON
from sandbox.pictures import dimensions, media_type

MAX_FILE_BYTES = 10 * 1024 * 1024  # Discord's limit for a server without boosts


@dataclass
class Upload:
    """A file on its way in."""

    filename: str
    content: bytes
    description: str | None = None


@dataclass
class Attachment:
    """A file that is kept; `path` is where the CDN serves it."""

    id: str
    channel_id: str
    filename: str
    content: bytes
    description: str | None
    ephemeral: bool
    media_type: str = field(init=False)
    size: tuple[int, int] | None = field(init=False)  # width and height of a picture

    def __post_init__(self) -> None:
        self.media_type = media_type(self.filename, self.content)
        self.size = dimensions(self.content)

    @property
    def path(self) -> str:
        return f"/cdn/attachments/{self.channel_id}/{self.id}/{self.filename}"

    def payload(self, origin: str) -> JSON:
        payload: JSON = {
            "id": self.id,
            "filename": self.filename,
            "size": len(self.content),
            "url": origin + self.path,
            "proxy_url": origin + self.path,
            "content_type": self.media_type,
        }
        if self.size is not None:
            payload |= {"width": self.size[0], "height": self.size[1]}
        if self.description is not None:
            payload["description"] = self.description
        if self.ephemeral:
            payload["ephemeral"] = True
        return payload


class Files:
    """Every attachment of this run, by id. `origin` is the server's own address, known once it listens."""

    def __init__(self, ids: Snowflakes) -> None:
        self.origin = ""
        self._ids = ids
        self._kept: dict[str, Attachment] = {}

    def keep(self, channel_id: str, upload: Upload, ephemeral: bool = False) -> Attachment:
        filename = (
            re.sub(r"[^A-Za-z0-9_.-]", "_", upload.filename) or "file"
        )  # as Discord does, so that addresses stay plain
        attachment = Attachment(self._ids.next(), channel_id, filename, upload.content, upload.description, ephemeral)
        self._kept[attachment.id] = attachment
        return attachment

    def find(self, attachment_id: str) -> Attachment | None:
        return self._kept.get(attachment_id)

    def drop(self, attachment_id: str) -> None:
        self._kept.pop(attachment_id, None)


def avatar(name: str) -> str:
    """An SVG portrait: the name's first letter on two tones that follow from the name."""
    hue = md5(name.lower().encode(), usedforsecurity=False).digest()[0] * 360 // 256
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 128 128">'
        f'<rect width="128" height="128" fill="hsl({hue} 45% 42%)"/>'
        f'<path d="M0 96 Q64 48 128 96 V128 H0Z" fill="hsl({(hue + 40) % 360} 50% 32%)"/>'
        '<text x="64" y="66" fill="#fff" font-family="Georgia, serif" font-size="64" '
        f'text-anchor="middle" dominant-baseline="central">{escape(name[0])}</text></svg>'
    )


def routes(files: Files, names: dict[str, str]) -> list[web.RouteDef]:
    """The CDN's routes; `names` gives the display name of everyone who has an avatar, by user id."""

    async def attachment(request: web.Request) -> web.Response:
        found = files.find(request.match_info["id"])
        if found is None or found.path != request.path:
            raise web.HTTPNotFound(text="This content is no longer available.")
        headers = {"Content-Type": found.media_type, "X-Content-Type-Options": "nosniff"}
        if not found.media_type.startswith("image/") or found.media_type.startswith("image/svg"):
            headers["Content-Disposition"] = f'attachment; filename="{found.filename}"'  # never runs in the page
        return web.Response(body=found.content, headers=headers)

    async def portrait(request: web.Request) -> web.Response:
        user_id = request.match_info["user_id"]
        if user_id not in names:
            raise web.HTTPNotFound(text="There is no such user.")
        return web.Response(text=avatar(names[user_id]), content_type="image/svg+xml")

    return [
        web.get("/cdn/attachments/{channel_id}/{id}/{filename}", attachment),
        web.get("/cdn/avatars/{user_id}/{name}", portrait),
    ]
