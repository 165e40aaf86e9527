"""By which bot and worker know that they share one contract: a short hash of this package's source."""

from hashlib import sha256
from pathlib import Path

_FILES = sorted(Path(__file__).parent.glob("*.py"))
_SOURCE = "".join(file.read_text(encoding="utf-8") for file in _FILES)  # as text: checkouts end lines in different ways
FINGERPRINT = sha256(_SOURCE.encode()).hexdigest()[:12]  # of what this process began with, whatever is written later
