"""The line: bounded by its owner, one turn per user."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.engine.line import Line

ARRIVALS = st.lists(st.sampled_from("abcd"), max_size=30)


@given(arrivals=ARRIVALS, newcomer=st.sampled_from("abcde"), count=st.integers(1, 5), served=st.integers(0, 10))
def test_the_announced_order_and_position_are_those_that_come_true(
    arrivals: str, newcomer: str, count: int, served: int
) -> None:
    line: Line[int] = Line()
    for i, user in enumerate(arrivals):
        line.append(user, i)
    for _ in range(min(served, len(line))):
        line.pop()
    place, last = line.position(newcomer), line.position(newcomer, count)
    for number in range(1, count + 1):
        line.append(newcomer, -number)
    announced = list(line)
    assert (announced.index(-1) + 1, announced.index(-count) + 1) == (place, last)
    assert [line.pop() for _ in range(len(line))] == announced


@given(arrivals=ARRIVALS)
def test_nobody_is_served_twice_while_another_waits(arrivals: str) -> None:
    line: Line[str] = Line()
    for user in arrivals:
        line.append(user, user)
    order = list(line)
    for i, user in enumerate(order):
        later = order[i + 1 :]
        if user in later:
            between = later[: later.index(user)]
            assert set(later) - {user} <= set(between)


@given(arrivals=ARRIVALS, gone=st.integers(0, 30))
def test_who_leaves_the_line_is_served_no_more(arrivals: str, gone: int) -> None:
    line: Line[int] = Line()
    for i, user in enumerate(arrivals):
        line.append(user, i)
    there = gone < len(arrivals)
    assert line.remove(arrivals[gone] if there else "a", gone) == there
    assert sorted(line) == [i for i in range(len(arrivals)) if i != gone]
    assert len(line) == len(arrivals) - there
