"""Every address is somebody's: errors have the shape of their area, pages of any origin may read them, and none of the
answers sends a client elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tocsin.api.dialects import DIALECTS

Shape = Callable[[Any], bool]

PAGE = "https://page.example"
BROWSERS = {"Origin": PAGE}


def twinpush(body: Any) -> bool:
    return set(body) == {"errors"} and set(body["errors"]) == {"type", "message"}


def mobilefirst(body: Any) -> bool:
    return bool(re.fullmatch(r"FPWSE\d{4}E", body["code"])) and isinstance(body["message"], str)


def moxie(body: Any) -> bool:
    return set(body) == {"description"}


def thinkbit(body: Any) -> bool:
    return set(body) == {"message"}


def baasbox(body: Any) -> bool:
    return (body["result"], body["message"], body["http_code"]) == ("error", "API not found", 404)


def native(body: Any) -> bool:
    return {"type", "title", "status", "detail", "code"} <= set(body)


AREAS: list[tuple[str, Shape]] = [
    ("/api/v2", twinpush),
    ("/api/v2/apps/nothing/nowhere", twinpush),
    ("/api", thinkbit),
    ("/api/v1/apps", thinkbit),
    ("/api/v22", thinkbit),
    ("/api/users/1", thinkbit),
    ("/api/notificationsX", thinkbit),
    ("/api/notifications/a/b/c/d", moxie),
    ("/notifications/a/b/c/d", moxie),
    ("/imfpush", mobilefirst),
    ("/imfpush/v1/nothing", mobilefirst),
    ("/imfpush/v9/apps", mobilefirst),
    ("/v1/nothing", native),
    ("/v1", native),
    ("/v1/apps/nothing/nowhere", native),
    ("/notificationsX", baasbox),
    ("/v11", baasbox),
    ("/apiX", baasbox),
    ("/document/stories", baasbox),
    ("/push/nothing", baasbox),
    ("/favicon.ico", baasbox),
    ("/%20", baasbox),
]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(("path", "shape"), AREAS)
def test_what_nothing_answers_is_told_in_the_shape_of_its_area(
    app: Flask, path: str, shape: Shape, method: str
) -> None:
    answer = app.test_client().open(path, method=method, data=b"{}", content_type="application/json")

    assert answer.status_code == 404, answer.text
    assert shape(answer.json), answer.text


@pytest.mark.parametrize("path", [path for path, shape in AREAS if shape is not native])
def test_a_page_may_read_that_there_is_nothing(app: Flask, path: str) -> None:
    client = app.test_client()
    asked = client.options(path, headers={**BROWSERS, "Access-Control-Request-Method": "PUT"})

    assert asked.status_code < 300
    assert "PUT" in asked.headers["Access-Control-Allow-Methods"]
    assert client.put(path, headers=BROWSERS).headers["Access-Control-Allow-Origin"] == "*"


def address(rule: str) -> str:
    """An address of a rule's, with something where a name stands."""
    for pattern, something in ((r"<uuid:[^>]*>", "0" * 32), (r"<any\((\w+)[^>]*>", r"\1"), (r"<[^>]*>", "something")):
        rule = re.sub(pattern, something, rule)
    return rule


def test_no_answer_sends_a_client_elsewhere_and_each_of_a_dialect_is_readable_to_pages(app: Flask) -> None:
    names = {dialect.NAME for dialect in DIALECTS}
    client, seen = app.test_client(), set()
    for rule in app.url_map.iter_rules():
        path, owner = address(rule.rule), rule.endpoint.partition(".")[0].partition("-")[0]
        for method in sorted(rule.methods or ()):
            answer = client.open(path, method=method, headers=BROWSERS)
            assert not 300 <= answer.status_code < 400, (method, path, answer.status)
            assert answer.status_code != 500, (method, path, answer.text)
            if owner in names:
                seen.add(owner)
                assert answer.headers["Access-Control-Allow-Origin"] == "*", (method, path)

    assert seen == names


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.NAME)
def test_the_first_page_names_each_api_and_leads_to_its_reference(app: Flask, dialect: Any) -> None:
    client = app.test_client()
    page = client.get("/").text
    reference = client.get(dialect.REFERENCE)

    assert f'<a href="{dialect.REFERENCE}">{dialect.TITLE}</a>' in page
    assert reference.status_code == 200
    assert reference.json["paths"]
    assert reference.json["info"]["title"]
