"""Discord's own description of its HTTP API, held against everything that the sandbox answers and a bot sends.

    def test_something(contract):
        app = create_app(settings, middlewares=[contract.middleware])
        contract.watch(app)          # the objects inside gateway events, too

The description is not part of this repository; without it nothing is checked here, and one test says so by skipping.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from sandbox.app import STATE
from sandbox.drafts import BODY
from sandbox.rest import API

DESCRIPTION = Path(__file__).parents[2] / "shared" / "discord" / "openapi.json"
JSON = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MESSAGE_EVENTS = ("MESSAGE_CREATE", "MESSAGE_UPDATE")
BOOLEANS = ("0", "1", "true", "false")
ID = re.compile(r'"[1-9][0-9]{14,18}"')  # as JSON; to the description they are all alike
_kept: set[tuple[str, str]] = set()  # schemas and what keeps to them: checking the commands of every bot takes long


class Contract:
    """Gathers violations, each as one line: who, where, and what is wrong."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.checked = 0  # requests, answers and events that were held against the description
        self._description = _read_description() if DESCRIPTION.exists() else None

    @property
    def middleware(self) -> Any:
        """For `create_app(middlewares=[...])`: checks every call of the REST API."""

        @web.middleware
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await handler(request)
            if self._description is not None and request.path.startswith(API):
                self._check_call(self._description, request, response)
            return response

        return middleware

    def watch(self, app: web.Application) -> None:
        """Check what gateway events carry, as far as the description knows those objects."""
        app[STATE].events.on_bot(self._check_event)

    def assert_kept(self) -> None:
        assert not self.violations, "Discord's description was violated:\n" + "\n".join(self.violations)

    def _check_call(self, description: Description, request: web.Request, response: web.StreamResponse) -> None:
        call = f"{request.method} {request.path.removeprefix(API)}"
        operation = description.operation(request.method, request.path.removeprefix(API))
        if operation is None:
            if response.status not in (404, 405):  # what Discord does not have, the sandbox must not have either
                self.violations.append(f"{call}: not in the description")
            return
        if response.status < 400:  # a refused request already failed where it was sent
            self._check_request(operation, request, call)
        self._check_response(operation, response, call)

    def _check_request(self, operation: Operation, request: web.Request, call: str) -> None:
        for name, value in request.query.items():
            schema = operation.parameters.get(name)
            if schema is None:
                self.violations.append(f"{call}: the parameter {name} is not in the description")
            elif schema.get("type") == "boolean" and value not in BOOLEANS:
                self.violations.append(f"{call}: the parameter {name} is not a boolean: {value}")
        if BODY in request and operation.request_schema is not None:
            self._check(operation.request_schema, with_ids_as_text(request[BODY]), f"{call}: request")

    def _check_response(self, operation: Operation, response: web.StreamResponse, call: str) -> None:
        status = str(response.status)
        known = status if status in operation.responses else f"{status[0]}XX"
        if known not in operation.responses:
            self.violations.append(f"{call}: answers {status}, which is not in the description")
            return
        schema = operation.responses[known]
        body = response.body if isinstance(response, web.Response) else None
        if schema is None:
            if body:
                self.violations.append(f"{call}: answers {status} with a body")
        elif response.headers.get("Content-Type") != "application/json":
            self.violations.append(f"{call}: answers {response.headers.get('Content-Type')}")
        else:
            assert isinstance(body, bytes)
            self._check(schema, with_codes_as_numbers(json.loads(body)), f"{call}: {status}")

    def _check_event(self, name: str, data: JSON, _intent: int) -> None:
        if self._description is None:
            return
        named = self._description.named
        if name in MESSAGE_EVENTS:
            self._check(named("MessageResponse"), with_known_reference(data), name)
        elif name == "GUILD_CREATE":
            self._check(named("GuildWithCountsResponse"), data, name)
        elif name == "INTERACTION_CREATE":
            channel = "GuildChannelResponse" if "guild_id" in data else "PrivateChannelResponse"
            parts = {
                "message": "MessageResponse",
                "member": "GuildMemberResponse",
                "user": "UserResponse",
                "channel": channel,
            }
            for part, schema in parts.items():
                if part in data:
                    self._check(named(schema), data[part], f"{name} {part}")
            for attachment in data["data"].get("resolved", {}).get("attachments", {}).values():
                self._check(named("AttachmentResponse"), attachment, f"{name} attachment")

    def _check(self, schema: Draft202012Validator, value: Any, where: str) -> None:
        self.checked += 1
        likeness = (schema.schema["$ref"], ID.sub('"0"', json.dumps(value)))
        if likeness in _kept:
            return
        errors = list(schema.iter_errors(value))
        if not errors:
            _kept.add(likeness)
        for error in errors:
            path = "/".join(map(str, error.absolute_path))
            self.violations.append(f"{where}: /{path}: {_innermost(error)}")


def with_ids_as_text(value: Any) -> Any:
    """A request's body with its ids as strings, which is how the description has them. Discord reads numbers as well,
    and clients do send them: for users, roles, messages and channels, also as what a menu proposes, and as the index of
    an attachment's file."""
    if isinstance(value, list):
        return [with_ids_as_text(item) for item in value]
    if not isinstance(value, dict):
        return value
    evened = {
        key: str(item) if key.endswith("_id") and type(item) is int else with_ids_as_text(item)
        for key, item in value.items()
    }
    for key in ("attachments", "default_values"):
        if isinstance(evened.get(key), list):
            evened[key] = [one | {"id": str(one["id"])} for one in evened[key]]
    if isinstance(evened.get("allowed_mentions"), dict):
        mentions = evened["allowed_mentions"].items()
        evened["allowed_mentions"] = {
            key: [str(item) for item in value] if isinstance(value, list) else value for key, value in mentions
        }
    return evened


def with_codes_as_numbers(value: Any) -> Any:
    """An answer's body with a number as the code of each form fault, which is how the description has it;
    Discord sends a name such as BASE_TYPE_REQUIRED there."""
    if isinstance(value, dict) and "_errors" in value:
        return {"_errors": [fault | {"code": 0} for fault in value["_errors"]]}
    return {key: with_codes_as_numbers(item) for key, item in value.items()} if isinstance(value, dict) else value


def with_known_reference(message: JSON) -> JSON:
    """A message that passes another on as if it answered that one, the only reference that the description has."""
    reference = message.get("message_reference")
    return message if reference is None else message | {"message_reference": reference | {"type": 0}}


class Operation:
    """One method of one path: validators for its request and its answers, made when first needed."""

    def __init__(self, description: Description, path: str, method: str) -> None:
        item = description.document["paths"][path]
        body = item[method]
        where = ["paths", path, method]
        self.parameters = {
            parameter["name"]: parameter["schema"]
            for parameter in [*item.get("parameters", []), *body.get("parameters", [])]
            if parameter["in"] == "query"
        }
        self.request_schema = None
        if "requestBody" in body:
            self.request_schema = description.at([*where, "requestBody", "content", "application/json", "schema"])
        self.responses: dict[str, Draft202012Validator | None] = {}
        for status, response in body["responses"].items():
            place = [*where, "responses", status]
            if "$ref" in response:
                place = response["$ref"].removeprefix("#/").split("/")
                response = description.document["components"]["responses"][place[-1]]
            content = [*place, "content", "application/json", "schema"]
            self.responses[status] = description.at(content) if "content" in response else None


class Description:
    """The OpenAPI document, with its schemas compiled one by one as they are asked for."""

    def __init__(self, document: JSON) -> None:
        self.document = document
        resource = Resource.from_contents(document, default_specification=DRAFT202012)
        self._registry = Registry().with_resource("discord:", resource)
        self._validators: dict[str, Draft202012Validator] = {}
        self._operations: dict[tuple[str, str], Operation] = {}
        # a path without parameters is tried before one that would swallow it
        ordered = sorted(document["paths"], key=lambda path: path.count("{"))
        self._paths = [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in ordered]

    def operation(self, method: str, path: str) -> Operation | None:
        for pattern, template in self._paths:
            if pattern.fullmatch(path) and method.lower() in self.document["paths"][template]:
                key = (template, method.lower())
                if key not in self._operations:
                    self._operations[key] = Operation(self, *key)
                return self._operations[key]
        return None

    def named(self, schema: str) -> Draft202012Validator:
        return self.at(["components", "schemas", schema])

    def at(self, place: list[str]) -> Draft202012Validator:
        pointer = "/".join(part.replace("~", "~0").replace("/", "~1") for part in place)
        if pointer not in self._validators:
            schema = {"$ref": f"discord:#/{pointer}"}
            self._validators[pointer] = Draft202012Validator(schema, registry=self._registry)
        return self._validators[pointer]


@cache
def _read_description() -> Description:
    return Description(json.loads(DESCRIPTION.read_text()))


def _innermost(error: Any) -> str:
    """The most telling of the errors below a union: the one that got furthest into the value."""
    path: list[str] = []
    while error.context:
        error = max(error.context, key=lambda one: len(one.absolute_path))
        path += map(str, error.relative_path)
    return f"{'/'.join(path)}: {error.message[:300]}" if path else str(error.message[:300])


@pytest.fixture
def contract() -> Iterator[Contract]:
    """A contract that must have been kept when the test ends."""
    contract = Contract()
    yield contract
    contract.assert_kept()
