"""The models' command line: ``python -m models train|evaluate|compare|sample|list|promote|rollback|data``.

A training ends with SIGTERM, with Ctrl-C, or, when ``PROSPERO_LEASH`` is set, with the end of its standard input, which
is how a parent makes sure that none outlives it; its last snapshot stays.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import redirect_stdout, suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import torch
from dotenv import dotenv_values
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from models import arguments, neighbours
from models.checkpoint import SHIPPED, Card, Checkpoint, CheckpointError, Store
from models.comparison import compare_versions, measure
from models.configuration import ConfigurationError
from models.cores import cores
from models.data import DataError, get, licence, listing, look_in
from models.failures import Failure, explain
from models.intake import add
from models.registry import Family, families, resolve
from models.training import Progress, Run, Trained, TrainingError, finish

GROUP = Path("/proc/self/autogroup")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    try:
        for name, value in dotenv_values(".env").items():
            if name.startswith("PROSPERO_") and value is not None:  # the bot's token is not for what opens pictures
                os.environ.setdefault(name, value)
    except UnicodeDecodeError:
        print(".env is not UTF-8 text; save it as such.", file=sys.stderr)
        return 1
    options = parser().parse_args(arguments)
    look_in(options.home)
    store = Store(options.home, options.shipped)
    options.stdout = sys.stdout
    printed = sys.stderr if getattr(options, "json", False) else sys.stdout  # by whom it may be, such as a plug-in
    try:
        with redirect_stdout(printed):
            options.command(options, store)
        return 0
    except KeyboardInterrupt:
        failure = Failure("interrupted", "Stopped. A training goes on from its last snapshot with --resume.")
    except Exception as error:
        explained = explain(error)
        if explained is None:  # a fault of ours
            raise
        failure = explained
    if getattr(options, "json", False):
        say(options, {"error": asdict(failure)})
    print(failure.message, file=sys.stderr)
    return 130 if failure.code == "interrupted" else 1


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m models", description="Train, measure and manage Prospero's models.")
    top.add_argument("--home", type=Path, default=Path(os.environ.get("PROSPERO_HOME") or "var"), help="data home")
    shipped = Path(os.environ.get("PROSPERO_SHIPPED") or SHIPPED)
    top.add_argument("--shipped", type=Path, default=shipped, help="folder of the versions that came with Prospero")
    commands = top.add_subparsers(required=True, metavar="command")

    def command(name: str, function: object, help: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help, description=help)
        added.set_defaults(command=function)
        return added

    def modest(to: argparse.ArgumentParser) -> None:
        to.add_argument("--background", action="store_true", help="last in line, and leave a core to others")

    def machine(to: argparse.ArgumentParser) -> None:
        to.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", type=arguments.device)
        to.add_argument(
            "--memory-share", type=arguments.share, metavar="share", help="of the graphics card's memory, at most"
        )
        modest(to)

    added = command("train", train, "Train a model and keep it as a new version.")
    added.add_argument("model")
    added.add_argument(
        "--minutes", type=arguments.minutes, help="length of the training; the recipe's when neither is given"
    )
    added.add_argument("--steps", type=arguments.count)
    added.add_argument("--seed", type=arguments.seed, default=0)
    added.add_argument(
        "--start", default="scratch", metavar="scratch|current|version", help="the weights to begin with"
    )
    added.add_argument("--data", metavar="name", help="another data set, for example a folder of pictures")
    added.add_argument("--balance", choices=("none", "latent"), help="whether to show rare pictures more often")
    added.add_argument("--set", action="append", default=[], metavar="key=value", help="change the configuration")
    added.add_argument("--name", help="the version's name; the time when left out")
    added.add_argument("--resume", action="store_true", help="go on from the snapshot of an interrupted training")
    added.add_argument("--folder", type=Path, help="where the snapshot is kept")
    added.add_argument(
        "--report-every", type=arguments.pause, default=60.0, metavar="seconds", help="between reports and snapshots"
    )
    added.add_argument("--samples", type=Path, metavar="folder", help="keep the picture of every report there")
    added.add_argument("--unmeasured", action="store_true", help="leave the figures to a later evaluate or compare")
    added.add_argument("--compile", action="store_true", help="compile the network first (needs a C++ compiler)")
    added.add_argument("--json", action="store_true", help="progress as JSON lines instead of a bar")
    machine(added)

    added = command("evaluate", evaluate, "Measure a version on held-out data and print JSON.")
    added.add_argument("model")
    added.add_argument("--version")
    added.add_argument("--data", metavar="name", help="another data set than the one it was trained on")
    added.add_argument("--quick", action="store_true", help="on a part of the data")
    added.add_argument("--annotate", action="store_true", help="write the figures on the version's card")
    machine(added)

    added = command("compare", compare, "Measure two versions on the same held-out data and print JSON.")
    added.add_argument("model")
    added.add_argument("version")
    added.add_argument("against", nargs="?", help="the version that serves when left out")
    added.add_argument("--data", metavar="name", help="another data set than the one that the first was trained on")
    added.add_argument("--quick", action="store_true", help="on a part of the data")
    added.add_argument("--annotate", action="store_true", help="write its figures on the first version's card")
    added.add_argument("--json", action="store_true", help="errors as JSON, too")
    machine(added)

    added = command("sample", sample, "Write samples of a version to a file.")
    added.add_argument("model")
    added.add_argument("--version")
    added.add_argument("--count", type=arguments.count, default=16)
    added.add_argument("--seed", type=arguments.seed, default=0)
    added.add_argument("-o", "--out", type=Path, required=True)
    added.add_argument(
        "--neighbours", action="store_true", help="beside each picture the training pictures most like it"
    )
    machine(added)

    command("list", show, "List the models and their versions.")

    added = command("promote", promote, "Let a version serve.")
    added.add_argument("model")
    added.add_argument("version")

    added = command("rollback", rollback, "Let the version serve again that served before.")
    added.add_argument("model")

    added = command("data", data, "List the data sets, get one, or add one of your own.")
    added.add_argument("action", choices=("list", "get", "add"))
    added.add_argument("name", nargs="?", help="the data set to get or add")
    added.add_argument("file", nargs="?", type=Path, help="to add: a zip of pictures, or a text")
    added.add_argument("--sheet", type=Path, help="to add: where to draw some of the pictures")
    added.add_argument("--json", action="store_true", help="what was found, and errors, as JSON")
    modest(added)
    return top


def train(options: argparse.Namespace, store: Store) -> None:
    settle(options)
    family, recipe = resolve(options.model)
    recipe = recipe.on(options.device)
    if options.name:
        store.check_new(recipe.model, options.name)  # now, not after hours of training
    changes = dict(pair.partition("=")[::2] for pair in options.set)
    recipe, start = family.begin(recipe, store, options.start, changes, options.balance)
    if options.data and options.data != recipe.dataset:
        recipe = replace(recipe, dataset=options.data, licence="")
    settings = asdict(family.config.parse(recipe.config))
    minutes = options.minutes if options.minutes or options.steps else recipe.minutes
    run = Run(
        folder=options.folder or options.home / "training" / recipe.model,
        device=options.device,
        seed=options.seed,
        steps=options.steps,
        minutes=minutes,
        report_every=options.report_every,
        start=start,
        compile=options.compile,
        options=(f"--data {recipe.dataset}", *(f"--set {shlex.quote(f'{k}={v}')}" for k, v in settings.items())),
    )
    if run.snapshot.exists() and not options.resume:
        raise TrainingError(f"A training of {recipe.model} is unfinished: add --resume, or delete {run.folder} first.")
    if options.resume and not run.snapshot.exists():
        raise TrainingError(f"No unfinished training of {recipe.model} is in {run.folder}: leave --resume out.")
    run.folder.mkdir(parents=True, exist_ok=True)  # where nothing can be written, this says so before any work
    trained = _drive(family.train(recipe, run), options)
    trained.check()
    created = datetime.now(UTC)
    words = ["python", "-m", "models", "train", recipe.model, "--seed", str(options.seed)]
    words += ["--steps", str(options.steps)] if options.steps else []
    words += ["--minutes", f"{minutes:g}"] if minutes else []
    words += ["--start", start.version] if start else []
    words += ["--data", options.data] if options.data else []
    words += ["--balance", options.balance] if options.balance else []
    words += [word for pair in options.set for word in ("--set", pair)]
    words += ["--compile"] if options.compile else []
    words += ["--device", options.device.type]  # the recipe may differ on another
    card = Card(
        model=recipe.model,
        version=options.name or created.strftime("%Y%m%d-%H%M%S"),
        family=family.name,
        config=trained.config,
        parameters=sum(p.numel() for p in trained.network.parameters()),
        dataset={"name": recipe.dataset, "licence": recipe.licence or licence(recipe.dataset)},
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
    if not options.unmeasured:
        figures = measure(family, version, options.device)
        store.annotate(version, version.card.measured(figures, f"--version {version.version}"))
        told = {"model": version.model, "version": version.version, "metrics": figures}
        say(options, told, None if options.json else 2)


def settle(options: argparse.Namespace) -> None:
    """Take only what the options leave to this process of the machine."""
    if options.background:
        os.nice(19)  # the last of all
        with suppress(OSError):  # some kernels lack it or forbid it, others take ten writes a second from all together
            GROUP.write_text("19")  # one that shares the processor out between sessions looks at this instead
        torch.set_num_threads(max(1, cores() - 1))
    if getattr(options, "memory_share", None) and options.device.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(options.memory_share)


def _drive(steps: Generator[Progress, None, Trained], options: argparse.Namespace) -> Trained:
    with Bar(
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), disable=options.json, transient=True
    ) as bar:
        task = bar.add_task("training", total=1.0)

        def report(progress: Progress) -> None:
            if options.samples and progress.sample:
                options.samples.mkdir(parents=True, exist_ok=True)
                kept = options.samples / f"{progress.step}{progress.sample.suffix}"
                progress = replace(progress, sample=Path(shutil.copyfile(progress.sample, kept)))
            if options.json:
                say(options, asdict(progress))
            else:
                figures = {**progress.losses, **progress.metrics}
                line = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
                bar.print(f"step {progress.step:>6}  {line}")
                bar.update(task, completed=progress.fraction)

        return finish(steps, report)


def _draw_sheet(family: Family, version: Checkpoint, device: torch.device) -> None:
    if family.sample is not None:
        family.sample(version, version.path / family.sheet, family.sheet_count, 0, device)


def evaluate(options: argparse.Namespace, store: Store) -> None:
    settle(options)
    family, recipe = resolve(options.model)
    version = store.open(recipe.model, options.version)
    figures = measure(family, version, options.device, options.data, options.quick)
    if options.annotate:
        store.annotate(version, version.card.measured(figures, measured_as(version, options)))
    say(options, {"model": version.model, "version": version.version, "metrics": figures}, indent=2)


def measured_as(version: Checkpoint, options: argparse.Namespace) -> str:
    """The options that measure a version again as these do."""
    data = f" --data {options.data}" if options.data else ""
    return f"--version {version.version}{data}{' --quick' if options.quick else ''}"


def compare(options: argparse.Namespace, store: Store) -> None:
    settle(options)
    family, recipe = resolve(options.model)
    new = store.open(recipe.model, options.version)
    against = store.open(recipe.model, options.against)
    comparison = compare_versions(family, new, against, options.device, options.data, options.quick)
    say(options, asdict(comparison), None if options.json else 2)
    if options.annotate and new.version in comparison.metrics:
        try:
            store.annotate(new, new.card.measured(comparison.metrics[new.version], measured_as(new, options)))
        except OSError as error:  # of a full disk: what was measured is told all the same
            print(f"The card of {new.model}@{new.version} cannot be written ({error.strerror}).", file=sys.stderr)


def sample(options: argparse.Namespace, store: Store) -> None:
    settle(options)
    family, recipe = resolve(options.model)
    version = store.open(recipe.model, options.version)
    if options.neighbours:
        neighbours.show(family, version, options.out, options.count, options.seed, options.device)
    elif family.sample is not None:
        family.sample(version, options.out, options.count, options.seed, options.device)
    else:
        raise ConfigurationError(f"Models of the family {family.name} only measure; sample one that makes something.")


def show(options: argparse.Namespace, store: Store) -> None:
    for model in store.models():
        current = store.serving(model)
        for version in store.versions(model):
            try:
                card = store.open(model, version).card
            except CheckpointError as error:
                print(f"! {error}")
                continue
            figures = "  ".join(f"{name} {metric['value']:.4g}" for name, metric in card.metrics.items())
            print(f"{'*' if version == current else ' '} {model}@{version}  {card.parameters / 1e6:.1f} M  {figures}")


def promote(options: argparse.Namespace, store: Store) -> None:
    store.promote(called(options.model), options.version)


def rollback(options: argparse.Namespace, store: Store) -> None:
    model = called(options.model)
    print(f"{model} serves {store.rollback(model)} again.", file=sys.stderr)


def called(name: str) -> str:
    """The model meant by a family's name, or of that name, whose plug-in need not be installed any more."""
    family = families().get(name)
    return family.default if family else name


def data(options: argparse.Namespace, store: Store) -> None:
    settle(options)
    if options.action == "get":
        if not options.name:
            raise DataError("Say which data set to get: python -m models data get digits")
        print(*get(options.name), sep="\n")
    elif options.action == "add":
        if not options.name or not options.file:
            raise DataError("Say which data set to add, and its file: python -m models data add owls owls.zip")
        found = add(options.file, options.name, options.home, options.sheet)
        say(options, asdict(found), None if options.json else 2)
    else:
        for entry in listing():
            print(f"{entry.name:<16}{entry.note}")


def say(options: argparse.Namespace, message: dict[str, Any], indent: int | None = None) -> None:
    """A message for programs, on standard output, where with --json there is nothing else."""
    print(json.dumps(message, indent=indent, default=str), file=options.stdout, flush=True)


def follow_leash() -> None:
    """End this process when standard input ends, that is, when the parent is gone; the last snapshot is whole."""
    while os.read(0, 1024):
        pass
    os._exit(1)


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    os.umask(0o077)  # what people hand in, and what is made of it, is for nobody else on this machine
    signal.signal(signal.SIGTERM, interrupt)
    if os.environ.get("PROSPERO_LEASH"):
        threading.Thread(target=follow_leash, name="leash", daemon=True).start()
    sys.exit(main())
