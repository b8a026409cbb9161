"""What is refused, with which status, code and field, over real HTTP."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import Any

import pytest
import requests

from chalicelib.records import image_id
from chalicelib.uploads import MAX_BASE64
from tests.integration.local_stack import BUCKET, LocalStack, environment
from tests.integration.pictures import jpeg

NOBODY = "0" * 32
PIXEL = base64.b64encode(jpeg()).decode()
FILE = {"name": "a.jpg", "size": 1}

GETS: list[tuple[str, int, str, str | None]] = [
    ("/search", 400, "invalid_request", "q"),
    ("/search?q=", 400, "invalid_request", "q"),
    ("/search?q=%20", 400, "invalid_request", "q"),
    ("/search?q=" + "a" * 1001, 400, "invalid_request", "q"),
    ("/search?q=a&limit=0", 400, "invalid_request", "limit"),
    ("/search?q=a&limit=201", 400, "invalid_request", "limit"),
    ("/search?q=a&limit=many", 400, "invalid_request", "limit"),
    ("/search?q=a&format=exe", 400, "invalid_request", "format"),
    ("/search?q=a&date_from=yesterday", 400, "invalid_request", "date_from"),
    ("/search?q=a&date_from=2021", 400, "invalid_request", "date_from"),
    ("/search?q=a&wat=1", 400, "invalid_request", "wat"),
    ("/search?q=a&cursor=nonsense", 400, "invalid_cursor", "cursor"),
    ("/search?q=a&cursor=WzEsIngiLCJ5Il0", 400, "invalid_cursor", "cursor"),
    ("/images?limit=0", 400, "invalid_request", "limit"),
    ("/images?state=lost", 400, "invalid_request", "state"),
    ("/images?cursor=nonsense", 400, "invalid_cursor", "cursor"),
    ("/images?ids=a&limit=3", 400, "invalid_request", "limit"),
    ("/images?ids=" + ",".join(map(str, range(101))), 400, "invalid_request", "ids"),
    (f"/images/{NOBODY}", 404, "not_found", None),
    ("/images/anything", 404, "not_found", None),
    (f"/images/{NOBODY}/file", 404, "not_found", None),
    (f"/images/{NOBODY}/file?key=samples/cat.png", 404, "not_found", "key"),
    (f"/images/{NOBODY}/file?wat=1", 400, "invalid_request", "wat"),
    (f"/images/{NOBODY}/thumbnail", 404, "not_found", None),
    ("/nowhere", 404, "not_found", None),
    ("/api/nowhere", 404, "not_found", None),
    ("/images/a/b/c", 404, "not_found", None),
    ("/../app.py", 404, "not_found", None),
    ("/%2e%2e/app.py", 404, "not_found", None),
    ("/uploads", 405, "method_not_allowed", None),
]

POSTS: list[tuple[str, Any, int, str, str | None]] = [
    ("/search", {}, 400, "invalid_request", None),
    ("/search", [], 400, "invalid_request", None),
    ("/search", {"text": "a", "id": NOBODY}, 400, "invalid_request", None),
    ("/search", {"text": 5}, 400, "invalid_request", "text"),
    ("/search", {"text": "a", "limit": "5"}, 400, "invalid_request", "limit"),
    ("/search", {"text": "a", "wat": 1}, 400, "invalid_request", "wat"),
    ("/search", {"text": "a", "filters": {"wat": 1}}, 400, "invalid_request", "filters.wat"),
    (
        "/search", {"text": "a", "filters": {"format": "exe"}},
        400, "invalid_request", "filters.format",
    ),
    ("/search", {"id": "not an id"}, 400, "invalid_request", "id"),
    ("/search", {"id": NOBODY}, 404, "not_found", "id"),
    ("/search", {"image": "not base64!"}, 400, "invalid_base64", "image"),
    ("/search", {"image": "data:image/png,plain"}, 400, "invalid_base64", "image"),
    ("/search", {"image": "d29yZHM="}, 422, "unreadable_image", None),
    ("/search", {"image": "A" * (MAX_BASE64 + 4)}, 413, "too_large", "image"),
    ("/search", {"text": "a", "cursor": "nonsense"}, 400, "invalid_cursor", "cursor"),
    ("/images", {}, 400, "invalid_request", "file"),
    ("/images", {"file": "not base64!"}, 400, "invalid_base64", "file"),
    ("/images", {"file": "A" * (MAX_BASE64 + 4)}, 413, "too_large", "file"),
    ("/images", {"file": PIXEL, "name": ""}, 400, "invalid_request", "name"),
    ("/images", {"file": "A" * 6_400_000}, 413, "too_large", None),
    ("/uploads", {}, 400, "invalid_request", "files"),
    ("/uploads", {"files": []}, 400, "invalid_request", "files"),
    ("/uploads", {"files": [FILE] * 101}, 400, "invalid_request", "files"),
    ("/uploads", {"files": [{"name": "a.jpg"}]}, 400, "invalid_request", "files.0.size"),
    ("/uploads", {"files": [{**FILE, "size": 0}]}, 400, "invalid_request", "files.0.size"),
    ("/uploads", {"files": [FILE, {**FILE, "size": 2**27}]}, 413, "too_large", "files.1.size"),
    ("/uploads", {"files": [{**FILE, "name": "a.exe"}]}, 415, "unsupported_type", "files.0.type"),
    (
        "/uploads", {"files": [{**FILE, "type": "text/html"}]},
        415, "unsupported_type", "files.0.type",
    ),
]  # fmt: skip


def check(answer: requests.Response, status: int, code: str, field: str | None) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"].startswith("application/json")
    error = answer.json()["error"]
    assert (error["code"], error.get("field")) == (code, field)
    assert error["message"].endswith((".", "…"))
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(("path", "status", "code", "field"), GETS, ids=range(len(GETS)))
def test_a_bad_get_is_refused_by_status_code_and_field(
    stack: LocalStack, path: str, status: int, code: str, field: str | None
) -> None:
    request = requests.Request("GET", stack.url).prepare()
    # As written: prepare() would take "/../" out.
    request.url = stack.url + path
    with requests.Session() as session:
        check(session.send(request, timeout=60), status, code, field)


@pytest.mark.parametrize(("path", "body", "status", "code", "field"), POSTS, ids=range(len(POSTS)))
def test_a_bad_post_is_refused_by_status_code_and_field(
    stack: LocalStack, path: str, body: Any, status: int, code: str, field: str | None
) -> None:
    check(stack.request("POST", path, json=body), status, code, field)


@pytest.mark.parametrize("path", ["/search", "/images", "/uploads"])
def test_a_body_that_is_not_json_is_refused(stack: LocalStack, path: str) -> None:
    def post(body: bytes, kind: str) -> requests.Response:
        return stack.request("POST", path, data=body, headers={"Content-Type": kind})

    check(post(b"{", "application/json"), 400, "invalid_request", None)
    check(post(b"", "application/json"), 400, "invalid_request", None)
    check(post(b"\xff\xfe", "application/json"), 400, "invalid_request", None)
    check(post(b'{"text": "a"}', "text/plain"), 415, "unsupported_type", None)
    check(post(b"q=a", "application/x-www-form-urlencoded"), 415, "unsupported_type", None)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/images"), ("DELETE", "/images"), ("PATCH", f"/images/{NOBODY}"),
        ("POST", f"/images/{NOBODY}/file"), ("DELETE", "/search"), ("POST", "/stats"),
        ("POST", "/health"),
    ],
)  # fmt: skip
def test_a_method_that_a_route_lacks_is_refused(stack: LocalStack, method: str, path: str) -> None:
    check(stack.request(method, path, json={}), 405, "method_not_allowed", None)


def test_deleting_what_is_not_there_is_refused(stack: LocalStack) -> None:
    check(stack.request("DELETE", f"/images/{NOBODY}"), 404, "not_found", None)
    known = stack.put("refusals/twice.jpg", jpeg(200))
    stack.known(known)
    assert stack.request("DELETE", f"/images/{known}").status_code == 200
    check(stack.request("DELETE", f"/images/{known}"), 404, "not_found", None)


def test_a_rejected_image_has_no_thumbnail_and_is_like_nothing(stack: LocalStack) -> None:
    known = stack.put("refusals/rejected.jpg", b"words")
    assert stack.known(known)["state"] == "rejected"
    check(stack.request("GET", f"/images/{known}/thumbnail"), 404, "not_found", None)
    check(stack.request("POST", "/search", json={"id": known}), 404, "not_found", "id")


def test_a_cursor_goes_with_its_own_search_only(stack: LocalStack) -> None:
    cursor = stack.get("/search", q="a cat", closest="true", limit=2)["next_cursor"]
    assert stack.get("/search", q="a cat", closest="true", limit=3, cursor=cursor)["items"]
    cat = {"q": "a cat", "closest": "true"}
    for other in ({**cat, "q": "a dog"}, {**cat, "collection": "samples"}):
        answer = stack.request("GET", "/search", params={**other, "cursor": cursor})
        check(answer, 400, "invalid_cursor", "cursor")
    check(
        stack.request("GET", "/images", params={"cursor": cursor}), 400, "invalid_cursor", "cursor"
    )


# --- other pages, other names -----------------------------------------------------------------

FOREIGN = [
    {"Host": "evil.example"},
    {"Host": "evil.example:8000"},
    {"Host": "127.0.0.1.evil.example"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Origin": "null"},
]  # fmt: skip


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize("path", ["/", "/js/main.js", "/images", "/api/images", "/health"])
def test_page_and_api_answer_no_other_page_and_no_other_name(
    stack: LocalStack, headers: dict[str, str], path: str
) -> None:
    assert stack.request("GET", path).status_code == 200
    answer = stack.request("GET", path, headers=headers)
    check(answer, 403, "forbidden", None)
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_the_bucket_answers_no_other_page_and_no_other_name(
    stack: LocalStack, headers: dict[str, str]
) -> None:
    key = "refusals/foreign.jpg"
    stack.known(stack.put(key, jpeg(201)))
    url = f"{stack.s3_url}/{BUCKET}/{key}"
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        answer = requests.request(method, url, headers=headers, data=b"other", timeout=60)
        assert answer.status_code == 403, (method, answer.text)
        assert "Access-Control-Allow-Origin" not in answer.headers
    form = {"key": key}
    answer = requests.post(
        f"{stack.s3_url}/{BUCKET}", data=form, files={"file": b"other"}, headers=headers, timeout=60
    )
    assert answer.status_code == 403
    assert stack.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == jpeg(201)
    assert stack.known(image_id(BUCKET, key))["state"] == "ready"


def test_its_own_page_may_upload_to_the_bucket_from_another_port(stack: LocalStack) -> None:
    for host in ("127.0.0.1", "localhost"):
        origin = stack.url.replace("127.0.0.1", host)
        assert stack.request("GET", "/images", headers={"Origin": origin}).status_code == 200
        answer = requests.options(
            f"{stack.s3_url}/{BUCKET}",
            headers={"Origin": origin, "Access-Control-Request-Method": "POST"},
            timeout=60,
        )
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] in ("*", origin)


SERVE = """
import json, sys
from pathlib import Path
from werkzeug.serving import make_server
import app
from local.front import Front
server = make_server("127.0.0.1", 0, Front(app.app, Path("web"), ""))
print(json.dumps(server.server_port), flush=True)
server.serve_forever()
"""


def test_a_caller_who_cannot_be_made_out_is_refused_where_callers_are_told_apart(
    stack: LocalStack,
) -> None:
    settings = {
        "IMAGES_AUTH": "iam",
        "IMAGES_BUCKET": BUCKET,
        "IMAGES_THUMBNAILS_BUCKET": "thumbnails",
        "IMAGES_ENDPOINT": stack.s3_url,
        "IMAGES_REGION": "us-east-1",
        "IMAGES_INDEX_FOLDER": str(stack.data / "index"),
        "IMAGES_MODEL_FOLDER": str(stack.model),
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }
    server = subprocess.Popen(
        [sys.executable, "-c", SERVE],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(**settings), text=True,
    )  # fmt: skip
    with server:
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{json.loads(server.stdout.readline())}"
            for path in ("/images", "/stats", f"/images/{NOBODY}", "/search?q=a"):
                check(requests.get(url + path, timeout=60), 401, "unauthorized", None)
        finally:
            server.kill()
