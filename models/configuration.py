"""Configuration: frozen dataclasses whose keys are checked, so that a misspelt one is refused by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self


class ConfigurationError(ValueError):
    """A key or a value of a configuration that cannot be used; the message says what to write."""


@dataclass(frozen=True)
class Configuration:
    """Base of every family's ``Config``: each field is a number, a flag or a text."""

    LEAST: ClassVar[Mapping[str, int]] = {}  # of the numbers that may not be as small as 0

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values or texts (``"0.1"``); ConfigurationError names the key that does not fit."""
        known = {field.name: field for field in fields(cls)}
        parsed = {}
        for key, value in values.items():
            if key not in known:
                raise ConfigurationError(f"Unknown setting {key!r}; choose from {', '.join(sorted(known))}.")
            kind = type(known[key].default)
            try:
                parsed[key] = _read(value, kind)
            except ValueError:
                raise ConfigurationError(f"{key} must be a {kind.__name__}, not {value!r}.") from None
            least = cls.LEAST.get(key, 0)
            if kind in (int, float) and not least <= parsed[key] < math.inf:
                raise ConfigurationError(f"{key} must be at least {least} and finite, not {value!r}.")
        return cls(**parsed)


def whole_numbers(key: str, text: str) -> list[int]:
    """The value of a setting that lists some, such as ``"64,32"``; ConfigurationError when it does not."""
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise ConfigurationError(f"{key} must be whole numbers such as 64,32, not {text!r}.") from None


def _read(value: Any, kind: type) -> Any:
    if kind is bool and isinstance(value, str):
        if value.lower() not in ("true", "false"):
            raise ValueError(value)
        return value.lower() == "true"
    if kind is int and isinstance(value, float) and not value.is_integer():
        raise ValueError(value)
    return kind(value)
