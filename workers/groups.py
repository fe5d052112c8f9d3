"""The groups in which workers share the stream, by the names that their sessions at the database bear."""

from __future__ import annotations

DELIVERY = "delivery"
PLANNER = "planner"
WEBHOOKS = "webhooks"
