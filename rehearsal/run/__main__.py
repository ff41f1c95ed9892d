"""`python -m rehearsal.run`, which is what `make run` calls."""

from __future__ import annotations

import os
import sys

from rich.console import Console

from rehearsal.run.drive import drive, error_console
from rehearsal.run.settings import RunError, SettingError, read_settings
from rehearsal.run.signals import StoppedError


def main() -> int:
    """Read the settings, do the run, say errors without a trace; returns the exit code."""
    try:
        return drive(read_settings(), dict(os.environ), Console())
    except StoppedError:
        return 130
    except (RunError, SettingError) as error:
        error_console().print(str(error), style="red", markup=False)
        return 1


if __name__ == "__main__":
    sys.exit(main())
