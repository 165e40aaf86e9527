"""The sandbox's settings, read once from the environment and `.env`; an error names the variable and what to write."""

import secrets
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsError(Exception):
    """A variable holds what it cannot hold; the message is the sentence to show."""


class Settings(BaseSettings):
    """Where the sandbox listens and the token with which a bot logs in; each description completes "write ..."."""

    model_config = SettingsConfigDict(
        env_prefix="PROSPERO_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    sandbox_host: str = Field("127.0.0.1", min_length=1, description="an address of this machine, such as 127.0.0.1")
    sandbox_port: int = Field(8200, ge=0, le=65535, description="a port from 1 to 65535, or 0 for any that is free")
    sandbox_token: str = Field(
        default_factory=lambda: secrets.token_urlsafe(32),
        min_length=1,
        description="the token with which a bot is to log in, or nothing for a new one in every run",
    )


def load(**given: Any) -> Settings:
    """The settings in force, those given here first; raises SettingsError about the first that is wrong."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except UnicodeDecodeError:
        raise SettingsError(".env is not UTF-8 text; save it as such.") from None
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        description = Settings.model_fields[name].description
        raise SettingsError(f"PROSPERO_{name.upper()} is {first['input']!r}: write {description}.") from None
