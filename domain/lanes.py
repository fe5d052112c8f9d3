"""The queues a send can travel in, so that an alarm never stands behind a newsletter."""

LANES = ("urgent", "normal", "bulk")
