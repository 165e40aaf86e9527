"""Whatever a request holds, the answer is a refusal in Discord's form or the page's, never a crash."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.cdn import Upload
from sandbox.clock import Clock
from sandbox.commands import MESSAGE_COMMAND
from sandbox.components import read_modal
from sandbox.drafts import read_draft
from sandbox.errors import DiscordError, Form
from sandbox.invocations import Invocations, Refused
from sandbox.state import State

JSON = dict[str, Any]

SELECT = {
    "type": 3,
    "custom_id": "s",
    "options": [{"label": "a", "value": "a", "emoji": {"name": "x"}}],
    "min_values": 0,
}
MESSAGE: JSON = {
    "content": "x",
    "embeds": [
        {
            "title": "t",
            "color": 1,
            "image": {"url": "attachment://a.png"},
            "author": {"name": "n", "icon_url": "http://x"},
            "footer": {"text": "f"},
            "fields": [{"name": "n", "value": "v"}],
        }
    ],
    "components": [
        {"type": 1, "components": [{"type": 2, "style": 1, "label": "l", "custom_id": "b", "emoji": {"name": "x"}}]},
        {"type": 1, "components": [SELECT]},
    ],
    "attachments": [{"id": 0, "filename": "a.png", "description": "d"}, {"id": "99"}],
    "allowed_mentions": {"parse": ["users"], "roles": ["1"], "replied_user": True},
    "flags": 4,
    "nonce": "n",
    "message_reference": {"message_id": "1"},
}
MODAL: JSON = {
    "custom_id": "m",
    "title": "M",
    "components": [
        {"type": 1, "components": [{"type": 4, "custom_id": "t", "style": 1, "label": "l", "max_length": 9}]},
        {"type": 18, "label": "l", "description": "d", "component": SELECT},
    ],
}
LOCAL = {"name_localizations": {"fr": "n"}, "description_localizations": {"fr": "d"}}
OPTIONS: list[JSON] = [
    {"type": 3, "name": "text", "description": "d", "required": True, "max_length": 5, **LOCAL},
    {"type": 4, "name": "whole", "description": "d", "min_value": 1, "max_value": 3},
    {"type": 10, "name": "heat", "description": "d", "choices": [{"name": "n", "value": 1.5, **LOCAL}]},
    {"type": 6, "name": "who", "description": "d"},
    {"type": 11, "name": "file", "description": "d"},
]
COMMANDS: list[JSON] = [
    {
        "name": "verse",
        "description": "d",
        "options": OPTIONS,
        "default_member_permissions": "0",
        "contexts": [0],
        **LOCAL,
    },
    {
        "name": "gan",
        "description": "d",
        "options": [{"type": 1, "name": "sample", "description": "d", "options": OPTIONS}],
    },
    {"name": "Count", "type": MESSAGE_COMMAND},
]
CHOSEN: JSON = {
    "options": [
        {"name": "text", "type": 3, "value": "x"},
        {"name": "whole", "type": 4, "value": 2},
        {"name": "heat", "type": 10, "value": 1.5},
        {"name": "who", "type": 6, "value": "1"},
        {"name": "file", "type": 11, "value": 0},
    ]
}

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
thorough = settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) inside a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from places(inner)


def spoilt(valid: Any) -> st.SearchStrategy[Any]:
    """The value with anything at all in one of its places."""

    def spoil(n: int, replacement: Any) -> Any:
        changed = copy.deepcopy(valid)
        container, key = list(places(changed))[n]
        container[key] = replacement
        return changed

    return anything | st.builds(spoil, st.integers(0, len(list(places(valid))) - 1), anything)


def refuses_or_takes(act: Callable[[], object]) -> None:
    try:
        act()
    except (DiscordError, Refused) as refusal:
        assert str(refusal)


@given(spoilt(MESSAGE))
@thorough
def test_of_messages(payload: Any) -> None:
    refuses_or_takes(lambda: read_draft(payload, {0: Upload("a.png", b"")}, 4))


@given(spoilt(MODAL))
@thorough
def test_of_modals(payload: Any) -> None:
    form = Form()
    read_modal(form.model(payload, ()), form)
    refuses_or_takes(form.check)


@given(spoilt(COMMANDS), spoilt(CHOSEN), st.booleans())
@thorough
def test_of_commands(payload: Any, chosen: Any, typing: bool) -> None:
    state = State("token", Clock())
    ariel = state.named("Ariel")
    channel = state.channels_of(ariel)[0]
    refuses_or_takes(lambda: state.commands.overwrite(None, payload))
    for command in state.commands.usable(ariel.user, channel):
        data = {
            "id": command["id"],
            "name": command["name"],
            "options": chosen.get("options") if isinstance(chosen, dict) else chosen,
        }
        read = Invocations(state).command
        refuses_or_takes(lambda: read(ariel, channel, data, {0: Upload("a", b"")}, typing=typing))  # noqa: B023
