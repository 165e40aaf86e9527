"""The benchmarks' command: ``python -m benchmarks text`` or ``python -m benchmarks http``."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import http, text


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Prospero's benchmarks.")
    parser.add_argument("what", choices=("text", "http"))
    parser.add_argument("--home", type=Path, default=Path("var"), help="folder of versions trained here (var)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each thing is measured (5)")
    parser.add_argument("--threads", type=int, default=0, help="threads to compute with; 0: one for each core")
    flags = parser.parse_args()
    {"text": text.run, "http": http.run}[flags.what](flags.home, flags.rounds, flags.threads)


if __name__ == "__main__":
    main()
