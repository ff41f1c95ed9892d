"""What takes minutes runs under ``make test-day2`` only."""

from __future__ import annotations

import os

import pytest

thorough = pytest.mark.skipif(not os.environ.get("SLIPWAY_THOROUGH"), reason="not run here; make test-day2 does")
