"""Data sets: which there are, where they lie, and how those that may be downloaded get here.

Looked for in the folder that ``PROSPERO_DATA`` names, in the data home's ``data`` (what operators hand in and what was
downloaded), then in ``data`` beside the program. A download is resumed where it broke off, checked against the pinned
SHA-256 of its uncompressed content, and only then renamed into place.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import http.client
import os
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

BESIDE = Path("data")
COLLECTED = "data"  # the folder of the data home that holds the data sets added to it
ATTEMPTS = 3  # a broken connection is taken up again that often
TIMEOUT = 30.0  # seconds without a byte before a connection counts as broken
CHUNK = 2**16


class DataError(Exception):
    """A data set that is missing or damaged; the message says what to do, a code what is wrong where people meet it."""

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


Kind = Literal["pictures", "text"]


class Listed(NamedTuple):
    """A data set that there is, or could be."""

    name: str
    kind: Kind
    note: str  # where it lies, or how to get it


@dataclass(frozen=True)
class Download:
    """A file of a data set that anyone may download."""

    file: str  # below the data folder
    address: str
    sha256: str  # of the content, uncompressed where the file ends in .gz: mirrors differ in the wrapping


@dataclass(frozen=True)
class DataSet:
    """A data set that the recipes know by name."""

    licence: str
    kind: Kind = "pictures"
    file: str = ""  # below the data folder, for what cannot be downloaded; neither: drawn by the project
    downloads: tuple[Download, ...] = ()

    @property
    def files(self) -> list[str]:
        """What it consists of, below the data folder."""
        return [self.file] if self.file else [download.file for download in self.downloads]


def _mnist(part: str, sha256: str) -> Download:
    return Download(f"mnist/{part}.gz", f"https://storage.googleapis.com/cvdf-datasets/mnist/{part}.gz", sha256)


def _play(name: str, sha256: str) -> Download:
    host = "https://raw.githubusercontent.com/martin-gorner/tensorflow-rnn-shakespeare/master"
    return Download(f"shakespeare/plays/{name}.txt", f"{host}/shakespeare/{name}.txt", sha256)


_PLAYS = {  # without those in Tiny Shakespeare's training part, and those that overlap what it holds out
    "1kinghenryiv": "7590d173c0be7dba0e2322b357ad33e5e65375d7af154c4ad4d7350d86652780",
    "1kinghenryvi": "715e55cc52c1150bcc9ae8fb91dd61a0773d76f3750fece25978b9f8783e1d90",
    "2kinghenryiv": "4a9f52f2db3ed3f0c150eefb96e25941a4a0b402addfc559581e9025186e42e5",
    "2kinghenryvi": "b282843daec114f4d0104330a94a700d217ac31ce3e3fa7aa24c3e296d9992f9",
    "allswellthatendswell": "3bad3562a52b3439cb63c6f267f3fb50ef44116eafd2429011ee9908d4b832bb",
    "antonyandcleopatra": "4cecd44a3320f7d66dc04fb0a50c5250b589ae8a7f8990f8eb98086b19595876",
    "asyoulikeit": "eaa3526fe53859f34ecdf255712f9ecf0b2c903451d4755b2edaa2e2599cb0fc",
    "comedyoferrors": "d53fcfe394885515efa22e36ac945702a899908afbc1b827ee3459cfdfca0c78",
    "cymbeline": "b5bb1a49d38e1b62b14d7c35c5d932acf740cc8c7e08fbb76ebb8379bb103b3a",
    "hamlet": "1846810b98f3dce4174a488cd19f3e7ceabff2a4b00487089fbcb2891003d847",
    "juliuscaesar": "d4b1254e22888a272f4245b6af4aa9b9c61fc24798d30cd0287ff9491f4d8f5f",
    "kinghenryv": "62cbcdfd774cdbc30b20032ef5be5ac92d678581612567f0b54d1cdcb7fd59c5",
    "kinghenryviii": "63fc4a4ec60c4c72eac474917d0c234b9fe15d19deda213c857d911a386a3c49",
    "kingjohn": "251870ca2777912eed076fc30ccb32e88784a124b6ef365855bb31a1ebac34a9",
    "kinglear": "674a2725884307c96398440497c889ad8cecccedf5689df85e6b0faabe4e0fe8",
    "loverscomplaint": "28a8c404d06234b70f73bd76dbf80f4228ffd62a686fdffbe0085f70c71cf177",
    "loveslabourslost": "b7521b8ae6d6cff3cd4c709edfb1d9776a40756a9fc0d86d3676ed9f1621269e",
    "macbeth": "339afa674ac54e5038bd610056e87b0ba70f6543b2fbcfea421bfd0fbbc21e7f",
    "merchantofvenice": "54b95ab530e81bfcd03325b6bd7b14d20d1a9d41a38c2d8867c3fa8da1b6292c",
    "merrywivesofwindsor": "85dfbea19962e8d21479debc0f0df48c244f05ec99e0cba9d41da0f01739a16c",
    "midsummersnightsdream": "684b22072f158a7965e942d7e9b633bf7c6c65b14a7b519631bbf2f826349370",
    "muchadoaboutnothing": "fad832e284ccabb6fcb5dc3dd34d2636a07358d6474f10eed8e9ed98050208ee",
    "othello": "e1590d00e121e53587157fa952e0da4070b76721599ebcedce3bb698228adbab",
    "periclesprinceoftyre": "f03561e0fb339fd38359093bf6a0c63bfa2c3ba1eafe66ef50aacfe91295a739",
    "rapeoflucrece": "07a6e27ebc352c5e33b7d68080bc6bf0083595398bb6d83d0d31fa09f9b63974",
    "sonnets": "31a96075d5ae835ed208c683afc5329ba490e257d33a9d1db14c00fa7e0456de",
    "timonofathens": "a01c9ebbf5d31936571997a4a13d3a3554ec3b081956b4da0b4a12d7f4d7581e",
    "titusandronicus": "5135117e84fa127c7a4b0e376bb5ab97ac99cdad7da51ba463ba40febca44801",
    "troilusandcressida": "fdf3a04f0a92ec3c61ea7349d301c4d4eae1805dfa6d6c2d6e477aeabc76e4df",
    "twelfthnight": "68a44a35e82462d4f0217d2a40db874a431d666626691a806b63339118831039",
    "twogentlemenofverona": "53f40375e388911699a92321eff4585ab391ecb45b0c64c0bca0389b0b767413",
    "various": "b7a4796b4286450beddea68a41133c5c2a0dbd00b146bb23b0deb573a0a87ffc",
    "venusandadonis": "ed019d11b26de8676dc7760e927975136b9e43cdc84acbe45de030cd327accc0",
}
PLAYS = tuple(_play(name, sha256) for name, sha256 in _PLAYS.items())

_ASIRRA = "cropped from the Dogs vs. Cats pictures (Asirra); research use"

SETS = {
    "cats": DataSet(_ASIRRA, file="cats64.zip"),
    "digits": DataSet(
        "MNIST (LeCun, Cortes, Burges); CC BY-SA 3.0",
        downloads=(
            _mnist("train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
            _mnist("train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
            _mnist("t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
            _mnist("t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
        ),
    ),
    "dogs": DataSet(_ASIRRA, file="dogs64.zip"),
    "shakespeare": DataSet(
        "public domain text",
        "text",
        downloads=(
            Download(
                "shakespeare/tinyshakespeare.txt",
                "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
                "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            ),
            *PLAYS,
        ),
    ),
    "sprites": DataSet("drawn by the project; MIT"),
}


def licence(name: str) -> str:
    """Under which a data set may be used."""
    return SETS[name].licence if name in SETS else "the operator's own"


_told: list[Path] = []  # where look_in was told to look


def look_in(home: Path, named: Path | None = None) -> None:
    """Find the data sets of a data home, too, and before them a named folder's; once, before any is looked for."""
    _told[:] = [*([named] if named else []), home / COLLECTED]


def folders() -> list[Path]:
    """The data folders in the order in which they are looked in."""
    named = os.environ.get("PROSPERO_DATA")
    return list(dict.fromkeys([*([Path(named)] if named else []), *_told, BESIDE]))


def find(name: str) -> Path | None:
    """What the data folders hold as ``name``, ``name.zip`` or ``name.txt``; DataError when it leads out of them."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts:
        raise DataError(f"{name!r} is no name of a data set; put it into {folders()[0]} and name it from there.")
    candidates = (folder / candidate for folder in folders() for candidate in (name, f"{name}.zip", f"{name}.txt"))
    return next((candidate for candidate in candidates if candidate.exists()), None)


def locate(name: str) -> Path:
    """As :func:`find`, downloading what may be downloaded; DataError says where it was looked for."""
    found = find(name)
    if found is not None:
        return found
    for known in SETS.values():
        for download in known.downloads:
            if download.file == name:
                return fetch(download)
    looked = " and ".join(str(folder / name) for folder in folders())
    raise DataError(f"There is no {looked}; set PROSPERO_DATA to the folder that holds the data.", "data_gone")


def get(name: str) -> list[Path]:
    """The files of a data set by name, downloaded where they are missing; DataError when that is not possible."""
    return [locate(file) for file in (SETS[name].files if name in SETS else [name])]


def here(name: str) -> bool:
    """Whether a data set can be loaded without downloading anything."""
    return all(find(file) is not None for file in (SETS[name].files if name in SETS else [name]))


def listing() -> Iterator[Listed]:
    """Every data set that the recipes know or that lies in a data folder."""
    for name, known in SETS.items():
        if known.downloads:
            how = "here" if here(name) else f"to download: `python -m models data get {name}`"
            yield Listed(name, known.kind, how)
        elif known.file:
            found = find(known.file)
            yield Listed(name, known.kind, str(found) if found else f"not here: put {known.file} into {folders()[0]}")
        else:
            yield Listed(name, known.kind, known.licence)
    ours = known_files()
    for folder in folders():
        entries = sorted(folder.iterdir()) if folder.is_dir() else []
        for entry in entries:
            if (entry.is_dir() or entry.suffix in (".zip", ".txt")) and entry.name not in ours:
                name = entry.name if entry.is_dir() else entry.stem
                yield Listed(name, "text" if entry.suffix == ".txt" else "pictures", str(entry))


def known_files() -> set[str]:
    """What lies in data folders under these names belongs to a data set that the recipes know."""
    return {PurePosixPath(file).parts[0] for known in SETS.values() for file in known.files}


def fetch(download: Download) -> Path:
    """Download into the data home with a progress bar, check, rename; what was fetched before a failure is kept.

    Of several processes that want the same file one fetches it, and the others wait.
    """
    final = (_told[-1] if _told else BESIDE) / download.file
    part = final.with_name(f".{final.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    with part.open("ab") as ours:
        fcntl.flock(ours, fcntl.LOCK_EX)
        if final.exists():  # another process fetched it meanwhile
            part.unlink(missing_ok=True)
        else:
            _complete(download, part)
            part.replace(final)
    return final


def _complete(download: Download, part: Path) -> None:
    """Fetch what ``part`` lacks and check the whole; DataError says what went wrong."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as bar:
        task = bar.add_task(PurePosixPath(download.file).name, total=None)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                for done, total in _receive(download.address, part):
                    bar.update(task, completed=done, total=total)
                break
            except (OSError, EOFError, http.client.HTTPException) as error:  # urllib's own errors are OSErrors
                if attempt == ATTEMPTS or (isinstance(error, urllib.error.HTTPError) and error.code < 500):
                    raise DataError(
                        f"{download.address} cannot be downloaded ({error}); try again to go on."
                    ) from error
    digest = _content_sha256(part)
    if digest != download.sha256:
        part.unlink()
        raise DataError(f"{download.address} gave other content than expected (SHA-256 {digest}); try another network.")


def _receive(address: str, part: Path) -> Iterator[tuple[int, int | None]]:
    """Append what is missing of ``address`` to ``part``, yielding bytes so far and in all."""
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and done:  # nothing is missing
            return
        raise
    with answer:
        if answer.status != 206:  # the server does not resume, so it begins again
            done = 0
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else None
        with part.open("ab" if done else "wb") as out:
            while piece := answer.read(CHUNK):
                out.write(piece)
                done += len(piece)
                yield done, total
    if total is not None and done < total:
        raise EOFError(f"it ended after {done:,} of {total:,} bytes")


def _content_sha256(file: Path) -> str:
    digest = hashlib.sha256()
    try:
        with gzip.open(file) if file.name.endswith(".gz.part") else file.open("rb") as content:
            while piece := content.read(CHUNK):
                digest.update(piece)
    except (OSError, EOFError, zlib.error):  # a damaged wrapper: no content to speak of
        return "of nothing, it does not unpack"
    return digest.hexdigest()
