"""/latent as people see it: maps, with and without a picture of theirs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from models.checkpoint import Store
from tests.bot.conftest import Island, real_worker
from tests.bot.pictures import handed_in, pasted, picture, recipe
from tests.person import Person, labels
from tests.viewers import keep_autoencoder, keep_vae


@pytest.fixture
async def miranda(island: Island, tmp_path: Path) -> AsyncIterator[Person]:
    """Someone on an island whose bot has a worker with an autoencoder and a VAE."""
    store = Store(tmp_path / "home", shipped=tmp_path / "shipped")
    keep_autoencoder(store)
    keep_vae(store)
    async with real_worker(store) as url:
        await island.start_bot(url)
        async with island.person() as person:
            yield person
        await island.stop_bot()


async def test_a_map(miranda: Person, island: Island) -> None:
    assert island.bot is not None
    await island.bot.catalogue.ask()
    suggested = await miranda.autocomplete("latent map", "model", model="tiny")
    assert [choice["value"] for choice in suggested] == ["autoencoder-digits@tiny", "vae-digits@tiny"]
    message, content = await picture(miranda, await miranda.slash("latent map", model="vae-digits"))
    assert message["content"] == "Pictures that the model finds alike lie near one another.\n-# vae-digits@tiny"
    assert message["attachments"][0]["filename"] == "vae-digits-map.png"
    assert "lie near one another" in message["attachments"][0]["description"]
    assert labels(message) == ["Recipe", "Delete"]
    assert (await picture(miranda, await pasted(miranda, await recipe(miranda, message))))[1] == content


async def test_a_picture_among_those_of_the_map(miranda: Person, island: Island) -> None:
    async with island.person("Caliban") as caliban:
        caliban.go("direct")
        message, _ = await picture(caliban, await caliban.slash("latent map", image=handed_in("gato.png")))
        near, place, small = message["content"].split("\n")
        assert near == "Imagens que o modelo acha parecidas ficam perto umas das outras."
        assert place.startswith("A sua está emoldurada, a ")
        assert small == "-# autoencoder-digits@tiny"
        told = await recipe(caliban, message, "Receita")
        assert told == "/latente mapa imagem:gato.png modelo:autoencoder-digits@tiny"
