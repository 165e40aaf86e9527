"""Kernels: one step of a GPT for many texts on a graphics card, in Triton (Tillet, Kung & Cox 2019).

Each program computes ``ROWS`` texts, or a single one, and always sums in the same order, whatever else is in the step:
a text's numbers depend on nothing but the text. Products are accumulated in float32.

Shapes: B texts of a step (a multiple of ROWS), C width, H query heads, G key/value heads, D head size, W ring length,
M hidden width, V vocabulary, S slots, K steps of a block. ``given`` (2 + 2K + 3, B) int32 holds, in this order: slots,
positions, K tokens (-1: the one drawn before), and as bits of float32 K uniform numbers, temperature, top-k and top-p.
"""

# mypy: ignore-errors

from __future__ import annotations

import triton
import triton.language as tl

ROWS = tl.constexpr(16)  # the least that matrix units multiply
NOTHING = tl.constexpr(1e-6)  # added to mean squares


@triton.jit(do_not_specialize=["step"])
def begin(given, drawn, embedding, x, step, rows, C: tl.constexpr, BLOCK_C: tl.constexpr):
    """x (B, C): the embeddings of the step's tokens. One program for each text."""
    row = tl.program_id(0)
    token = tl.load(given + (2 + step) * rows + row)
    before = tl.load(drawn + (step - 1) * rows + row, mask=step > 0, other=0)
    token = tl.where(token < 0, tl.maximum(before, 0), token)
    columns = tl.arange(0, BLOCK_C)
    inside = columns < C
    tl.store(x + row * C + columns, tl.load(embedding + token * C + columns, mask=inside), mask=inside)


@triton.jit
def inverse_rms(x, r, C: tl.constexpr, BLOCK_C: tl.constexpr):
    """(ROWS,): what rows of x (B, C) are to be multiplied by to have a mean square of one."""
    columns = tl.arange(0, BLOCK_C)
    whole = tl.load(x + r[:, None] * C + columns[None, :], mask=columns[None, :] < C, other=0.0)
    return tl.rsqrt(tl.sum(whole * whole, 1) / C + NOTHING)


@triton.jit
def normalised(x, norm, scale, r, c, C: tl.constexpr):
    """Columns c of rows r of x (B, C), scaled by the rows' scale and the norm's weights (C,)."""
    inside = c < C
    part = tl.load(x + r[:, None] * C + c[None, :], mask=inside[None, :], other=0.0) * scale[:, None]
    return part * tl.load(norm + c, mask=inside, other=0.0)[None, :]


@triton.jit(do_not_specialize=["step"])
def project(
    given,
    x,
    norm,
    weight,
    frequencies,
    queries,
    keys,
    values,
    step,
    rows,
    C: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK: tl.constexpr,
    H: tl.constexpr,
    G: tl.constexpr,
    HALF: tl.constexpr,
    W: tl.constexpr,
    EXACT: tl.constexpr,
):
    """Queries (B, H, D), and keys and values into their rings (S, G, W, D). A program for ROWS texts and a head."""
    r = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    head = tl.program_id(1)
    D: tl.constexpr = 2 * HALF
    half = tl.arange(0, HALF)
    scale = inverse_rms(x, r, C, BLOCK_C)
    first = tl.zeros((ROWS, HALF), tl.float32)
    second = tl.zeros((ROWS, HALF), tl.float32)
    for start in range(0, C, BLOCK):
        c = start + tl.arange(0, BLOCK)
        inside = c < C
        part = normalised(x, norm, scale, r, c, C).to(weight.dtype.element_ty)
        column = weight + (head * D + half)[None, :] * C + c[:, None]
        first = tl.dot(part, tl.load(column, mask=inside[:, None], other=0.0), first, input_precision=EXACT)
        column += HALF * C
        second = tl.dot(part, tl.load(column, mask=inside[:, None], other=0.0), second, input_precision=EXACT)
    position = tl.load(given + rows + r) + step
    if head < H + G:  # queries and keys are normalised and turned
        square = tl.sum(first * first, 1) + tl.sum(second * second, 1)
        scale = tl.rsqrt(square / D + NOTHING)
        first = first * scale[:, None]
        second = second * scale[:, None]
        angle = position.to(tl.float32)[:, None] * tl.load(frequencies + half)[None, :]
        cosine = tl.cos(angle)
        sine = tl.sin(angle)
        turned = first * cosine - second * sine
        second = first * sine + second * cosine
        first = turned
    if head < H:
        to = queries + (r * H + head)[:, None] * D + half[None, :]
    else:
        slot = tl.load(given + r).to(tl.int64)
        group = head - H
        ring = keys
        if head >= H + G:
            group = head - H - G
            ring = values
        to = ring + ((slot * G + group) * W + position % W)[:, None] * D + half[None, :]
    tl.store(to, first.to(weight.dtype.element_ty))
    tl.store(to + HALF, second.to(weight.dtype.element_ty))


@triton.jit(do_not_specialize=["step"])
def attend(
    given,
    queries,
    keys,
    values,
    y,
    step,
    rows,
    H: tl.constexpr,
    G: tl.constexpr,
    D: tl.constexpr,
    W: tl.constexpr,
    PER: tl.constexpr,
    BLOCK: tl.constexpr,
    EXACT: tl.constexpr,
):
    """y (B, H, D): what each head gathers from its ring. A program for a text and a key/value head."""
    row = tl.program_id(0)
    group = tl.program_id(1)
    slot = tl.load(given + row).to(tl.int64)
    length = tl.minimum(tl.load(given + rows + row) + step + 1, W)  # the ring fills up once, then all of it is seen
    head = tl.arange(0, PER)
    own = head < H // G
    d = tl.arange(0, D)
    at = (row * H + group * (H // G) + head)[:, None] * D + d[None, :]
    q = tl.load(queries + at, mask=own[:, None], other=0.0)  # (PER, D)
    ring = (slot * G + group) * W
    highest = tl.full((PER,), -float("inf"), tl.float32)
    total = tl.zeros((PER,), tl.float32)
    gathered = tl.zeros((PER, D), tl.float32)
    for start in range(0, length, BLOCK):
        entry = start + tl.arange(0, BLOCK)
        seen = entry < length
        k = tl.load(keys + (ring + entry)[None, :] * D + d[:, None], mask=seen[None, :], other=0.0)  # (D, BLOCK)
        scores = tl.dot(q, k, input_precision=EXACT) * (D**-0.5)
        scores = tl.where(seen[None, :], scores, -float("inf"))
        higher = tl.maximum(highest, tl.max(scores, 1))
        share = tl.exp(scores - higher[:, None])
        faded = tl.exp(highest - higher)
        v = tl.load(values + (ring + entry)[:, None] * D + d[None, :], mask=seen[:, None], other=0.0)  # (BLOCK, D)
        gathered = tl.dot(share.to(v.dtype), v, gathered * faded[:, None], input_precision=EXACT)
        total = total * faded + tl.sum(share, 1)
        highest = higher
    tl.store(y + at, (gathered / total[:, None]).to(y.dtype.element_ty), mask=own[:, None])


@triton.jit
def add_product(
    x, y, weight, C: tl.constexpr, N: tl.constexpr, COLUMNS: tl.constexpr, BLOCK: tl.constexpr, EXACT: tl.constexpr
):
    """x (B, C) += y (B, N) weight (C, N)^T. A program for ROWS texts and some columns."""
    r = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    c = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    kept = c < C
    found = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(0, N, BLOCK):
        n = start + tl.arange(0, BLOCK)
        inside = n < N
        part = tl.load(y + r[:, None] * N + n[None, :], mask=inside[None, :], other=0.0)
        matrix = tl.load(weight + c[None, :] * N + n[:, None], mask=inside[:, None] & kept[None, :], other=0.0)
        found = tl.dot(part, matrix, found, input_precision=EXACT)
    at = x + r[:, None] * C + c[None, :]
    tl.store(at, tl.load(at, mask=kept[None, :], other=0.0) + found, mask=kept[None, :])


@triton.jit
def gate(
    x,
    norm,
    weight,
    h,
    C: tl.constexpr,
    BLOCK_C: tl.constexpr,
    M: tl.constexpr,
    COLUMNS: tl.constexpr,
    BLOCK: tl.constexpr,
    EXACT: tl.constexpr,
):
    """h (B, M): SwiGLU of the normalised x (B, C) with gate and up weights (2M, C)."""
    r = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    m = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    kept = m < M
    scale = inverse_rms(x, r, C, BLOCK_C)
    opened = tl.zeros((ROWS, COLUMNS), tl.float32)
    lifted = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(0, C, BLOCK):
        c = start + tl.arange(0, BLOCK)
        inside = c < C
        part = normalised(x, norm, scale, r, c, C).to(weight.dtype.element_ty)
        there = inside[:, None] & kept[None, :]
        column = weight + m[None, :] * C + c[:, None]
        opened = tl.dot(part, tl.load(column, mask=there, other=0.0), opened, input_precision=EXACT)
        column += M * C
        lifted = tl.dot(part, tl.load(column, mask=there, other=0.0), lifted, input_precision=EXACT)
    found = opened / (1 + tl.exp(-opened)) * lifted
    tl.store(h + r[:, None] * M + m[None, :], found.to(h.dtype.element_ty), mask=kept[None, :])


@triton.jit(do_not_specialize=["step"])
def predict(
    x,
    norm,
    weight,
    logits,
    step,
    rows,
    C: tl.constexpr,
    BLOCK_C: tl.constexpr,
    V: tl.constexpr,
    COLUMNS: tl.constexpr,
    BLOCK: tl.constexpr,
    EXACT: tl.constexpr,
):
    """logits (K, B, V) of the step."""
    r = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    v = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    kept = v < V
    scale = inverse_rms(x, r, C, BLOCK_C)
    found = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(0, C, BLOCK):
        c = start + tl.arange(0, BLOCK)
        inside = c < C
        part = normalised(x, norm, scale, r, c, C).to(weight.dtype.element_ty)
        matrix = tl.load(weight + v[None, :] * C + c[:, None], mask=inside[:, None] & kept[None, :], other=0.0)
        found = tl.dot(part, matrix, found, input_precision=EXACT)
    tl.store(logits + (step * rows + r)[:, None] * V + v[None, :], found, mask=kept[None, :])


@triton.jit(do_not_specialize=["step"])
def choose(given, uniform, logits, drawn, step, rows, K: tl.constexpr, V: tl.constexpr, BLOCK_V: tl.constexpr):
    """drawn (K, B): the step's characters, as worker.engine.sampling draws them; -1 where there is no distribution.

    ``uniform`` points to the numbers in ``given`` that are float32. Instead of sorting, every character is compared
    with every other one: its rank is how many are likelier.
    """
    row = tl.program_id(0)
    v = tl.arange(0, BLOCK_V)
    goal = tl.load(uniform + (2 + K + step) * rows + row)
    heat = tl.load(uniform + (2 + 2 * K) * rows + row)
    top_k = tl.load(uniform + (3 + 2 * K) * rows + row)
    top_p = tl.load(uniform + (4 + 2 * K) * rows + row)
    score = tl.load(logits + (step * rows + row) * V + v, mask=v < V, other=-float("inf")) / heat  # (V,)
    likelier = (score[None, :] > score[:, None]) | ((score[None, :] == score[:, None]) & (v[None, :] < v[:, None]))
    rank = tl.sum(likelier.to(tl.int32), 1)  # (V,)
    weight = tl.exp(score - tl.max(score, 0))
    weight = tl.where(rank.to(tl.float32) < top_k, weight / tl.sum(weight, 0), 0.0)
    before = rank[None, :] <= rank[:, None]  # (V, V): of what is summed up to a character's rank
    reached = tl.sum(tl.where(before, weight[None, :], 0.0), 1)
    weight = tl.where(reached - weight >= top_p * tl.max(reached, 0), 0.0, weight)
    reached = tl.sum(tl.where(before, weight[None, :], 0.0), 1)
    total = tl.max(reached, 0)
    picked = tl.sum((reached < goal * total).to(tl.int32), 0)
    token = tl.sum(tl.where(rank == picked, v, 0), 0)
    lost = tl.sum((score != score).to(tl.int32), 0) > 0
    tl.store(drawn + step * rows + row, tl.where(lost, -1, token))
