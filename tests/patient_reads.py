"""Reading one's own writes on the busiest machine.

The product waits for its read models for a moment only, and says that they lag where that is not enough. Tests of
anything else than that wait as long as it takes, as a client does who asks again when told to.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from patience import PATIENCE

from tocsin.api import certainty
from tocsin.api.dialects.twinpush import lookups
from tocsin.projections.waiting import LOOK_SECONDS, Waiter


class PatientWaiter(Waiter):
    """Lets writers wait until what they wrote can be read."""

    def wait_for(self, position: int, names: Sequence[str], timeout: float = PATIENCE) -> bool:
        """As the product's, but that neither a short ``timeout`` nor a lag lets it give up."""
        deadline = time.monotonic() + PATIENCE
        while not super().wait_for(position, names, timeout):
            if self._closed or time.monotonic() > deadline:
                return False
            time.sleep(LOOK_SECONDS)
        return True


@contextmanager
def patient_lookups() -> Iterator[None]:
    """Nothing is called missing before the read models have seen all there is, however long that takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certainty, "CATCH_UP_SECONDS", PATIENCE)
        patch.setattr(lookups, "PATIENCE", PATIENCE)
        yield
