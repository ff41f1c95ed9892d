"""Bring the libraries of libraries.txt to TARGET, each proven by its checksum. What is there already is not fetched.

TARGET is on the job's volume, so a restart needs nobody outside. A file with another checksum is never kept.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
import urllib.request
from pathlib import Path

ATTEMPTS, PAUSE_SECONDS, TIMEOUT_SECONDS = 5, 10, 60


def digest(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def fetch(base: str, path: str, wanted: str, target: Path) -> str:
    """Make sure of one library; returns what was done.

    :raises ValueError: what was sent is not what is wanted; asking again would not help.
    :raises OSError: nobody sent it.
    """
    file = target / path.rsplit("/", 1)[1]
    if file.is_file() and digest(file) == wanted:
        return "there already"
    part = file.with_suffix(".part")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            # A checksum is what is trusted here, not the address.
            with urllib.request.urlopen(f"{base}/{path}", timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                part.write_bytes(answer.read())
            break
        except OSError:
            if attempt == ATTEMPTS:
                raise
            time.sleep(PAUSE_SECONDS)
    found = digest(part)
    if found != wanted:
        part.unlink()
        raise ValueError(f"{base}/{path} has the checksum {found}, {wanted} wanted; it was not kept")
    part.rename(file)
    return "fetched"


def main(listing: str, base: str, target: Path) -> int:
    """Fetch all, and remove what is listed no more: Spark would load it too."""
    target.mkdir(parents=True, exist_ok=True)
    wanted = [line.split() for line in listing.splitlines() if line.strip() and not line.startswith("#")]
    for checksum, path in wanted:
        try:
            done = fetch(base, path, checksum, target)
        except (OSError, ValueError) as error:
            mend = "Is egress to port 443 open (policy stream-job), or does MAVEN_URL name a mirror that has it?"
            sys.stderr.write(f"{path}: {error}. {mend}\n")
            return 1
        sys.stdout.write(f"{path.rsplit('/', 1)[1]}: {done}\n")
    for file in set(target.iterdir()) - {target / path.rsplit("/", 1)[1] for _, path in wanted}:
        file.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).read_text(), os.environ["MAVEN_URL"].rstrip("/"), Path(sys.argv[2])))
