"""What is done now and then for as long as the bot runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

logger = structlog.get_logger(__name__)


@asynccontextmanager
async def repeating(work: Callable[[], Awaitable[None]], pause: float) -> AsyncIterator[None]:
    """Does ``work`` inside, at once and again ``pause`` seconds after each time; what goes wrong is only logged."""

    async def repeat() -> None:
        while True:
            try:
                await work()
            except Exception:  # whatever it is may have passed the next time
                logger.exception("what is done now and then failed", work=work.__qualname__)
            await asyncio.sleep(pause)

    task = asyncio.create_task(repeat(), name=work.__qualname__)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
