"""The benchmarks' command: ``python -m benchmarks text``, ``http``, ``images``, ``bot`` or ``train``.

Each prints one table and ends; ``python -m benchmarks bot --help`` lists what a benchmark can be told.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from models.data import DataError


def main() -> None:
    flags = vars(parse_flags())
    try:
        importlib.import_module(f"benchmarks.{flags.pop('what')}").run(**flags)
    except DataError as error:
        sys.exit(str(error))


def parse_flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Prospero's benchmarks.")
    threads = argparse.ArgumentParser(add_help=False)
    threads.add_argument("--threads", type=int, default=0, help="threads to compute with; 0: one for each core (0)")
    rounds = argparse.ArgumentParser(add_help=False)
    rounds.add_argument("--rounds", type=int, default=5, help="how often each thing is measured (5)")
    home = argparse.ArgumentParser(add_help=False)
    home.add_argument("--home", type=Path, default=Path("var"), help="folder of versions trained here (var)")
    kinds = parser.add_subparsers(dest="what", required=True, metavar="text|http|images|bot|train")
    kinds.add_parser("text", parents=[home, rounds, threads], help="the text engine beside what else writes")
    kinds.add_parser("http", parents=[home, rounds, threads], help="many people's texts over HTTP")
    kinds.add_parser("images", parents=[home, rounds, threads], help="many people's pictures over HTTP")
    bot = kinds.add_parser("bot", parents=[rounds], help="what the bot adds to the model's own time")
    bot.add_argument("--people", type=int, nargs="+", default=[1, 10, 50, 100], help="at once (1 10 50 100)")
    train = kinds.add_parser("train", parents=[threads], help="our GPT's recipe beside a plain GPT's")
    train.add_argument("--target", type=float, default=1.88, help="nats/char at which the clock stops (1.88)")
    train.add_argument("--minutes", type=float, default=30.0, help="budget of each training (30)")
    train.add_argument("--quick", action="store_true", help="small networks, to see in two minutes that it works")
    return parser.parse_args()


if __name__ == "__main__":
    main()
