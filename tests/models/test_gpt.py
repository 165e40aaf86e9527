"""What must be true of a GPT: its layout, its objective, its windows and its training."""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models import data, gpt, texts, verse
from models.checkpoint import Store
from models.configuration import ConfigurationError
from models.data import DataError
from models.scoring import calibrate, nats_per_character
from models.speakers import Speakers
from models.training import Run, warm_up
from tests.conftest import Training, drive, save_version, verse_recipe

SMALL = gpt.Config(layers=2, width=32, heads=4, kv_heads=2, hidden=48, context=16, dropout=0.0)


@pytest.fixture
def network() -> gpt.GPT:
    """A small GPT whose every weight is random, so that nothing is zero by construction."""
    torch.manual_seed(1)
    network = gpt.GPT(SMALL).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


def test_an_untrained_network_knows_nothing() -> None:
    tokens = torch.randint(65, (4, 17))
    assert gpt.next_character_loss(gpt.GPT(SMALL), tokens).item() == pytest.approx(math.log(65), abs=1e-5)


def test_gradients_reach_every_parameter(network: gpt.GPT) -> None:
    gpt.next_character_loss(network, torch.randint(65, (4, 17))).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_noise_replaces_a_share_of_the_characters_by_others_of_the_batch() -> None:
    tokens = torch.arange(10_000).view(40, 250)
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(gpt.noised(tokens, 0.0, generator), tokens)
    replaced = gpt.noised(tokens, 0.2, generator)
    assert (replaced != tokens).float().mean().item() == pytest.approx(0.2, abs=0.02)
    assert set(replaced.flatten().tolist()) <= set(range(10_000))


def test_what_is_read_with_noise_is_still_to_be_predicted(network: gpt.GPT) -> None:
    tokens, others = torch.randint(65, (4, 17)), torch.randint(65, (4, 16))
    expected = torch.nn.functional.cross_entropy(network(others).flatten(0, 1), tokens[:, 1:].flatten())
    assert torch.equal(gpt.next_character_loss(network, tokens, others), expected)


def test_dropout_silences_channels_of_an_excerpt_over_its_whole_length() -> None:
    dropout = gpt.Dropout(0.5)
    kept = dropout(torch.ones(3, 7, 32))  # (B, T, C)
    assert torch.equal(kept, kept[:, :1].expand(3, 7, 32))
    assert set(kept.flatten().tolist()) == {0.0, 2.0}
    assert not torch.equal(kept[0], kept[1])
    assert torch.equal(dropout.eval()(torch.ones(3, 7, 32)), torch.ones(3, 7, 32))


def test_nothing_comes_from_the_future(network: gpt.GPT) -> None:
    tokens = torch.randint(65, (1, 24))
    changed = tokens.clone()
    changed[0, 12:] = (changed[0, 12:] + 1) % 65
    assert torch.allclose(network(tokens)[0, :12], network(changed)[0, :12], atol=1e-5)
    assert not torch.allclose(network(tokens)[0, 12:], network(changed)[0, 12:], atol=1e-2)


def test_each_layer_looks_back_one_context_and_no_further(network: gpt.GPT) -> None:
    reach = SMALL.layers * (SMALL.context - 1)
    tokens = torch.randint(65, (1, reach + 9))
    changed = tokens.clone()
    changed[0, 0] = (changed[0, 0] + 1) % 65
    before, after = network(tokens)[0], network(changed)[0]
    assert not torch.equal(before[SMALL.context - 1], after[SMALL.context - 1])
    assert torch.equal(before[reach + 1 :], after[reach + 1 :])


@given(st.integers(0, 500), st.integers(0, 500))
def test_rotary_scores_depend_on_the_distance_alone(first: int, shift: int) -> None:
    q, k = torch.randn(2, 1, 8, generator=torch.Generator().manual_seed(0))
    positions = torch.tensor([first, first + 5, first + shift, first + shift + 5])
    cosine, sine = gpt.rotary(positions, 8, 10_000.0)
    turned = [gpt.rotate(x, cosine[i], sine[i]) for i, x in enumerate((q, k, q, k))]
    near, far = (turned[0] * turned[1]).sum(), (turned[2] * turned[3]).sum()
    assert torch.allclose(near, far, atol=1e-3)


@pytest.mark.parametrize("before", [0, 8])
def test_the_figure_is_the_mean_over_every_character_but_the_first(network: gpt.GPT, before: int) -> None:
    tokens = torch.randint(65, (70,))  # four windows of 16 and a shorter last one
    scores = [
        torch.nn.functional.cross_entropy(
            network(tokens[None, max(0, start - before) : end])[0, start - end :], tokens[start + 1 : end + 1]
        ).item()
        * (end - start)
        for start in range(0, 69, 16)
        for end in [min(start + 16, 69)]
    ]
    with torch.inference_mode():
        assert nats_per_character(network, tokens, before) == pytest.approx(sum(scores) / 69, rel=1e-5)


def test_a_network_that_is_too_sure_is_told_by_text_that_it_did_not_learn(network: gpt.GPT) -> None:
    tokens = torch.tensor([1, 2, 1, 3] * 40)
    calibrate(network, tokens)
    least = nats_per_character(network, tokens)
    assert calibrate(network, tokens) == pytest.approx(1.0, abs=1e-4)
    for factor in (0.9, 1.1):  # there is no better one
        unsure = copy.deepcopy(network)
        unsure.head.weight.data *= factor
        assert nats_per_character(unsure, tokens) > least
        assert calibrate(unsure, tokens) == pytest.approx(1 / factor, abs=1e-3)


def test_the_beginning_of_the_text_is_not_learnt_but_calibrated_with(
    verse_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = []
    monkeypatch.setattr(gpt, "calibrate", lambda network, tokens: parts.append(tokens))
    draw = gpt.draw
    monkeypatch.setattr(gpt, "draw", lambda corpus, *rest: parts.append(corpus) or draw(corpus, *rest))
    run = Run(tmp_path, torch.device("cpu"), steps=1, bfloat16=False)
    drive(gpt.train(verse_recipe(calibration=0.1), run))
    learnt, unseen = parts
    text = gpt.encode(texts.split(texts.TINY)[0], gpt.Config().vocabulary)
    assert torch.equal(torch.cat((unseen, learnt)), text)
    assert len(unseen) == int(0.1 * len(text))


@pytest.mark.parametrize(
    ("told", "dataset", "share"), [(0.1, "shakespeare", 0.1), (None, "shakespeare", 0.0), (None, "other", 0.2)]
)
def test_what_a_version_learnt_does_not_calibrate_what_goes_on_from_it(
    told: float | None, dataset: str, share: float, tiny_store: Store, tmp_path: Path
) -> None:
    """Of another text all is news to it, of the same text only what was left out before."""
    version = tiny_store.open("gpt-shakespeare")
    config = {**version.card.config, "calibration": told}
    if told is None:  # as on the cards of versions that learnt everything
        del config["calibration"]
    start = replace(version, card=replace(version.card, config=config, dataset={"name": dataset, "licence": "MIT"}))
    run = Run(tmp_path, torch.device("cpu"), steps=1, bfloat16=False, start=start)
    trained = drive(gpt.train(verse_recipe(calibration=0.2), run)).trained
    assert trained.config["calibration"] == share


def test_training_lowers_the_loss(verse_training: Training) -> None:
    losses = [report.losses["loss"] for report in verse_training.reports]
    assert losses[0] > 2.0 > losses[-1]
    assert verse_training.reports[-1].step == 80


def test_any_text_brings_its_own_characters(verse_data: Path, tmp_path: Path) -> None:
    (verse_data / "ahab.txt").write_text("Çà et là, 1 baleine ! " * 50, encoding="utf-8")
    recipe = replace(verse_recipe(plays=0.65), dataset="ahab")
    run = Run(tmp_path, torch.device("cpu"), steps=2, bfloat16=False)
    assert drive(gpt.train(recipe, run)).trained.config["vocabulary"] == " !,1abeilntÇà"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"width": 100, "heads": 5, "kv_heads": 5, "layers": 1}, None),
        ({"heads": 7}, "width must be a multiple of 14 (2 x heads), not 320."),
        ({"kv_heads": 2}, "heads must be a multiple of kv_heads (2), not 5."),
        ({"flat": 1.5}, "flat is a share, at most 1, not 1.5."),
    ],
)
def test_numbers_that_do_not_fit_are_named(settings: dict[str, float], sentence: str | None) -> None:
    if sentence is None:
        assert gpt.GPT(gpt.Config.parse(settings))(torch.zeros(1, 3, dtype=torch.long)).shape == (1, 3, 65)
        return
    with pytest.raises(ConfigurationError) as refused:
        gpt.Config.parse(settings)
    assert str(refused.value) == sentence


def test_a_batch_may_be_a_single_excerpt(verse_data: Path, tmp_path: Path) -> None:
    training = drive(gpt.train(verse_recipe(batch=1), Run(tmp_path, torch.device("cpu"), steps=4, report_steps=4)))
    assert math.isfinite(training.reports[-1].losses["loss"])


def test_a_text_shorter_than_the_excerpts_is_refused(verse_data: Path, tmp_path: Path) -> None:
    run = Run(tmp_path, torch.device("cpu"), steps=1)
    with pytest.raises(DataError, match="characters to learn from; set a context below half of that"):
        drive(gpt.train(verse_recipe(context=100_000), run))


def test_rates_and_noise_fall_where_they_are_to() -> None:
    half = gpt.Config(flat=0.5)
    assert [gpt.falling(fraction, half) for fraction in (0.0, 0.5, 0.75, 1.0)] == [1.0, 1.0, 0.5, 0.0]
    assert gpt.falling(0.75, gpt.Config(flat=1.0)) == 1.0
    assert [warm_up(step, 4) for step in (0, 3, 9)] == [0.25, 1.0, 1.0]
    assert warm_up(0, 0) == 1.0


def test_excerpts_get_new_names_as_often_as_asked(verse_data: Path, tmp_path: Path) -> None:
    text, _ = texts.split(texts.TINY)
    run = Run(tmp_path, torch.device("cpu"), steps=1)

    def excerpts(share: float) -> list[str]:
        config = replace(SMALL, context=200, renamed=share, batch=16)
        tokens = gpt.batches(config, gpt.encode(text, texts.VOCABULARY), None, Speakers(text), run)
        return ["".join(texts.VOCABULARY[token] for token in row) for row in tokens.tolist()]

    assert all(excerpt in text for excerpt in excerpts(0.0))
    assert sum(excerpt in text for excerpt in excerpts(1.0)) < 8  # of 16: so few people may get a real name


def test_a_model_that_knows_no_line_break_has_samples(network: gpt.GPT, tmp_path: Path) -> None:
    config = replace(SMALL, vocabulary="ACGT")
    stored = save_version(Store(tmp_path), "gpt-genes@v1", "gpt", gpt.GPT(config), asdict(config))
    verse.sample(stored, tmp_path / "samples.txt", 2, 0, torch.device("cpu"))
    assert set((tmp_path / "samples.txt").read_text()) <= set("ACGT-\n")


def test_resumed_equals_uninterrupted(verse_data: Path, tmp_path: Path) -> None:
    def run(folder: str, steps: int) -> Run:
        return Run(tmp_path / folder, torch.device("cpu"), steps=steps, report_steps=6, bfloat16=False)

    recipe = verse_recipe(flat=0.0, dropout=0.1)
    whole = drive(gpt.train(recipe, run("whole", 12)))
    killed = gpt.train(recipe, run("killed", 12))
    next(killed)  # the first report leaves a snapshot after step 6
    killed.close()
    resumed = drive(gpt.train(recipe, run("killed", 12)))
    assert [report.step for report in resumed.reports] == [12]
    assert resumed.reports[-1].losses == whole.reports[-1].losses
    for a, b in zip(whole.trained.network.parameters(), resumed.trained.network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_text_runs_on_past_the_context(verse_training: Training) -> None:
    network = verse_training.trained.network
    assert isinstance(network, gpt.GPT)
    text = "".join(islice(verse.complete(network, "MIRANDA:\n", temperature=0.0), 60))
    assert len(text) == 60
    assert text == "".join(islice(verse.complete(network, "MIRANDA:\n", temperature=0.0), 60))


def test_a_character_never_seen_is_named() -> None:
    with pytest.raises(ValueError, match="'é'"):
        gpt.encode("caf\u00e9", texts.VOCABULARY)


def test_the_plays_take_the_layout_of_tiny_shakespeare() -> None:
    play = (
        "\tTHE ISLE\n\n\nMIRANDA\ta maid. (MIRANDA:)\n\n\nACT I\n\n\nSCENE I\tA shore.\n\n\t[Enter MIRANDA]\n\n"
        "MIRANDA\tWhat is the sea? [Aside] I ask\n\tbecause it answers.\n\nCALIBAN\tSalt.\n\n"
        "\tTHE ISLE\n\nSCENE II\tA cave.\n\n"
    )
    assert texts.in_tiny_layout(play) == ("MIRANDA:\nWhat is the sea? I ask\nbecause it answers.\n\nCALIBAN:\nSalt.")


def test_held_out_texts_are_never_learnt_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROSPERO_DATA", str(tmp_path))
    with pytest.raises(DataError, match="tempest overlaps the held-out part"):
        texts.split("shakespeare/plays/tempest")
    (tmp_path / "note.txt").write_text("far too little to learn")
    with pytest.raises(DataError, match="has 23 characters; a text to train on has 1,000 at least"):
        texts.split("note")
    assert len(data.PLAYS) == 33
    assert not any(name in play.file for play in data.PLAYS for name in texts.HELD_OUT_PLAYS)


def test_plays_are_fetched_where_they_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = "http://127.0.0.1:9/hamlet.txt"
    monkeypatch.setenv("PROSPERO_DATA", str(tmp_path))
    monkeypatch.setattr(data, "PLAYS", [data.Download("shakespeare/plays/hamlet.txt", nowhere, "")])
    monkeypatch.setitem(data.SETS, "shakespeare", data.DataSet("", "text", downloads=tuple(data.PLAYS)))
    data.look_in(tmp_path / "home")
    with pytest.raises(DataError, match=rf"{nowhere} cannot be downloaded"):
        texts.other_plays()
    (tmp_path / "shakespeare" / "plays").mkdir(parents=True)
    (tmp_path / "shakespeare" / "plays" / "hamlet.txt").write_text("ACT I\n\nHAMLET\tSeen.\n")
    (tmp_path / "shakespeare" / "plays" / "tempest.txt").write_text("ACT I\n\nARIEL\tHidden.\n")
    assert texts.other_plays() == "HAMLET:\nSeen.\n"
