"""The kernels compile for graphics cards, which takes none, and fit in the memory that the smaller ones share.

Triton compiles in a process of its own: in the tests' it interprets.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SHARED = 99 * 1024  # bytes that a program may share on consumer cards since Ampere (CUDA C++ Programming Guide)
KINDS = {
    "*i32": ("given", "drawn"),
    "*fp32": ("x", "norm", "embedding", "frequencies", "logits", "uniform"),
    "i32": ("step", "rows"),
}


@pytest.mark.parametrize("capability", [80, 90])
def test_every_kernel_compiles_for_the_gpt_that_ships(capability: int) -> None:
    pytest.importorskip("triton", reason="needs Triton")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    environment.pop("TRITON_INTERPRET", None)
    command = [sys.executable, str(Path(__file__).resolve()), str(capability)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shared = json.loads(done.stdout)
    assert len(shared) == 2 * 7
    assert max(shared.values()) <= SHARED, shared


def compile_all(capability: int) -> dict[str, int]:
    """Bytes that each kernel shares, in both precisions."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from models import fused, kernels
    from models.gpt import Config

    c, target = Config(), GPUTarget("cuda", capability, 32)
    shared = {}
    for precision, exact in (("*bf16", "tf32"), ("*fp32", "ieee")):
        constants: dict[str, Any] = {
            "C": c.width, "BLOCK_C": fused.power(c.width), "N": c.hidden, "M": c.hidden, "V": len(c.vocabulary),
            "H": c.heads, "G": c.kv_heads, "D": c.head_size, "HALF": c.head_size // 2, "W": c.context, "PER": 16,
            "BLOCK": fused.BLOCK, "COLUMNS": fused.COLUMNS, "EXACT": exact, "K": fused.STEPS, "BLOCK_V": 128,
        }  # fmt: skip
        for name in ("begin", "project", "attend", "add_product", "gate", "predict", "choose"):
            kernel = getattr(kernels, name)
            kinds = {argument: kind for kind, arguments in KINDS.items() for argument in arguments}
            signature = {
                argument: "constexpr" if argument in constants else kinds.get(argument, precision)
                for argument in kernel.arg_names
            }
            given = {(i,): constants[a] for i, a in enumerate(kernel.arg_names) if a in constants}
            compiled = triton.compile(ASTSource(kernel, signature, given), target=target)
            shared[f"{name} in {precision}"] = compiled.metadata.shared
    return shared


if __name__ == "__main__":
    print(json.dumps(compile_all(int(sys.argv[1]))))
