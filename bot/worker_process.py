"""The worker that the bot starts for itself when no address is configured: watched over and ended with the bot."""

import asyncio
import os
import socket
import sys

import aiohttp
import structlog

from bot.worker_api import WorkerAPI, WorkerError, WorkerUnreachable, at

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds before a restart, doubled each time it fails again
STEADY = 60.0  # seconds of life after which a death counts as the first again
POLL = 0.1  # seconds between looks at a starting worker
PATIENCE = 120.0  # seconds that a request waits for a worker that lives; loading takes ten, far more on a busy machine
GRACE = 0.4  # seconds for the worker to end by itself; torch can take longer, and all is to be gone within two

logger = structlog.get_logger(__name__)


class WorkerProcess:
    """``python -m worker`` as a child; :meth:`address` is where to find it once it is ready.

    Each start is a future: of the address, or of None if the worker ended before it was ready.
    """

    def __init__(self, session: aiohttp.ClientSession, token: str) -> None:
        """``token`` is what the worker is to ask for: others on this machine can reach it, too."""
        self._session = session
        self._token = token
        self._start: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts the worker and keeps it running until :meth:`close`."""
        self._supervisor = asyncio.create_task(self._supervise(), name="worker-supervisor")

    async def address(self) -> str:
        """Where the worker listens; waits for one that starts, and raises WorkerUnreachable if it ends or hangs."""
        try:
            address = await asyncio.wait_for(asyncio.shield(self._start), PATIENCE)
        except TimeoutError:
            raise WorkerUnreachable("the worker is still starting") from None
        if address is None:
            raise WorkerUnreachable("the worker ended while it started")
        return address

    async def close(self) -> None:
        """Ends the worker: asked by the end of its input, then told."""
        if self._supervisor is None:
            return
        self._supervisor.cancel()
        await asyncio.wait([self._supervisor])
        process = self._process
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), GRACE)
        except TimeoutError:
            logger.info("the worker takes long to end and is killed", pid=process.pid)
            process.kill()
            await process.wait()

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        status: object
        while True:
            started = loop.time()
            try:
                status = await self._run()
            except OSError as error:  # no memory for it, say, which may pass
                status = str(error)
            finally:
                if not self._start.done():
                    self._start.set_result(None)
                self._start = loop.create_future()  # who asks from now on waits for the next one
            if loop.time() - started > STEADY:
                pause = FIRST_PAUSE
            logger.error("the worker ended; starting another", status=status, pause=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _run(self) -> int:
        """One life of the worker; returns its exit status. Raises OSError if it cannot even be started."""
        # what decodes pictures of strangers is not to know the bot's own secret
        environment = {name: os.environ[name] for name in os.environ if not name.upper().endswith("DISCORD_TOKEN")}
        # open for as long as the worker lives: nobody else on this machine can take its place and be sent the token
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "worker", "--fd", str(listener.fileno()),
                pass_fds=[listener.fileno()],
                stdin=asyncio.subprocess.PIPE,
                env=environment | {"PROSPERO_LEASH": "1", "PROSPERO_WORKER_TOKEN": self._token},
                start_new_session=True,  # an interrupt from the terminal reaches the bot, which ends this in order
            )  # fmt: skip
            host, port = listener.getsockname()
            readiness = asyncio.create_task(self._wait_until_ready(f"http://{host}:{port}"))
            try:
                return await self._process.wait()
            finally:
                readiness.cancel()

    async def _wait_until_ready(self, address: str) -> None:
        api = WorkerAPI(self._session, at(address), self._token)
        while True:
            try:
                if (await api.readiness()).ready:
                    break
            except WorkerError:  # not answering yet; a worker that cannot start says why on stderr and ends
                pass
            await asyncio.sleep(POLL)
        self._start.set_result(address)
        logger.info("the worker is ready", address=address)
