"""The models' command line: ``python -m models train|evaluate|sample|list|promote|rollback|data``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
from collections.abc import Generator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import torch
from dotenv import load_dotenv
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from models.checkpoint import Card, Checkpoint, CheckpointError, Store
from models.configuration import ConfigurationError
from models.data import SETS, DataError, get, listing
from models.registry import Family, UnknownModelError, resolve
from models.training import Progress, Run, Trained, TrainingError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    load_dotenv(".env")  # what the environment says already comes first
    options = parser().parse_args(arguments)
    store = Store(options.home)
    try:
        options.command(options, store)
    except (CheckpointError, ConfigurationError, DataError, TrainingError, UnknownModelError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. A training goes on from its last snapshot with --resume.", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m models", description="Train, measure and manage Prospero's models.")
    top.add_argument("--home", type=Path, default=Path(os.environ.get("PROSPERO_HOME", "var")), help="data home")
    commands = top.add_subparsers(required=True, metavar="command")

    def command(name: str, function: object, help: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help, description=help)
        added.set_defaults(command=function)
        return added

    def device(to: argparse.ArgumentParser) -> None:
        to.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", type=torch.device)

    added = command("train", train, "Train a model and keep it as a new version.")
    added.add_argument("model")
    added.add_argument("--minutes", type=float, help="length of the training; the recipe's when neither is given")
    added.add_argument("--steps", type=int)
    added.add_argument("--seed", type=int, default=0)
    added.add_argument("--data", metavar="name", help="another data set, for example a folder of pictures")
    added.add_argument("--set", action="append", default=[], metavar="key=value", help="change the configuration")
    added.add_argument("--name", help="the version's name; the time when left out")
    added.add_argument("--resume", action="store_true", help="go on from the snapshot of an interrupted training")
    added.add_argument("--compile", action="store_true", help="compile the network first (needs a C++ compiler)")
    added.add_argument("--json", action="store_true", help="progress as JSON lines instead of a bar")
    device(added)

    added = command("evaluate", evaluate, "Measure a version on held-out data and print JSON.")
    added.add_argument("model")
    added.add_argument("--version")
    added.add_argument("--quick", action="store_true", help="on a part of the data")
    added.add_argument("--annotate", action="store_true", help="write the figures on the version's card")
    device(added)

    added = command("sample", sample, "Write samples of a version to a file.")
    added.add_argument("model")
    added.add_argument("--version")
    added.add_argument("--count", type=int, default=16)
    added.add_argument("--seed", type=int, default=0)
    added.add_argument("-o", "--out", type=Path, required=True)
    device(added)

    command("list", show, "List the models and their versions.")

    added = command("promote", promote, "Let a version serve.")
    added.add_argument("model")
    added.add_argument("version")

    added = command("rollback", rollback, "Let the version serve again that served before.")
    added.add_argument("model")

    added = command("data", data, "List the data sets, or get one.")
    added.add_argument("action", choices=("list", "get"))
    added.add_argument("name", nargs="?", help="the data set to get")
    return top


def train(options: argparse.Namespace, store: Store) -> None:
    family, recipe = resolve(options.model)
    changed = dict(pair.partition("=")[::2] for pair in options.set)
    recipe = replace(recipe, config={**recipe.config, **changed})
    if options.data:
        licence = SETS[options.data].licence if options.data in SETS else "the operator's own"
        recipe = replace(recipe, dataset=options.data, licence=licence)
    minutes = options.minutes if options.minutes or options.steps else recipe.minutes
    run = Run(
        folder=options.home / "training" / recipe.model,
        device=options.device,
        seed=options.seed,
        steps=options.steps,
        minutes=minutes,
        compile=options.compile,
    )
    if run.snapshot.exists() and not options.resume:
        raise TrainingError(f"A training of {recipe.model} is unfinished: add --resume, or delete {run.folder} first.")
    trained = _drive(family.train(recipe, run), as_json=options.json)
    created = datetime.now(UTC)
    words = ["python", "-m", "models", "train", recipe.model, "--seed", str(options.seed)]
    words += ["--steps", str(options.steps)] if options.steps else ["--minutes", f"{minutes:g}"]
    words += ["--data", options.data] if options.data else []
    words += [word for pair in options.set for word in ("--set", pair)]
    card = Card(
        model=recipe.model,
        version=options.name or created.strftime("%Y%m%d-%H%M%S"),
        family=family.name,
        config=trained.config,
        parameters=sum(p.numel() for p in trained.network.parameters()),
        dataset={"name": recipe.dataset, "licence": recipe.licence},
        training={
            "command": shlex.join(words),
            "seed": options.seed,
            "steps": run.step,
            "seconds": round(run.seconds),
            "hardware": f"{platform.machine()}, {torch.get_num_threads()} threads, {options.device.type}",
        },
        created=created.isoformat(timespec="seconds"),
    )
    version = store.save(card, trained.network.state_dict(), lambda beside: _draw_sheet(family, beside, options.device))
    run.discard()
    print(f"{card.model}@{card.version} is written to {version.path}.", file=sys.stderr)
    _measure(family, version, options.device, store, quick=False, annotate=True)


def _drive(steps: Generator[Progress, None, Trained], as_json: bool) -> Trained:
    with Bar(
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), disable=as_json, transient=True
    ) as bar:
        task = bar.add_task("training", total=1.0)
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if as_json:
                print(json.dumps(asdict(progress), default=str), flush=True)
            else:
                figures = {**progress.losses, **progress.metrics}
                line = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
                bar.print(f"step {progress.step:>6}  {line}")
                bar.update(task, completed=progress.fraction)


def _draw_sheet(family: Family, version: Checkpoint, device: torch.device) -> None:
    family.sample(version, version.path / family.sheet, family.sheet_count, 0, device)


def evaluate(options: argparse.Namespace, store: Store) -> None:
    family, recipe = resolve(options.model)
    version = store.open(recipe.model, options.version)
    _measure(family, version, options.device, store, options.quick, options.annotate)


def _measure(
    family: Family, version: Checkpoint, device: torch.device, store: Store, quick: bool, annotate: bool
) -> None:
    metrics = {name: asdict(metric) for name, metric in family.evaluate(version, device, quick).items()}
    print(json.dumps({"model": version.model, "version": version.version, "metrics": metrics}, indent=2))
    if annotate:
        command = f"python -m models evaluate {version.model} --version {version.version}"
        figures = {name: {**metric, "command": command} for name, metric in metrics.items()}
        store.annotate(version, replace(version.card, metrics=figures))


def sample(options: argparse.Namespace, store: Store) -> None:
    family, recipe = resolve(options.model)
    family.sample(store.open(recipe.model, options.version), options.out, options.count, options.seed, options.device)


def show(options: argparse.Namespace, store: Store) -> None:
    for model in store.models():
        current = store.current(model)
        for version in store.versions(model):
            card = store.open(model, version).card
            figures = "  ".join(f"{name} {metric['value']:.4g}" for name, metric in card.metrics.items())
            print(f"{'*' if version == current else ' '} {model}@{version}  {card.parameters / 1e6:.1f} M  {figures}")


def promote(options: argparse.Namespace, store: Store) -> None:
    store.promote(options.model, options.version)


def rollback(options: argparse.Namespace, store: Store) -> None:
    print(f"{options.model} serves {store.rollback(options.model)} again.", file=sys.stderr)


def data(options: argparse.Namespace, store: Store) -> None:
    if options.action == "get":
        if not options.name:
            raise DataError("Say which data set to get: python -m models data get digits")
        print(*get(options.name), sep="\n")
    else:
        for name, state in listing():
            print(f"{name:<16}{state}")


if __name__ == "__main__":
    sys.exit(main())
