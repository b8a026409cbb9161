"""The HTTP routes: parse, call one service, answer JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from chalice.app import Request, Response

from chalicelib import __version__, answers, api, asking, auth, measures
from chalicelib.answers import Addresses
from chalicelib.deadletters import Chosen, Discarded
from chalicelib.errors import IntellisenseError, InvalidRequest, NotFound
from chalicelib.index.base import ALL
from chalicelib.index.narrowed import narrowed
from chalicelib.library import MAX_IDS
from chalicelib.log import SERVICE
from chalicelib.queries import SearchRequest
from chalicelib.records import STATES, image_id
from chalicelib.uploads import ImageUpload, UploadsRequest

if TYPE_CHECKING:
    from chalicelib.deadletters import DeadLetters
    from chalicelib.index.base import Searched
    from chalicelib.library import Library
    from chalicelib.records import ImageRecord
    from chalicelib.storage import Bucket
    from chalicelib.wiring import Services

# Chalice logs to the logger of its name: ours, which has its handler already.
logger = Logger(service=SERVICE)
app = api.Application(app_name=SERVICE, configure_logs=False)
app.register_middleware(api.shape_errors, "http")


@app.middleware("http")
def admit(request: Request, get_response: Callable[[Request], Response]) -> Response:
    """Nobody comes past this without what the route asks for."""
    try:
        need = app.need_of(request)
        if need is None:
            return get_response(request)
        asked = auth.Asked(request.headers, request.context, request.stage_vars or {})
        caller = services().callers.admit(asked, need)
    except IntellisenseError as error:
        return api.failed(error, request)
    with auth.calling(caller):
        return get_response(request)


def services() -> Services:
    from chalicelib import wiring

    return wiring.services()


def index() -> Searched:
    """What the caller may see of the index: with private collections their own images only."""
    known, caller = services(), auth.current()
    return narrowed(known.index, auth.visible(caller, known.settings))


def library() -> Library:
    return services().library.over(index())


def addresses() -> Addresses:
    return answers.addresses(app.serving(), services().settings)


def images_json(records: Iterable[ImageRecord]) -> list[dict[str, Any]]:
    at = addresses()
    return [answers.image_json(record, at) for record in records]


@app.answers("POST", "/uploads", "upload")
def post_uploads() -> Response:
    request = asking.parse_body(UploadsRequest, app.serving())
    with services().tracer.step("upload", files=len(request.files)) as step:
        owner = auth.current().owner
        places = services().uploads.places(request, owner=owner, trace=step.header)
    measures.note_uploads(len(places))
    at = addresses()
    return api.answer({"uploads": [answers.upload_json(place, at) for place in places]}, 201)


@app.answers("POST", "/images", "upload")
def post_images() -> Response:
    request = asking.parse_body(ImageUpload, app.serving())
    with services().tracer.step("upload", files=1) as step:
        owner = auth.current().owner
        uploaded = services().uploads.put(request, owner=owner, trace=step.header)
    measures.note_uploads(1)
    return api.answer(answers.place_json(uploaded, addresses()), 201)


@app.answers("GET", "/images", "read")
def get_images() -> dict[str, Any]:
    query = app.query()
    if "ids" in query:
        return known_images(query)
    copies = asking.flag(query.pop("copies", ""), "copies")
    records, cursor, total = library().list(asking.parse_listing(query))
    items = images_json(records)
    if copies:
        for item, counted in zip(items, library().counted(records), strict=True):
            item["copies"] = {"exact": counted.exact, "near": counted.near}
    return {"items": items, "next_cursor": cursor, "total": total}


def known_images(query: dict[str, str]) -> dict[str, Any]:
    if others := set(query) - {"ids"}:
        raise InvalidRequest("The parameter ids goes with no other.", field=min(others))
    ids = list(dict.fromkeys(query["ids"].split(",")))
    if len(ids) > MAX_IDS:
        raise InvalidRequest(f"Ask for at most {MAX_IDS} ids at a time.", field="ids")
    records = library().get_known(ids)
    items = images_json(records)
    return {"items": items, "next_cursor": None, "total": len(items)}


@app.answers("GET", "/images/{id}", "read")
def get_image(id: str) -> dict[str, Any]:
    return answers.whole_image_json(library().get(id), addresses())


@app.answers("DELETE", "/images/{id}", "upload", "admin")
def delete_image(id: str) -> dict[str, Any]:
    record = library().get(id)
    auth.check_delete(auth.current(), record.owner)
    library().delete(record)
    return {"id": id, "state": "deleted"}


@app.answers("GET", "/images/{id}/copies", "read")
def get_copies(id: str) -> dict[str, Any]:
    found = library().copies(id)
    items = images_json(record for record, _ in found)
    return {
        "items": [
            {**item, "copy": copy.kind, "distance": copy.distance}
            for item, (_, copy) in zip(items, found, strict=True)
        ]
    }


@app.answers("GET", "/images/{id}/file", "read", cookie=True)
def get_file(id: str) -> Response:
    query = app.query()
    key, download = query.pop("key", ""), query.pop("download", "")
    if query:
        raise InvalidRequest("This route takes key and download.", field=min(query))
    bucket = services().bucket
    if key and image_id(bucket.name, key) != id:
        raise NotFound("The key does not belong to this image.", field="key")
    name = key.rpartition("/")[2]
    if not key:
        record = library().get(id)
        key, name = record.key, record.name
    elif (part := auth.visible(auth.current(), services().settings)) != ALL:
        library().check_uploaded(key, by=part.owner or "")
    return redirect_to(bucket, key, save_as=name if download else "")


@app.answers("GET", "/images/{id}/thumbnail", "read", cookie=True)
def get_thumbnail(id: str) -> Response:
    record = library().get(id)
    if not record.thumbnail_key:
        raise NotFound("This image has no thumbnail.")
    return redirect_to(services().thumbnails, record.thumbnail_key)


def redirect_to(bucket: Bucket, key: str, *, save_as: str = "") -> Response:
    seconds = services().settings.presign_seconds
    url = bucket.presign_get(key, seconds, save_as=save_as)
    return api.redirect(url, cache_seconds=seconds // 2)


@app.answers("GET", "/search", "read")
def get_search() -> dict[str, Any]:
    return answer_search(asking.parse_search(app.query()))


@app.answers("POST", "/search", "read")
def post_search() -> dict[str, Any]:
    return answer_search(asking.parse_body(SearchRequest, app.serving()))


def answer_search(request: SearchRequest) -> dict[str, Any]:
    with services().tracer.step("search") as step:
        page = services().search.over(index()).search(request, owner=auth.current().owner)
        step.stages_ms = {part: page.timings_ms[part] for part in ("embed", "index")}
    measures.note_search(page)
    return answers.page_json(page, addresses())


@app.answers("GET", "/stats", "read")
def get_stats() -> dict[str, Any]:
    known = services()
    visible = index()
    counts = visible.counts()
    answer: dict[str, Any] = {
        "images": {state: counts[state] for state in STATES if state != "deleted"},
        "facets": visible.facets(),
        "model": known.search.model(),
    }
    if known.queue:
        answer["queue"] = known.queue.depth()._asdict()
    if known.dead_letters and auth.current().may("admin"):
        answer["dead_letters"] = {"waiting": known.dead_letters.count()}
    return answer


@app.answers("GET", "/dead-letters", "admin")
def get_dead_letters() -> dict[str, Any]:
    query = app.query()
    one = query.pop("id", "")
    if query:
        raise InvalidRequest("This route takes id.", field=min(query))
    if one:
        letter = dead_letters().get(one)
        return {"items": [{**answers.letter_json(letter), "body": letter.body}], "total": 1}
    letters, total = dead_letters().list()
    return {"items": [answers.letter_json(letter) for letter in letters], "total": total}


@app.answers("POST", "/dead-letters/redrive", "admin")
def post_redrive() -> dict[str, Any]:
    request = asking.parse_body(Chosen, app.serving())
    done = dead_letters().redrive(request.id)
    return {"redriven": done.letters, "more": done.more}


@app.answers("POST", "/dead-letters/discard", "admin")
def post_discard() -> dict[str, Any]:
    request = asking.parse_body(Discarded, app.serving())
    done = dead_letters().discard(request.reason, request.id, by=auth.current().owner)
    return {"discarded": done.letters, "more": done.more}


def dead_letters() -> DeadLetters:
    known = services().dead_letters
    if known is None:
        raise NotFound("No dead-letter queue is configured; set IMAGES_DEAD_LETTER_QUEUE_URL.")
    return known


@app.answers("GET", "/session", *auth.SCOPES)
def get_session() -> dict[str, Any]:
    return answers.session_json(auth.current())


@app.answers("POST", "/session", "read")
def post_session() -> Response:
    """Only who came by a token has something to put into cookies."""
    caller = auth.current()
    given: list[str] = []
    if caller.token and caller.expires_at:
        at = addresses()._asdict()
        given = services().cookies.begin(caller.token, caller.expires_at, **at)
    return api.answer(get_session(), 200, {"Set-Cookie": given} if given else {})


@app.answers("DELETE", "/session", *auth.SCOPES)
def delete_session() -> Response:
    """Pictures that the browser keeps go too: the next person at it may not be the same."""
    ended = services().cookies.end(**addresses()._asdict())
    forgotten = {"Set-Cookie": ended, "Clear-Site-Data": '"cache"'}
    return api.answer({"state": "ended"}, 200, forgotten)


@app.answers("GET", "/health")
def get_health() -> Response:
    """Strangers learn whether all is well, admins what is not."""
    health = services().health
    body: dict[str, Any] = {}
    if auth.current().may("admin"):
        body = {"version": __version__, "checks": health.look()}
    well = health.well()
    return api.answer({"status": "ok" if well else "failing", **body}, 200 if well else 503)
