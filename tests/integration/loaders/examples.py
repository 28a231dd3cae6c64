"""How many examples a property of a load is tried on."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

LOADS = settings(
    max_examples=int(os.environ.get("TIDEMILL_TEST_EXAMPLES", "12")),
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # to shrink would take a load for every try
    suppress_health_check=list(HealthCheck),
)
