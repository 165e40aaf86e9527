"""The example of a plug-in in docs/plugin: trained on the command line, served, mapped and asked in the channel.

Beside it another one is installed, whose models cannot be loaded.
"""

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
from tests.models.drawings import write_squares
from tests.person import JSON, Person

PLUGIN = Path(__file__).parents[2] / "docs" / "plugin"
BROKEN = (
    "The models 'storm' (prospero_storm.model:FAMILY) cannot be loaded and are left out; mend or remove them. "
    "ModuleNotFoundError: No module named 'prospero_storm'\n"
)


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """Of an environment in which both are installed, as far as Python can tell, and in which nothing ships."""
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    install(tmp_path / "site", project["name"], project["entry-points"])
    install(tmp_path / "site", "prospero-storm", {"prospero.models": {"storm": "prospero_storm.model:FAMILY"}})
    write_squares(tmp_path / "data" / "squares")
    return {
        "PROSPERO_DATA": str(tmp_path / "data"),
        "PYTHONPATH": f"{PLUGIN}{os.pathsep}{tmp_path / 'site'}",
        "PROSPERO_HOME": str(tmp_path / "home"),
        "PROSPERO_SHIPPED": str(tmp_path / "none"),
        "PROSPERO_SANDBOX_PORT": "0",
        "PROSPERO_DEVICE": "cpu",
    }


def install(site: Path, name: str, groups: dict[str, dict[str, str]]) -> None:
    """Note a package of that name and its entry points where Python looks for them."""
    noted = site / f"{name.replace('-', '_')}-1.0.0.dist-info"
    noted.mkdir(parents=True)
    (noted / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n")
    lines = [
        "\n".join([f"[{group}]", *(f"{key} = {place}" for key, place in points.items())])
        for group, points in groups.items()
    ]
    (noted / "entry_points.txt").write_text("\n".join(lines))


def models(variables: dict[str, str], *words: str, status: int = 0) -> str:
    """What a command says on standard error."""
    command = [sys.executable, "-m", "models", *words]
    ran = subprocess.run(command, env=os.environ | variables, stderr=subprocess.PIPE, text=True, timeout=100)
    assert ran.returncode == status, ran.stderr
    return ran.stderr


async def shown(person: Person, command: str, **options: object) -> JSON:
    """The message with the picture that a command makes."""
    return await (await person.slash(command, **options)).message(drawn, PATIENCE)


async def test_a_plug_in_is_trained_served_and_asked_like_the_rest(variables: dict[str, str], tmp_path: Path) -> None:
    models(variables, "train", "linear-sprites", "--steps", "60", "--name", "mine")
    assert models(variables, "promote", "linear", "mine") == BROKEN
    told = models(variables, "evaluate", "linear", "--data", "squares", status=1)
    assert told.startswith(f"{BROKEN}squares has 21 training pictures of 3x64x64, not of 1x32x32;")
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
