"""Routes with and without a slash at the end: what the clients of published APIs send, whichever the manual prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from flask import Blueprint, Response

View = TypeVar("View", bound=Callable[..., Response])


def serving(blueprint: Blueprint) -> Callable[..., Callable[[View], View]]:
    """``serves(method, *rules)`` of a blueprint: serves a view under each rule, with and without a slash at the end."""

    def serves(method: str, *rules: str) -> Callable[[View], View]:
        def decorate(view: View) -> View:
            for rule in rules:
                # Both, though either matches both: of a wrong method only the very rule tells the right ones.
                blueprint.add_url_rule(rule, view_func=view, methods=[method])
                blueprint.add_url_rule(rule + "/", view_func=view, methods=[method])
            return view

        return decorate

    return serves
