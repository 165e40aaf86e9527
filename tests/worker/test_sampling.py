"""Drawing characters: the whole batch at once gives what a plain loop gives for one, and the numbers are fair."""

from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.engine.sampling import Sampler, Sampling, choice_seed
from worker.engine.sequence import Stops

CPU = torch.device("cpu")
ROWS = st.builds(
    Sampling,
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.0]),
    top_k=st.integers(0, 12),
    top_p=st.floats(0.01, 1.0),
    seed=st.integers(0, 2**63 - 1),
)


def allowed(logits: list[float], row: Sampling) -> set[int]:
    """The characters that may be drawn, by the plain definitions of top-k and top-p."""
    order = sorted(range(len(logits)), key=lambda i: (-logits[i], i))
    if row.temperature == 0:
        return {order[0]}
    weights = [math.exp((logits[i] - logits[order[0]]) / row.temperature) for i in order[: row.top_k or len(order)]]
    kept, mass = set(), 0.0
    for i, weight in zip(order, weights, strict=False):
        if mass >= row.top_p * sum(weights) + 1e-6:
            break
        kept.add(i)
        mass += weight
    return kept


@settings(deadline=None)
@given(rows=st.lists(ROWS, min_size=1, max_size=8), seed=st.integers(0, 1_000), counter=st.integers(0, 10_000))
def test_only_allowed_characters_are_drawn_and_company_changes_nothing(
    rows: list[Sampling], seed: int, counter: int
) -> None:
    logits = torch.randn(len(rows), 10, generator=torch.Generator().manual_seed(seed)) * 3
    drawn = Sampler(rows, 10, CPU).draw(logits, [counter] * len(rows))
    for i, row in enumerate(rows):
        assert drawn[i] in allowed(logits[i].tolist(), row)
        assert Sampler([row], 10, CPU).draw(logits[i : i + 1], [counter]) == [drawn[i]]


def test_draws_follow_the_distribution() -> None:
    probabilities = torch.tensor([0.5, 0.3, 0.15, 0.05])
    count = 20_000
    sampler = Sampler([Sampling(seed=seed) for seed in range(count)], 4, CPU)
    drawn = sampler.draw(probabilities.log().expand(count, 4), [7] * count)
    frequencies = np.bincount(drawn, minlength=4) / count
    assert np.abs(frequencies - probabilities.numpy()).max() < 0.015  # four standard deviations


def test_numbers_along_a_text_are_uniform_and_independent_of_the_next_seed() -> None:
    numbers = np.array([Sampler([Sampling(seed=3), Sampling(seed=4)], 4, CPU).uniform([i, i]) for i in range(4_000)])
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts, _ = np.histogram(numbers[:, 0], bins=20, range=(0, 1))
    assert np.abs(counts - 200).max() < 60  # four standard deviations
    assert abs(np.corrcoef(numbers.T)[0, 1]) < 0.07
    assert abs(np.corrcoef(numbers[1:, 0], numbers[:-1, 0])[0, 1]) < 0.07


def test_logits_that_are_no_numbers_are_told_apart() -> None:
    logits = torch.zeros(3, 5)
    logits[1, 2] = torch.nan
    logits[2, 2] = torch.inf
    drawn = Sampler([Sampling()] * 3, 5, CPU).draw(logits, [0, 0, 0])
    assert drawn[0] >= 0
    assert drawn[1:] == [-1, -1]


@given(seed=st.integers(0, 2**63 - 1))
def test_choices_have_seeds_of_their_own(seed: int) -> None:
    seeds = [choice_seed(seed, i) for i in range(16)]
    assert seeds[0] == seed
    assert len(set(seeds)) == 16
    assert all(0 <= s < 2**63 for s in seeds)


@given(text=st.text("ab", max_size=40), strings=st.lists(st.text("ab", min_size=1, max_size=4), max_size=4))
def test_stop_strings_are_found_where_they_first_end(text: str, strings: list[str]) -> None:
    stops = Stops(strings)
    for end in range(1, len(text) + 1):
        found, possible = stops.advance(text[end - 1])
        ending = [len(string) for string in strings if text[:end].endswith(string)]
        assert found == max(ending, default=0)
        if found:
            return
        begun = [
            length for string in strings for length in range(1, len(string)) if text[:end].endswith(string[:length])
        ]
        assert possible == max(begun, default=0)
