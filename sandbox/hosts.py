"""Under which names the sandbox answers, so that no web site can pass itself off as it."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

REFUSAL = "The sandbox answers to IP addresses, localhost, names of the local network and the one of --host, not to {}."


def only_as(own: str) -> Middleware:
    """The middleware before every route: refuses requests that call this machine by another name than `own`.

    A site can let its own name lead to this machine (DNS rebinding); to the browser the sandbox would then be a part of
    that site, which could do whatever people do here. Addresses and names of the local network it cannot have.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not _answers_to(request.host, own):
            raise web.HTTPForbidden(text=REFUSAL.format(request.host))
        return await handler(request)

    return middleware


def _answers_to(host: str, own: str) -> bool:
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        return name == own.lower() or _is_of_no_site(name) or bool(ip_address(name))
    except ValueError:  # no address
        return False


def _is_of_no_site(name: str) -> bool:
    """Whether a name has no dot, such as localhost or a container's, or is of a machine nearby (RFC 6762)."""
    return name.endswith(".local") or (name != "" and not set(".:") & set(name))
