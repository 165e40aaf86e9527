"""What Discord answers when it refuses: its error codes in one table, and the nested form errors."""

from typing import Any

JSON = dict[str, Any]
Path = tuple[str | int, ...]  # of a field in a request body, such as ("embeds", 0, "title")

# name: (HTTP status, Discord's code, Discord's message)
ERRORS: dict[str, tuple[int, int, str]] = {
    "not_found": (404, 0, "404: Not Found"),
    "method_not_allowed": (405, 0, "405: Method Not Allowed"),
    "unauthorized": (401, 0, "401: Unauthorized"),
    "unknown_application": (404, 10002, "Unknown Application"),
    "unknown_channel": (404, 10003, "Unknown Channel"),
    "unknown_guild": (404, 10004, "Unknown Guild"),
    "unknown_member": (404, 10007, "Unknown Member"),
    "unknown_message": (404, 10008, "Unknown Message"),
    "unknown_user": (404, 10013, "Unknown User"),
    "unknown_webhook": (404, 10015, "Unknown Webhook"),
    "unknown_interaction": (404, 10062, "Unknown interaction"),
    "unknown_command": (404, 10063, "Unknown application command"),
    "too_many_commands": (400, 30032, "Maximum number of application commands reached (100)"),
    "too_many_old_edits": (429, 30046, "Maximum number of edits to messages older than 1 hour reached."),
    "too_large": (413, 40005, "Request entity too large"),
    "already_acknowledged": (400, 40060, "Interaction has already been acknowledged."),
    "missing_access": (403, 50001, "Missing Access"),
    "direct_channel": (403, 50003, "Cannot execute action on a DM channel"),
    "not_the_author": (403, 50005, "Cannot edit a message authored by another user"),
    "empty_message": (400, 50006, "Cannot send an empty message"),
    "missing_permissions": (403, 50013, "Missing Permissions"),
    "expired_token": (401, 50027, "Invalid Webhook Token"),
    "invalid_recipient": (400, 50033, "Invalid Recipient(s)"),
    "invalid_form": (400, 50035, "Invalid Form Body"),
    "invalid_json": (400, 50109, "The request body contains invalid JSON."),
    "unreadable_reply": (403, 160002, "Cannot reply without permission to read message history"),
}


def is_count(value: object) -> bool:
    """Whether this is written as a whole number of at most 20 digits, as every id and bit set of Discord's is."""
    text = str(value)
    return text.isdecimal() and len(text) <= 20


class DiscordError(Exception):
    """A refusal; `name` is a key of `ERRORS`, `errors` the nested object of an invalid form."""

    def __init__(self, name: str, errors: JSON | None = None) -> None:
        self.name = name
        self.status, self.code, self.message = ERRORS[name]
        self.errors = errors
        super().__init__(self.message)

    def body(self) -> JSON:
        body: JSON = {"message": self.message, "code": self.code}
        return body if self.errors is None else body | {"errors": self.errors}


class Form:
    """Collects what is wrong with a request body, each fault under the path of its field."""

    def __init__(self) -> None:
        self._errors: JSON = {}

    def fault(self, path: Path, code: str, message: str) -> None:
        """A fault of a field as a whole stands in place of those inside it."""
        node = self._errors
        for key in path:
            if "_errors" in node:
                return
            node = node.setdefault(str(key), {})
        faults = node.get("_errors", [])
        node.clear()
        node["_errors"] = [*faults, {"code": code, "message": message}]

    def check(self) -> None:
        """Raise `DiscordError("invalid_form")` if any fault was found."""
        if self._errors:
            raise DiscordError("invalid_form", self._errors)

    def model(self, value: Any, path: Path) -> JSON:
        """`value` must be an object; anything else counts as an empty one."""
        if isinstance(value, dict):
            return value
        self.fault(path, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
        return {}

    def text(self, value: Any, path: Path, longest: int, shortest: int = 0) -> None:
        """`value` must be a string of `shortest` to `longest` characters."""
        if not isinstance(value, str):
            self.fault(path, "BASE_TYPE_REQUIRED", "This field is required")
        elif not shortest <= len(value) <= longest:
            bounds = f"Must be between {shortest} and {longest} in length." if shortest else None
            self.fault(path, "BASE_TYPE_BAD_LENGTH", bounds or f"Must be {longest} or fewer in length.")

    def number(self, value: Any, path: Path, whole: bool) -> None:
        """`value` must be a number, and a whole one if asked for."""
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            self.fault(path, "NUMBER_TYPE_COERCE", f'Value "{value}" is not {"int" if whole else "float"}.')

    def count(self, value: Any, path: Path, most: int, least: int = 0) -> list[Any]:
        """`value` must be a list of `least` to `most` items; an unusable value counts as empty."""
        if not isinstance(value, list):
            self.fault(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
            return []
        if not least <= len(value) <= most:
            bounds = f"Must be between {least} and {most} in length." if least else None
            self.fault(path, "BASE_TYPE_BAD_LENGTH", bounds or f"Must be {most} or fewer in length.")
        return value

    def one_of(self, value: Any, path: Path, allowed: tuple[int, ...]) -> None:
        """`value` must be one of `allowed`."""
        if value not in allowed or isinstance(value, bool):
            self.fault(path, "BASE_TYPE_CHOICES", f"Value must be one of {{{', '.join(map(str, allowed))}}}.")
