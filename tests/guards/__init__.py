"""The guards of the worker, each with the way to take exactly it out of this process.

Without it the invariant must break, else the test of it proves nothing. The product has no
such switches: `tests.worker_process` uses them in processes of its own.
"""

from __future__ import annotations

from tests.guards import carrying, deciding, holding
from tests.guards.registry import GUARDS

__all__ = ["GUARDS", "carrying", "deciding", "holding"]
