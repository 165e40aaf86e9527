"""What is done now and then: again after it failed, and not once it is over."""

import asyncio

from structlog.testing import capture_logs

from bot.repeating import repeating


async def test_a_failure_is_logged_and_the_work_done_again() -> None:
    begun: list[int] = []
    thrice = asyncio.Event()

    async def work() -> None:
        begun.append(len(begun))
        if len(begun) == 1:
            raise OSError("Discord is out of reach")
        if len(begun) == 3:
            thrice.set()

    with capture_logs() as logs:
        async with asyncio.timeout(30), repeating(work, 0):
            await thrice.wait()
        ended = len(begun)
        await asyncio.sleep(0)
    assert [entry["event"] for entry in logs] == ["what is done now and then failed"]
    assert len(begun) == ended
