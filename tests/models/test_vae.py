"""The VAE on sprites: what must be true of any, that it learns, resumes, and what it can be asked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from models import pictures, vae, variational
from models.augmentation import zoom
from models.balance import Balance
from models.checkpoint import Checkpoint, Store
from models.configuration import ConfigurationError
from models.disentanglement import mutual_information_gap, total_correlation
from models.flow import Flow, normal_log_density
from models.latents import of_seeds
from models.likelihood import bounds
from models.registry import Recipe
from models.training import Run
from models.variational import VAE, Config
from tests.conftest import Training, drive, save_version

SMALL = {
    "channels": 1,
    "side": 32,
    "network": "dense",
    "width": 48,
    "latent": 6,
    "flow": 2,
    "flow_width": 16,
    "likelihood": "bernoulli",
    "batch": 32,
    "rate": 3e-3,
    "warmup": 10,
}
CONVOLUTIONAL = {**SMALL, "network": "convolutional", "width": 4, "stages": 3, "likelihood": "normal"}


@pytest.fixture(scope="module")
def sprites() -> Iterator[pictures.Pictures]:
    """A few sprites, in the place of all of them."""
    all_of_them = pictures.load("sprites")
    few = pictures.Pictures(
        "sprites",
        "MIT",
        all_of_them.train[:1_000],
        all_of_them.test[:200],
        test_labels=None if all_of_them.test_labels is None else all_of_them.test_labels[:200],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vae, "load", lambda name: few)
        yield few


def run(folder: Path, steps: int, report_steps: int) -> Run:
    return Run(folder, torch.device("cpu"), steps=steps, report_steps=report_steps, bfloat16=False)


def recipe(**config: object) -> Recipe:
    return Recipe("vae-sprites", "sprites", {**SMALL, **config})


@pytest.fixture(scope="module")
def training(sprites: pictures.Pictures, tmp_path_factory: pytest.TempPathFactory) -> Training:
    return drive(vae.train(recipe(), run(tmp_path_factory.mktemp("run"), 160, 80)))


@pytest.fixture
def network(training: Training) -> VAE:
    assert isinstance(training.trained.network, VAE)
    return training.trained.network


@pytest.fixture
def checkpoint(training: Training, tmp_path: Path) -> Checkpoint:
    trained = training.trained
    return save_version(Store(tmp_path), "vae-sprites@tiny", "vae", trained.network, trained.config, "sprites")


def noise(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 1, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize("config", [SMALL, CONVOLUTIONAL], ids=["dense", "convolutional"])
def test_gradients_reach_every_parameter(config: dict[str, object]) -> None:
    network = VAE(Config.parse(config))
    for parameter in network.parameters():  # some begin at zero, behind which nothing would be reached
        if parameter.requires_grad and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    vae.negative_evidence(network(noise(8)), network.config, 1.0, 100).backward()  # type: ignore[no-untyped-call]
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    ("start", "share", "weights"),
    [(0.0, 0.5, [0.0, 0.5, 1.0, 1.0]), (9.0, 0.5, [9.0, 5.0, 1.0, 1.0]), (9.0, 0.0, [1.0] * 4)],
)
def test_the_weight_of_the_divergence_goes_from_its_start_to_one(
    start: float, share: float, weights: list[float]
) -> None:
    config = Config(kl_start=start, kl_warmup=share)
    assert [vae.kl_weight(config, fraction) for fraction in (0.0, 0.25, 0.5, 1.0)] == weights


@pytest.mark.parametrize("flow", [0, 2])
def test_divergence_is_zero_where_posterior_equals_prior(flow: int) -> None:
    network = VAE(Config.parse({**SMALL, "flow": flow}))  # a new flow bends nothing
    z, zeros = torch.randn(5, 6), torch.zeros(5, 6)
    assert network.divergence(z, zeros, zeros).abs().max() < 1e-5
    assert network.divergence(z + 2, zeros + 2, zeros).mean() > 1


def test_divergence_in_closed_form_is_the_mean_of_its_samples() -> None:
    plain, flowing = VAE(Config.parse({**SMALL, "flow": 0})), VAE(Config.parse(SMALL))
    mean, log_variance = torch.full((20_000, 6), 0.7), torch.full((20_000, 6), -1.2)
    z = mean + torch.randn(mean.shape, generator=torch.Generator().manual_seed(0)) * (0.5 * log_variance).exp()
    exact = float(plain.divergence(z, mean, log_variance)[0])
    with torch.no_grad():
        assert float(flowing.divergence(z, mean, log_variance).mean()) == pytest.approx(exact, rel=0.02)


def test_flow_bends_there_and_back_and_keeps_the_volume_in_mind() -> None:
    torch.manual_seed(0)
    flow = Flow(4, layers=3, width=8).double()
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    z = torch.randn(3, 4, dtype=torch.float64)
    base, growth = flow.to_base(z)
    assert torch.allclose(flow.from_base(base), z, atol=1e-5)
    for i in range(3):
        jacobian = torch.autograd.functional.jacobian(lambda one: flow.to_base(one[None])[0][0], z[i])
        assert torch.linalg.slogdet(jacobian).logabsdet.item() == pytest.approx(growth[i].item(), abs=1e-4)


def test_bounds_order_and_meet_where_the_truth_is_known() -> None:
    """x = z + noise with normal parts: ln p(x) is known, and the exact posterior makes both bounds tight."""
    x = torch.linspace(-2, 2, 7)[:, None]
    generator = torch.Generator().manual_seed(0)

    def weigher(shift: float):  # type: ignore[no-untyped-def]
        def weigh(x: torch.Tensor) -> torch.Tensor:
            mean, log_variance = x / 2 + shift, torch.full_like(x, math.log(0.5))
            z = mean + torch.randn(x.shape, generator=generator) * (0.5 * log_variance).exp()
            zero = torch.zeros_like(z)
            joint = normal_log_density(z, zero, zero) + normal_log_density(x, z, zero)
            return joint - normal_log_density(z, mean, log_variance)

        return weigh

    truth = normal_log_density(x, torch.zeros_like(x), torch.full_like(x, math.log(2)))
    exact = bounds(weigher(0.0), x, 10)
    assert torch.allclose(exact.elbo.float(), truth, atol=1e-4)
    assert torch.allclose(exact.importance_weighted.float(), truth, atol=1e-4)
    loose = bounds(weigher(0.8), x, 2_000)
    assert (loose.elbo < loose.importance_weighted).all()
    assert (loose.elbo < truth - 0.3).all() and torch.allclose(loose.importance_weighted.float(), truth, atol=0.1)


def test_elbo_never_exceeds_the_importance_weighted_bound(network: VAE, sprites: pictures.Pictures) -> None:
    shown = variational.shown_once(network, sprites.test[:20])
    found = variational.weigh(network, shown, 30)
    assert (found.elbo <= found.importance_weighted).all()
    assert found.importance_weighted.mean() > found.elbo.mean() + 0.1


def test_elbo_rises(training: Training) -> None:
    held_out = [report.metrics["held-out ELBO"] for report in training.reports]
    assert held_out[-1] > held_out[0] + 15 and training.reports[-1].losses["kl"] > 1
    assert training.reports[-1].sample is not None and training.reports[-1].sample.exists()


@pytest.mark.parametrize(
    "config", [{}, {"balance": "latent"}, {"zoomed": 0.8, "mirrored": True}], ids=["plain", "balanced", "changed"]
)
def test_resumed_training_equals_an_uninterrupted_one(
    config: dict[str, object], sprites: pictures.Pictures, tmp_path: Path
) -> None:
    whole = drive(vae.train(recipe(**config), run(tmp_path / "whole", 66, 33)))  # a pass is 31 steps
    broken = vae.train(recipe(**config), run(tmp_path / "broken", 66, 33))
    next(broken)
    broken.close()
    resumed = drive(vae.train(recipe(**config), run(tmp_path / "broken", 66, 33)))
    assert resumed.reports[-1].losses == whole.reports[-1].losses
    other = resumed.trained.network.state_dict()
    assert all(torch.equal(tensor, other[name]) for name, tensor in whole.trained.network.state_dict().items())


def test_seed_gives_the_same_picture_alone_and_in_company(network: VAE) -> None:
    painter = variational.painter(network)
    together = painter.pictures(range(10, 14))
    assert torch.equal(painter.pictures([12]), together[2:3])
    assert (together[0].int() - together[1].int()).abs().max() > 10


def test_interpolation_runs_from_one_picture_to_the_other_on_the_arc(network: VAE, sprites: pictures.Pictures) -> None:
    shown = pictures.to_unit(sprites.test[:2])
    space = variational.space(network)
    first, second = space.encode(shown)[0]
    (way,) = space.blend(first.expand(5, -1), second.expand(5, -1), torch.linspace(0, 1, 5)[:, None])
    assert torch.allclose(way[[0, -1]], variational.reconstruct(network, shown), atol=1e-3)
    assert way.shape == (5, 1, 32, 32)


def test_traversal_moves_one_latent_in_a_row(network: VAE, sprites: pictures.Pictures) -> None:
    role = variational.traverser(network)
    most = role.most(3)
    assert role.telling[most[0]] == role.telling.max() > 0.1
    (start,) = role.encode(pictures.to_unit(sprites.test[:1]))
    latents = role.strips(start[0], most, steps=5)
    (rows,) = role.decode(latents)
    for latent, moved, row in zip(most, latents.view(3, 5, -1), rows.view(3, 5, 1, 32, 32), strict=True):
        assert (moved != start[0]).any(0).nonzero().flatten().tolist() == [latent]
        assert (row[0] - row[-1]).abs().max() > 0.05


def test_noise_is_less_likely_than_sprites(network: VAE, sprites: pictures.Pictures) -> None:
    likelihood = variational.reconstructor(network).likelihood
    assert likelihood is not None

    def percentile(picture: torch.Tensor) -> float:
        return likelihood.percentile(likelihood.nats(likelihood.weigh(*likelihood.rows(picture))[0]))

    assert max(map(percentile, noise(5))) == 0
    shown = pictures.to_unit(sprites.test[:100])
    assert 30 < sum(map(percentile, shown)) / 100 < 70
    nats = likelihood.nats(likelihood.weigh(*likelihood.rows(shown[0]))[0])
    assert nats == pytest.approx(float(variational.log_likelihood(network, shown[:1])), abs=2)


def test_total_correlation_tells_dependent_latents() -> None:
    generator = torch.Generator().manual_seed(0)
    free = torch.randn(400, 2, generator=generator)
    tied = free[:, :1].expand(-1, 2) + 0.05 * free
    narrow = torch.full((400, 2), -4.0)
    assert total_correlation(tied, tied, narrow, 400) > total_correlation(free, free, narrow, 400) + 0.5


def test_gap_is_one_for_a_latent_each_and_zero_for_shared_ones() -> None:
    factors = torch.cartesian_prod(torch.arange(4), torch.arange(5)).repeat(50, 1)
    apart = factors.float()
    gap, each = mutual_information_gap(torch.cat((apart, torch.randn(1_000, 1)), 1), factors)
    assert gap == pytest.approx(1, abs=0.05) and each.shape == (2,)
    assert mutual_information_gap(torch.cat((apart, apart), 1), factors)[0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("zoomed", [0.8, 1.0])
def test_pictures_are_shown_from_nearer_where_that_is_asked(
    zoomed: float, sprites: pictures.Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[torch.Size] = []
    monkeypatch.setattr(vae, "zoom", lambda batch, least, turn: shown.append(batch.shape) or zoom(batch, least, turn))
    drive(vae.train(recipe(zoomed=zoomed), run(tmp_path, 2, 3)))
    assert shown == ([(32, 1, 32, 32)] * 2 if zoomed < 1 else [])


def test_fewer_pictures_than_a_batch_are_balanced_too(sprites: pictures.Pictures, tmp_path: Path) -> None:
    few = recipe(balance="latent", batch=len(sprites.train) + 1)
    assert drive(vae.train(few, run(tmp_path, 2, 2))).reports[-1].step == 2


def test_balance_shows_rare_latents_more_often() -> None:
    balance = Balance(1_000)
    latents = torch.zeros(1_000, 3)
    latents[:20, 1] = 4.0  # one in fifty is unlike the rest
    balance.renew(latents)
    shown = balance.draw(5_000, torch.Generator().manual_seed(0))
    assert float((shown < 20).float().mean()) > 3 * 0.02
    assert float((shown < 20).float().mean()) <= 0.25


def test_stored_network_draws_the_same_and_is_measured(
    checkpoint: Checkpoint, network: VAE, sprites: pictures.Pictures, tmp_path: Path
) -> None:
    device = torch.device("cpu")
    restored = variational.restore(checkpoint, device)
    drawn, again = (variational.painter(one).pictures(range(4)).int() for one in (network, restored))
    assert (drawn - again).abs().max() <= 25  # of 255: the weights are kept in bfloat16
    for name in ("one.png", "two.png"):
        vae.sample(checkpoint, tmp_path / name, 16, 3, device)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    with Image.open(tmp_path / "one.png") as drawn:
        assert len(set(drawn.tobytes())) > 2
    figures = vae.evaluate(checkpoint, device, quick=True)
    assert figures["nll"].value < figures["elbo"].value < figures["elbo_rarest_tenth"].value
    assert {"mig", "mig_shape", "mig_x"} <= set(figures)
    assert (figures["elbo"].better, figures["mig"].better) == ("lower", "higher")
    assert figures == vae.evaluate(checkpoint, device, quick=True)


def test_pictures_in_folders_are_measured_and_remembered_alike(
    checkpoint: Checkpoint, sprites: pictures.Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordered = replace(sprites, test=torch.cat((torch.zeros_like(sprites.test[:100]), sprites.test[:100])))
    monkeypatch.setattr(vae, "load", lambda name: ordered)
    quick, whole = (vae.evaluate(checkpoint, torch.device("cpu"), quick)["elbo"].value for quick in (True, False))
    assert quick == pytest.approx(whole, rel=0.1)

    torch.manual_seed(0)
    small = VAE(Config.parse({**SMALL, "side": 8, "width": 8, "latent": 2, "flow": 0})).eval()
    noisy = torch.randint(0, 256, (1_000, 1, 8, 8), dtype=torch.uint8)
    white = torch.full_like(noisy, 255)
    with torch.no_grad():
        *_, last = (module for module in small.decoder.modules() if hasattr(module, "bias"))
        last.bias.fill_(3.0)  # it takes white for likely
    vae.remember(small, pictures.Pictures("both", "MIT", white, torch.cat((white, noisy))))
    rare = variational.log_likelihood(small, pictures.to_unit(noisy[:50])).mean()
    assert small.likelihoods[0] < rare < small.likelihoods[600]


def test_bytes_are_encoded_as_the_pictures_that_they_are(network: VAE, sprites: pictures.Pictures) -> None:
    encoded = variational.encode(network, sprites.test, batch=70)
    assert torch.equal(encoded, variational.encode(network, pictures.to_unit(sprites.test), batch=70))


def test_quick_figures_draw_no_more_pictures_than_they_need(
    sprites: pictures.Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(vae, "frozen", lambda channels, device: None)
    monkeypatch.setattr(vae, "compare", lambda judge, pictures, data, quick: drawn.append(len(pictures)) or {})
    many = replace(sprites, test=sprites.test.repeat(10, 1, 1, 1))
    figures = vae._fidelity(VAE(Config.parse(SMALL)).eval(), many, quick=True)
    assert drawn == [1_000]
    assert figures["psnr"].better == "higher"


def test_arc_keeps_the_norm(network: VAE) -> None:
    ends = of_seeds([1, 2], 6)
    way = torch.stack([variational.latents.spherical(*ends, i / 8) for i in range(9)])
    norms = way.norm(dim=1)
    assert torch.allclose(norms, torch.linspace(float(norms[0]), float(norms[-1]), 9), atol=1e-4)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"network": "recurrent"}, "network must be convolutional or dense"),
        ({"likelihood": "poisson"}, "likelihood must be normal or bernoulli"),
        ({"balance": "fair"}, "balance must be none or latent"),
        ({"latent": 7}, "even number of latents"),
        ({"network": "convolutional", "side": 30}, "side must be a multiple of 16"),
    ],
)
def test_settings_that_do_not_fit_are_refused(config: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        VAE(Config.parse({**SMALL, **config}))


def test_shipped_recipes_can_be_built() -> None:
    for shipped in vae.FAMILY.recipes.values():
        network = VAE(Config.parse(shipped.config))
        assert sum(t.numel() for t in network.state_dict().values()) * 2 < 25e6, shipped.model  # bytes in bfloat16
