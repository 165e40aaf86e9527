"""The bot's settings, read once from the environment and ``.env``; an error names the variable and what to write."""

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource, NoDecode, SettingsConfigDict

PREFIX = "PROSPERO_"
LIKENESS = 0.9  # of a name to the one that is meant; those of different settings, of all rooms, are at most 0.87 alike


class SettingsError(Exception):
    """A variable holds what it cannot hold; the message is the sentence to show."""


def _http_address(value: str) -> str:
    """The address without a trailing slash; raises ValueError unless it is http or https."""
    if not value.startswith(("http://", "https://")):
        raise ValueError("not an HTTP address")
    return value.rstrip("/")


def _separate(value: object) -> object:
    """The ids in a text that separates them by commas or spaces; anything else as it is."""
    return [word for word in re.split(r"[\s,]+", value) if word] if isinstance(value, str) else value


HttpAddress = Annotated[str, AfterValidator(_http_address)]
Ids = Annotated[frozenset[int], NoDecode, BeforeValidator(_separate)]


class Settings(BaseSettings):
    """Every setting of the bot; each description completes the sentence "write ..."."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    discord_token: SecretStr | None = Field(
        None, validation_alias="DISCORD_TOKEN", description="the bot's token from Discord's Developer Portal"
    )
    discord_url: HttpAddress | None = Field(
        None, description="the address of a server that speaks Discord's API, such as http://127.0.0.1:8200"
    )
    worker_url: HttpAddress | None = Field(
        None, description="the worker's address, such as http://127.0.0.1:8100, or nothing to start one here"
    )
    worker_token: SecretStr | None = Field(None, description="the token that the worker was given")
    home: Path = Field(Path("var"), description="the folder that keeps what Prospero writes")
    uploads_mib: int = Field(
        1_024,  # a thousand photos from telephones, or ten times as many from chats
        ge=20,  # the two largest that one request can need
        description="how many MiB of pictures that people hand in are kept, a whole number from 20",
    )
    keep_days: int = Field(
        365, ge=0, description="after how many days results are forgotten, a whole number from 0 (never)"
    )
    requests_per_person: int = Field(3, ge=1, le=100, description="a whole number from 1 to 100")
    operators: Ids = Field(
        frozenset(), description="the ids of people who may train and promote models, separated by commas"
    )
    operator_roles: Ids = Field(
        frozenset(), description="the ids of roles whose members may train and promote models, separated by commas"
    )
    home_guild: int | None = Field(
        None, description="the id of the one server in which models may be trained and promoted, or nothing for any"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="debug, info, warning or error")


def load() -> Settings:
    """The settings in force; raises SettingsError with one sentence about the first variable that is wrong."""
    try:
        return Settings()
    except UnicodeDecodeError:
        raise SettingsError(".env is not UTF-8 text; save it as such.") from None
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        description = Settings.model_fields[name].description
        raise SettingsError(f"{PREFIX}{name.upper()} is {first['input']!r}: write {description}.") from None


def misspelt() -> list[str]:
    """A sentence for each variable that is no setting and must be meant as one: it would do nothing without a word."""
    known = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    given = {**EnvSettingsSource(Settings).env_vars, **DotEnvSettingsSource(Settings).env_vars}
    meant = {name: get_close_matches(name, known, 1, LIKENESS) for name in map(str.upper, given) if name not in known}
    return [f"{name} is no setting; did you mean {likely[0]}?" for name, likely in sorted(meant.items()) if likely]
