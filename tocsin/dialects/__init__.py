"""What each dialect's clients need to begin, issued for an app: by the name of the dialect."""

from __future__ import annotations

from collections.abc import Callable

from tocsin.dialects import baasbox, mobilefirst, moxie, thinkbit, twinpush

PROVISIONS: dict[str, Callable[..., dict[str, str]]] = {
    "baasbox": baasbox.provision,
    "mobilefirst": mobilefirst.provision,
    "moxie": moxie.provision,
    "thinkbit": thinkbit.provision,
    "twinpush": twinpush.provision,
}
"""``provision(engine, context, app_id, *, sandbox)`` issues credentials and returns them by the names scripts know them
by. ``sandbox``: the app is the sandbox's, and may have what nobody's real app should."""
