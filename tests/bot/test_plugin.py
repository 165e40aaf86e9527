"""The example of a plug-in in docs/plugin: trained on the command line, served, mapped and asked in the channel."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bot.worker_process import PATIENCE
from tests.bot.pictures import drawn, handed_in, recipe
from tests.bot.test_processes import bot_process, island_address
from tests.person import JSON, Person

PLUGIN = Path(__file__).parents[2] / "docs" / "plugin"


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """Of an environment in which the plug-in is installed, as far as Python can tell, and in which nothing ships."""
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    installed = tmp_path / "site" / "prospero_linear-1.0.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1.0.0\n")
    groups = [
        "\n".join([f"[{group}]", *(f"{name} = {place}" for name, place in points.items())])
        for group, points in project["entry-points"].items()
    ]
    (installed / "entry_points.txt").write_text("\n".join(groups))
    return {
        "PYTHONPATH": f"{PLUGIN}{os.pathsep}{tmp_path / 'site'}",
        "PROSPERO_HOME": str(tmp_path / "home"),
        "PROSPERO_SHIPPED": str(tmp_path / "none"),
        "PROSPERO_SANDBOX_PORT": "0",
        "PROSPERO_DEVICE": "cpu",
    }


def models(variables: dict[str, str], *words: str) -> None:
    subprocess.run([sys.executable, "-m", "models", *words], env=os.environ | variables, check=True, timeout=100)


async def shown(person: Person, command: str, **options: object) -> JSON:
    """The message with the picture that a command makes."""
    return await (await person.slash(command, **options)).message(drawn, PATIENCE)


async def test_a_plug_in_is_trained_served_and_asked_like_the_rest(variables: dict[str, str], tmp_path: Path) -> None:
    models(variables, "train", "linear-sprites", "--steps", "60", "--name", "mine")
    models(variables, "promote", "linear-sprites", "mine")
    models(variables, "sample", "linear-sprites", "--count", "4", "-o", str(tmp_path / "drawn.png"))
    with Image.open(tmp_path / "drawn.png") as sheet:
        assert sheet.size == (2 * (8 * 33 + 1), 2 * 34)
        inside = np.asarray(sheet)[2:-2:2, 2:-2:2]
        assert len(np.unique(inside)) > 50  # shades, not black and white alone
    async with bot_process(**variables) as process, Person(await island_address(process), "Miranda") as miranda:
        await miranda.until_command("linear reconstruct")
        await miranda.until_online()
        rebuilt = await shown(miranda, "linear reconstruct", image=handed_in("sprite.png"))
        assert rebuilt["content"].endswith("-# linear-sprites@mine")
        command = await recipe(miranda, rebuilt)
        assert command == "/linear reconstruct image:sprite.png model:linear-sprites@mine"
        mapped = await shown(miranda, "latent map", model="linear-sprites")
        assert mapped["content"].endswith("-# linear-sprites@mine")
        help = await (await miranda.slash("help")).message()
        assert "Linear" in str(help["components"])
