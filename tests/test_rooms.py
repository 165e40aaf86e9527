"""The rooms stay rooms: each package, imported in a fresh interpreter, brings nothing that it must not."""

import subprocess
import sys

import pytest

FORBIDDEN = {
    "bot": {"torch", "models", "sandbox"},
    "worker": {"discord", "bot", "sandbox"},
    "models": {"discord", "aiohttp", "bot", "worker", "sandbox"},
    "sandbox": {"torch", "models", "bot"},
}


def modules_after_importing(package: str) -> set[str]:
    script = f"""
import importlib, pkgutil, sys
root = importlib.import_module({package!r})
for module in pkgutil.walk_packages(root.__path__, root.__name__ + "."):
    importlib.import_module(module.name)
print(*sorted(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=110)
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_imports_nothing_of_the_others(package: str) -> None:
    assert modules_after_importing(package).isdisjoint(FORBIDDEN[package])
