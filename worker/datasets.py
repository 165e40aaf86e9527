"""Datasets: what people hand in to train on, checked in a child process, kept in the data home under a name."""

from __future__ import annotations

import asyncio
import secrets
import time
from pathlib import Path
from typing import Any

import structlog
from pydantic import ValidationError

from models.checkpoint import write_json
from models.data import COLLECTED, DataError
from models.intake import check_name, unfinished
from worker.errors import BadRequest
from worker.schemas.training import File, Found
from worker.trainer import Trainer

SUFFIXES = (".zip", ".txt")  # of pictures, and of a text

log = structlog.get_logger()


class Datasets:
    """The uploaded data sets of a data home: each has a file of what is known of it beside its content."""

    def __init__(self, home: Path, trainer: Trainer) -> None:
        self.folder = home / "files"
        self._kept = home / COLLECTED  # whatever else has a data set's name elsewhere is not ours
        self._trainer = trainer
        self._one = asyncio.Lock()  # two of one name must not be checked at once
        self._damaged: set[Path] = set()  # cards that were logged

    def all(self) -> list[File]:
        """The newest first; a card that is damaged or cannot be read is left out, and logged once."""
        files = []
        for card in self.folder.glob("file-*.json"):
            try:
                files.append(File.model_validate_json(card.read_bytes()))
            except (OSError, ValidationError) as error:
                if card not in self._damaged:
                    log.error("card of a data set damaged", file=str(card), reason=str(error))
                self._damaged.add(card)
        return sorted(files, key=lambda file: (file.created_at, file.id), reverse=True)

    def get(self, id: str) -> File | None:
        return next((file for file in self.all() if file.id == id), None)

    def sheet(self, id: str) -> Path:
        """The picture of what was found; a text has none."""
        return self.folder / f"{id}.png"

    def content(self, file: File) -> Path | None:
        """The data set itself; None when it has vanished."""
        return next((path for suffix in SUFFIXES if (path := self._kept / f"{file.name}{suffix}").exists()), None)

    async def add(self, upload: Path, filename: str, name: str) -> File:
        """Make a data set of an uploaded file; BadRequest says what is wrong with it, and nothing of it stays."""
        try:
            check_name(name)
        except DataError as error:
            raise BadRequest(str(error), "name", error.code) from error
        id = f"file-{secrets.token_hex(12)}"
        answer: dict[str, Any] = {}
        words = ["data", "add", name, str(upload), "--sheet", str(self.sheet(id)), "--json"]
        async with self._one:
            try:
                status = await self._trainer.run(words, answer.update, self.folder / "log.txt")
                if "error" in answer:
                    raise BadRequest(answer["error"]["message"], "file", answer["error"]["code"])
                if status:
                    raise BadRequest("The file broke its check off; hand in another.", "file", "check_broke_off")
                return self._keep(id, upload, filename, name, answer)
            except BaseException:  # a full disk, or whoever handed it in left
                self.sheet(id).unlink(missing_ok=True)
                made = [self._kept / f"{name}{suffix}" for suffix in SUFFIXES] if "kind" in answer else []
                for path in (unfinished(self._kept.parent, name), *made):
                    path.unlink(missing_ok=True)
                raise

    def _keep(self, id: str, upload: Path, filename: str, name: str, found: dict[str, Any]) -> File:
        file = File(
            id=id,
            bytes=upload.stat().st_size,
            created_at=int(time.time()),
            filename=filename,
            name=name,
            found=Found(
                kind=found["kind"],
                items=found["items"],
                left_out=found["left_out"],
                sheet=f"/v1/files/{id}/sheet" if self.sheet(id).exists() else None,
                excerpt=found["excerpt"] or None,
            ),
        )
        write_json(self.folder / f"{id}.json", file.model_dump())
        return file

    def delete(self, file: File) -> None:
        """Forget a data set and what is known of it."""
        content = self.content(file)
        if content is not None:
            content.unlink()
        self.sheet(file.id).unlink(missing_ok=True)
        (self.folder / f"{file.id}.json").unlink()
