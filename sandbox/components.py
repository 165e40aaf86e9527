"""Buttons, selects and modals: what Discord accepts of them and the form in which it hands them back."""

from collections.abc import Iterator
from typing import Any

from sandbox.errors import JSON, Form, Path

ROW, BUTTON, STRING_SELECT, TEXT_INPUT, LABEL = 1, 2, 3, 4, 18
SELECTS = (3, 5, 6, 7, 8)  # string, user, role, mentionable, channel
LINK_STYLE = 5

MOST_ROWS = 5
MOST_BUTTONS_IN_ROW = 5
MOST_OPTIONS = 25
MOST_CUSTOM_ID = 100


def read_components(value: Any, form: Form) -> list[JSON]:
    """The rows of a message in Discord's answer form (numbered, defaults filled in); faults go to `form`."""
    reader = _Reader(form, (BUTTON, *SELECTS))
    return [reader.row(row, ("components", n)) for n, row in enumerate(form.count(value, ("components",), MOST_ROWS))]


def read_modal(value: Any, form: Form) -> JSON:
    """A modal's `custom_id`, `title` and `components`; faults go to `form`."""
    data = value if isinstance(value, dict) else {}
    form.text(data.get("custom_id"), ("data", "custom_id"), MOST_CUSTOM_ID, shortest=1)
    form.text(data.get("title"), ("data", "title"), 45, shortest=1)
    reader = _Reader(form, (TEXT_INPUT, *SELECTS))
    rows = form.count(data.get("components"), ("data", "components"), MOST_ROWS, least=1)
    components = [
        reader.label(row, ("data", "components", n))
        if isinstance(row, dict) and row.get("type") == LABEL
        else reader.row(row, ("data", "components", n))
        for n, row in enumerate(rows)
    ]
    return {"custom_id": data.get("custom_id"), "title": data.get("title"), "components": components}


def controls(components: list[JSON]) -> Iterator[JSON]:
    """Every button, select and text input of a message or a modal, in order."""
    for component in components:
        if component["type"] == ROW:
            yield from component["components"]
        elif component["type"] == LABEL:
            yield component["component"]
        else:
            yield component


class _Reader:
    """Reads the components of one message or modal, numbering them and watching for repeated custom ids."""

    def __init__(self, form: Form, allowed: tuple[int, ...]) -> None:
        self._form = form
        self._allowed = allowed
        self._custom_ids: set[str] = set()
        self._numbered = 0

    def row(self, value: Any, path: Path) -> JSON:
        if not isinstance(value, dict) or value.get("type") != ROW:
            self._form.one_of(value.get("type") if isinstance(value, dict) else None, (*path, "type"), (ROW,))
            return {}
        row: JSON = {"type": ROW, "id": self._number(value)}
        inside = self._form.count(value.get("components"), (*path, "components"), MOST_BUTTONS_IN_ROW, least=1)
        row["components"] = [self._control(item, (*path, "components", n)) for n, item in enumerate(inside)]
        if len(inside) > 1 and any(item.get("type") != BUTTON for item in row["components"]):
            message = "The specified component exceeds the maximum width"
            self._form.fault((*path, "components"), "COMPONENT_LAYOUT_WIDTH_EXCEEDED", message)
        return row

    def label(self, value: JSON, path: Path) -> JSON:
        self._form.text(value.get("label"), (*path, "label"), 45, shortest=1)
        label: JSON = {"type": LABEL, "id": self._number(value), "label": value.get("label")}
        if value.get("description") is not None:
            self._form.text(value["description"], (*path, "description"), 100)
            label["description"] = value["description"]
        return label | {"component": self._control(value.get("component"), (*path, "component"))}

    def _number(self, value: JSON) -> int:
        self._numbered += 1
        given = value.get("id")
        return given if isinstance(given, int) and given > 0 else self._numbered

    def _control(self, value: Any, path: Path) -> JSON:
        kind = value.get("type") if isinstance(value, dict) else None
        self._form.one_of(kind, (*path, "type"), self._allowed)
        if kind not in self._allowed:
            return {}
        number = self._number(value)
        if kind == BUTTON:
            return self._button(value, path) | {"id": number}
        self._custom_id(value, path)
        if kind == TEXT_INPUT:
            return self._text_input(value, path) | {"id": number}
        return self._select(value, path) | {"id": number}

    def _custom_id(self, value: JSON, path: Path) -> None:
        custom_id = value.get("custom_id")
        self._form.text(custom_id, (*path, "custom_id"), MOST_CUSTOM_ID, shortest=1)
        if str(custom_id) in self._custom_ids:
            message = "Component custom id cannot be duplicated"
            self._form.fault((*path, "custom_id"), "COMPONENT_CUSTOM_ID_DUPLICATED", message)
        self._custom_ids.add(str(custom_id))

    def _button(self, value: JSON, path: Path) -> JSON:
        form, style = self._form, value.get("style")
        form.one_of(style, (*path, "style"), (1, 2, 3, 4, 5))
        button: JSON = {"type": BUTTON, "style": style}
        if style == LINK_STYLE:
            form.text(value.get("url"), (*path, "url"), 512, shortest=1)
            button["url"] = value.get("url")
            if value.get("custom_id") is not None:
                message = "A custom id and url cannot both be specified"
                form.fault((*path, "custom_id"), "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE", message)
        else:
            self._custom_id(value, path)
            button["custom_id"] = value.get("custom_id")
        if not value.get("label") and not value.get("emoji"):
            form.fault((*path, "label"), "BASE_TYPE_REQUIRED", "This field is required")
        if value.get("label"):
            form.text(value["label"], (*path, "label"), 80)
            button["label"] = value["label"]
        if value.get("emoji"):
            button["emoji"] = self._emoji(value, path)
        if value.get("disabled"):
            button["disabled"] = True
        return button

    def _text_input(self, value: JSON, path: Path) -> JSON:
        form = self._form
        form.one_of(value.get("style"), (*path, "style"), (1, 2))
        box: JSON = {
            "type": TEXT_INPUT,
            "custom_id": value.get("custom_id"),
            "style": value.get("style"),
            "label": value.get("label"),
            "required": value.get("required") is not False,
            "min_length": value.get("min_length"),
            "max_length": value.get("max_length"),
        }
        if path[-1] != "component":  # inside a label, the label is the caption
            form.text(value.get("label"), (*path, "label"), 45, shortest=1)
        for key, longest in (("placeholder", 100), ("value", 4000)):
            if value.get(key) is not None:
                form.text(value[key], (*path, key), longest)
                box[key] = value[key]
        return box

    def _select(self, value: JSON, path: Path) -> JSON:
        form = self._form
        least = 1 if value.get("min_values") is None else value["min_values"]
        most = 1 if value.get("max_values") is None else value["max_values"]
        for key, number, lowest in (("min_values", least, 0), ("max_values", most, 1)):
            if not isinstance(number, int) or not lowest <= number <= MOST_OPTIONS:
                message = f"int value should be between {lowest} and {MOST_OPTIONS}."
                form.fault((*path, key), "NUMBER_TYPE_RANGE", message)
        whole = isinstance(least, int) and isinstance(most, int)
        if whole and least > most:
            form.fault((*path, "min_values"), "NUMBER_TYPE_MAX", f"min_values must be equal to or less than {most}.")
        select: JSON = {
            "type": value["type"],
            "custom_id": value.get("custom_id"),
            "min_values": least,
            "max_values": most,
        }
        if value.get("placeholder"):
            form.text(value["placeholder"], (*path, "placeholder"), 150)
            select["placeholder"] = value["placeholder"]
        for key in ("disabled", "channel_types"):
            if value.get(key):
                select[key] = value[key]
        if TEXT_INPUT in self._allowed and value.get("required") is not None:  # only forms demand anything
            select["required"] = value["required"]
        proposed = form.count(value.get("default_values") or [], (*path, "default_values"), MOST_OPTIONS)
        if proposed:
            items = [form.model(item, (*path, "default_values", n)) for n, item in enumerate(proposed)]
            select["default_values"] = [item | {"id": str(item.get("id"))} for item in items]
        if value["type"] == STRING_SELECT:
            options = form.count(value.get("options"), (*path, "options"), MOST_OPTIONS, least=most if whole else 1)
            select["options"] = [self._option(item, (*path, "options", n)) for n, item in enumerate(options)]
            values = [option["value"] for option in select["options"]]
            for n, item in enumerate(values):
                if item in values[:n]:
                    message = "The specified option value is already used"
                    form.fault((*path, "options", n, "value"), "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", message)
        return select

    def _emoji(self, value: JSON, path: Path) -> JSON:
        emoji = self._form.model(value["emoji"], (*path, "emoji"))
        return {key: part for key, part in emoji.items() if part is not None}

    def _option(self, value: Any, path: Path) -> JSON:
        option: JSON = {}
        value = self._form.model(value, path)
        for key, shortest in (("label", 1), ("value", 1), ("description", 0)):
            if key != "description" or value.get(key) is not None:
                self._form.text(value.get(key), (*path, key), 100, shortest=shortest)
                option[key] = value.get(key)
        if value.get("emoji"):
            option["emoji"] = self._emoji(value, path)
        if value.get("default"):
            option["default"] = True
        return option
