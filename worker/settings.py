"""Settings of the worker, read once from the environment, then ``.env``, then their defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "PROSPERO_"


class SettingsError(Exception):
    """A setting that cannot be used; the message names its variable and says what to write."""


class Settings(BaseSettings):
    """One frozen object; each field is the variable of that name with the prefix ``PROSPERO_``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    worker_host: str = "127.0.0.1"  # loopback unless told otherwise
    worker_port: int = Field(8100, ge=0, le=65_535)  # 0 lets the system choose
    worker_token: str | None = None  # what clients send as bearer token; None asks for none
    home: Path = Path("var")
    data: Path | None = None  # a folder of data sets
    shipped: Path = Path(__file__).resolve().parent.parent / "checkpoints"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "int8", "bfloat16", "float32"] = "auto"
    threads: int = Field(0, ge=0)  # 0: one for each core this process may use
    slots: int = Field(64, ge=1, le=4_096)  # texts written at the same time
    queue: int = Field(256, ge=0)  # texts that may wait for a slot, and as many turns of pictures
    deadline: float = Field(600.0, gt=0)  # seconds from a request's arrival to its last character or picture
    loaded: int = Field(16, ge=1)  # versions of models kept in memory: those that serve and a few that recipes name
    trainings: int = Field(1, ge=0)  # at the same time; 0 leaves the queue to another worker with the same home
    training_memory: float = Field(0.5, gt=0, le=1)  # share of a graphics card's memory that each may take
    report_every: float | None = Field(None, ge=0)  # seconds between a training's reports; None: by its length
    log_level: Literal["debug", "info", "warning", "error"] = "info"


def read_settings(**flags: object) -> Settings:
    """Settings; flags that are not None come before the environment. SettingsError names the variable that is wrong."""
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})  # type: ignore[arg-type]
    except UnicodeDecodeError:
        raise SettingsError(".env is not UTF-8 text; save it as such.") from None
    except ValidationError as error:
        first = error.errors()[0]
        variable = PREFIX + str(first["loc"][0]).upper()
        raise SettingsError(f"{variable} is {first['input']!r}: {first['msg']}.") from None
