"""Embeds as Discord accepts them and as it hands them back."""

from typing import Any

from sandbox.errors import JSON, Form, Path

MOST_EMBEDS = 10
MOST_CHARACTERS = 6000  # over title, description, fields, footer and author of all embeds of a message
_LENGTHS = {"title": 256, "description": 4096}


def read_embeds(value: Any, form: Form) -> list[JSON]:
    """The embeds of a message in Discord's answer form; faults go to `form`."""
    embeds = [_embed(embed, ("embeds", n), form) for n, embed in enumerate(form.count(value, ("embeds",), MOST_EMBEDS))]
    if sum(map(_characters, embeds)) > MOST_CHARACTERS:
        message = f"Embed size exceeds maximum size of {MOST_CHARACTERS}"
        form.fault(("embeds",), "MAX_EMBED_SIZE_EXCEEDED", message)
    return embeds


def resolve_attached(embeds: list[JSON], files: dict[str, JSON]) -> None:
    """Replace `attachment://name` by what `files` (attachments by name) say of the file of that name."""
    for place, key in _picture_urls(embeds):
        file = files.get(place[key].removeprefix("attachment://"))
        if not place[key].startswith("attachment://") or file is None:
            continue
        place[key] = file["url"]
        place["proxy_url" if key == "url" else "proxy_icon_url"] = file["proxy_url"]
        if key == "url":
            place |= {fact: file[fact] for fact in ("width", "height", "description") if fact in file}


def _picture_urls(embeds: list[JSON]) -> list[tuple[JSON, str]]:
    places = (("image", "url"), ("thumbnail", "url"), ("author", "icon_url"), ("footer", "icon_url"))
    return [(embed[part], key) for embed in embeds for part, key in places if embed.get(part, {}).get(key)]


def _embed(value: Any, path: Path, form: Form) -> JSON:
    value = form.model(value, path)
    embed: JSON = {"type": "rich"}
    for key, longest in _LENGTHS.items():
        if value.get(key) is not None:
            form.text(value[key], (*path, key), longest)
            embed[key] = value[key]
    for key in ("url", "timestamp"):
        if value.get(key) is not None:
            form.text(value[key], (*path, key), 2048)
            embed[key] = value[key]
    if value.get("color") is not None:
        embed["color"] = value["color"]
        if not isinstance(value["color"], int) or not 0 <= value["color"] <= 0xFFFFFF:
            form.fault((*path, "color"), "NUMBER_TYPE_MAX", "int value should be less than or equal to 16777215.")
    for part in ("image", "thumbnail"):
        if value.get(part):
            url = _address(form.model(value[part], (*path, part)).get("url"), (*path, part, "url"), form)
            embed[part] = {"url": url, "proxy_url": url}
    if value.get("footer"):
        embed["footer"] = _captioned(
            form.model(value["footer"], (*path, "footer")), "text", 2048, (*path, "footer"), form
        )
    if value.get("author"):
        embed["author"] = _captioned(
            form.model(value["author"], (*path, "author")), "name", 256, (*path, "author"), form
        )
    if value.get("fields"):
        fields = form.count(value["fields"], (*path, "fields"), 25)
        embed["fields"] = [
            _field(form.model(field, (*path, "fields", n)), (*path, "fields", n), form)
            for n, field in enumerate(fields)
        ]
    if len(embed) == 1:
        form.fault((*path, "description"), "BASE_TYPE_REQUIRED", "This field is required")
    return embed


def _field(value: JSON, path: Path, form: Form) -> JSON:
    form.text(value.get("name"), (*path, "name"), 256, shortest=1)
    form.text(value.get("value"), (*path, "value"), 1024, shortest=1)
    return {"name": value.get("name"), "value": value.get("value"), "inline": bool(value.get("inline"))}


def _captioned(value: JSON, caption: str, longest: int, path: Path, form: Form) -> JSON:
    form.text(value.get(caption), (*path, caption), longest, shortest=1)
    part: JSON = {caption: value.get(caption)}
    if value.get("url"):
        part["url"] = _address(value["url"], (*path, "url"), form)
    if value.get("icon_url"):
        part["icon_url"] = part["proxy_icon_url"] = _address(value["icon_url"], (*path, "icon_url"), form)
    return part


def _address(value: Any, path: Path, form: Form) -> str:
    if not isinstance(value, str) or not value.startswith(("http://", "https://", "attachment://")):
        schemes = "('http', 'https', 'attachment')"
        form.fault(
            path, "URL_TYPE_INVALID_SCHEME", f'Scheme "{value}" is not supported. Scheme must be one of {schemes}.'
        )
        return ""
    return value


def _characters(embed: JSON) -> int:
    texts = [embed.get("title"), embed.get("description")]
    texts += [embed.get("footer", {}).get("text"), embed.get("author", {}).get("name")]
    texts += [text for field in embed.get("fields", []) for text in (field["name"], field["value"])]
    return sum(len(text) for text in texts if isinstance(text, str))
