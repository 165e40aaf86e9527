"""Outliers: the area under the curve, the detector's percentiles and heat, and the baseline without a network."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from models.detection import nearest_on_axes, one_vs_rest
from models.outliers import Detector, auroc
from models.pictures import Pictures, to_unit
from models.projection import principal_axes
from models.quality import coded, psnr, ssim
from tests.models.drawings import bars


def test_auroc_counts_pairs() -> None:
    normal, outlying = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 4.0])
    pairs = [(o > n) + 0.5 * (o == n) for n in normal.tolist() for o in outlying.tolist()]
    assert auroc(normal, outlying) == pytest.approx(sum(pairs) / len(pairs))
    assert auroc(outlying, outlying) == 0.5


def test_detector_finds_what_is_missing_and_where() -> None:
    pictures = to_unit(bars(200)[0])
    usual = pictures + 0.05 * torch.randn(pictures.shape, generator=torch.Generator().manual_seed(0))
    detector = Detector(code=4, channels=1, side=28, memory=100)
    detector.fit(torch.zeros(100, 4), usual[:100], pictures[100:], usual[100:])
    found = detector(pictures[100:], usual[100:])
    assert abs(float(found.score.mean())) < 0.1  # an average held-out picture scores 0
    assert 40 < float(found.percentile.mean()) < 60
    odd = pictures[:1].clone()
    odd[..., 20:26, 20:26] = 1.0  # a square that the reconstruction does not know of
    seen = detector(odd, usual[:1])
    assert seen.percentile == 100
    row, column = divmod(int(seen.heat[0].argmax()), 28)
    assert 19 <= row <= 26 and 19 <= column <= 26


def test_plain_pictures_pass_for_photographs_unless_light_is_taken_away() -> None:
    generator = torch.Generator().manual_seed(0)
    coarse = 0.4 * torch.randn(300, 3, 5, 5, generator=generator)
    photographs = F.interpolate(coarse, 32, mode="bilinear").clamp(-1, 1)  # light and shade, as in photographs
    noise = 0.1 * torch.randn(photographs.shape, generator=generator)
    rebuilt = photographs + noise
    plain = torch.tensor([-0.5, 0.0, 1.0])[:, None, None, None].expand(3, 3, 32, 32)  # dark, grey and white
    found = {}
    for centred in (False, True):
        detector = Detector(code=4, channels=3, side=32, memory=100, centred=centred)
        detector.fit(torch.zeros(100, 4), rebuilt[:100], photographs[100:], rebuilt[100:])
        assert abs(float(detector(photographs[100:], rebuilt[100:]).score.mean())) < 0.2
        found[centred] = detector(plain, plain + 0.05 * noise[:3]).percentile  # rebuilt well
    assert (found[False] < 20).all() and (found[True] > 95).all()


def test_one_vs_rest_shows_each_detector_its_class_alone() -> None:
    pictures, classes = bars(400)
    data = Pictures("bars", "MIT", pictures[:300], pictures[300:], classes[:300], classes[300:])
    seen: list[int] = []

    def learn(own: Pictures):  # type: ignore[no-untyped-def]
        seen.append(len(own.train) + len(own.test))
        return nearest_on_axes(own)

    assert min(one_vs_rest(data, learn, range(3))) > 0.8
    assert seen == [30] * 3


def test_principal_axes_follow_the_cloud() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(500, 3, generator=generator) * torch.tensor([1.0, 5.0, 0.1]) + 7
    axes = principal_axes(points)
    assert torch.allclose(axes.axes.T @ axes.axes, torch.eye(2), atol=1e-5)
    assert axes.axes[1, 0] > 0.99 and axes.axes[0, 1] > 0.99  # longest first, turned to the positive side
    spread = axes.project(points).std(0)
    assert spread[0] == pytest.approx(5, rel=0.2) and spread[1] == pytest.approx(1, rel=0.2)


def test_quality_of_a_perfect_and_a_noisy_copy() -> None:
    originals = bars(4)[0].expand(4, 3, 28, 28)
    noise = torch.randint(-40, 40, originals.shape, generator=torch.Generator().manual_seed(0))
    noisy = (originals.int() + noise).clamp(0, 255).to(torch.uint8)
    assert torch.allclose(ssim(originals, originals), torch.ones(4))
    assert (psnr(noisy, originals) < 25).all() and (ssim(noisy, originals) < 0.9).all()
    flat = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    assert psnr(flat + 10, flat).item() == pytest.approx(28.13, abs=0.01)  # 20 log10(255 / 10)


@pytest.mark.parametrize("codec", ["webp", "jpeg"])
def test_codecs_take_the_best_quality_that_fits(codec: str) -> None:
    pictures = torch.randint(0, 255, (2, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    small, large = coded(pictures, codec, 900), coded(pictures, codec, 2_000)
    assert (large.sizes <= 2_000).all() and (large.sizes > small.sizes).all()
    assert (psnr(large.pictures, pictures) > psnr(small.pictures, pictures)).all()
    least = coded(pictures, codec, 1)  # nothing is that small: its smallest file
    assert (least.sizes > 1).all() and (least.sizes <= small.sizes).all()
