"""The sandbox's settings, read once from the environment and `.env`."""

import secrets

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where the sandbox listens and the token with which a bot logs in."""

    model_config = SettingsConfigDict(env_prefix="PROSPERO_", env_file=".env", extra="ignore", frozen=True)

    sandbox_host: str = "127.0.0.1"
    sandbox_port: int = Field(default=8200, ge=0, le=65535)
    sandbox_token: str = Field(default_factory=lambda: secrets.token_urlsafe(32), min_length=1)
    log_level: str = "info"
