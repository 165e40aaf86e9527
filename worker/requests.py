"""Requests: reading one from its JSON, and saying in a sentence what is wrong with it."""

from __future__ import annotations

from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from worker.errors import BadRequest, TooLong
from worker.schemas.vision import MAX_PICTURE

MAX_BODY = 2**20  # bytes; the longest prompt allowed is 80 kB of UTF-8
ONE_PICTURE = MAX_BODY + MAX_PICTURE * 4 // 3  # of a request with a picture in base64
TWO_PICTURES = ONE_PICTURE + MAX_PICTURE * 4 // 3

Body = TypeVar("Body", bound=BaseModel)

SENTENCES = {  # of pydantic's error types that people meet; what is missing here keeps pydantic's words
    "missing": "{field} is missing; add it.",
    "extra_forbidden": "{field} is not something this request takes; remove it.",
    "less_than_equal": "{field} must be at most {le}, not {input}.",
    "less_than": "{field} must be less than {lt}, not {input}.",
    "greater_than_equal": "{field} must be at least {ge}, not {input}.",
    "greater_than": "{field} must be more than {gt}, not {input}.",
    "int_parsing": "{field} must be a whole number, not {input}.",
    "int_type": "{field} must be a whole number, not {input}.",
    "int_from_float": "{field} must be a whole number, not {input}.",
    "float_parsing": "{field} must be a number, not {input}.",
    "float_type": "{field} must be a number, not {input}.",
    "finite_number": "{field} must be a finite number.",
    "bool_parsing": "{field} must be true or false, not {input}.",
    "bool_type": "{field} must be true or false, not {input}.",
    "string_type": "{field} must be a text, not {input}.",
    "string_too_short": "{field} is empty; fill it in.",
    "string_too_long": "{field} must have at most {max_length} characters.",
    "too_long": "{field} must have at most {max_length} entries.",
    "too_short": "{field} must have at least {min_length} in it.",
    "literal_error": "{field} must be {expected}, not {input}.",
    "value_error": "{error}",
}


async def read(request: web.Request, shape: type[Body], most: int = MAX_BODY) -> Body:
    """The request's body of at most ``most`` bytes as ``shape``; BadRequest says what is wrong with it."""
    try:
        content = await request.clone(client_max_size=most).read()
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLong(f"The request is too long; send at most {most:,} bytes.") from error
    except web.RequestPayloadError as error:
        raise BadRequest("The body is not packed as its headers say; send it unpacked.") from error
    try:
        return shape.model_validate_json(content)
    except ValidationError as invalid:
        raise complaint(invalid) from invalid


def complaint(invalid: ValidationError) -> BadRequest:
    """The first thing that is wrong, naming its field."""
    error = invalid.errors(include_url=False)[0]
    if error["type"] == "json_invalid":
        return BadRequest(f"The body is not JSON ({error['ctx']['error']}); send a JSON object.")
    if not error["loc"] and error["type"] == "value_error":  # of fields that do not go together
        return BadRequest(str(error["ctx"]["error"]))
    if not error["loc"]:
        return BadRequest("The body must be a JSON object.")
    # of a place, the names of fields; the rest are places in lists and the types that a field may have
    field = ".".join(part for part in error["loc"] if isinstance(part, str) and part != "str" and "[" not in part)
    shown = repr(error["input"])
    details = {"field": field, "input": shown if len(shown) <= 40 else f"{shown[:40]}…", **error.get("ctx", {})}
    sentence = SENTENCES.get(error["type"], "{field}: " + error["msg"].replace("{", "{{").replace("}", "}}") + ".")
    return BadRequest(sentence.format(**details), param=field)
