"""The HTTP routes: parse, call one service, answer JSON."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from chalice.app import Request, Response

from chalicelib import __version__, answers, api, asking, auth, measures, parameters, shapes
from chalicelib.answers import Addresses
from chalicelib.config import origins_of
from chalicelib.deadletters import Chosen, Discarded
from chalicelib.errors import IntellisenseError, NotFound
from chalicelib.handed import SHARE
from chalicelib.index.base import ALL
from chalicelib.index.narrowed import narrowed
from chalicelib.log import SERVICE
from chalicelib.queries import SearchRequest
from chalicelib.records import STATES, image_id
from chalicelib.uploads import ImageUpload, UploadsRequest

if TYPE_CHECKING:
    from chalicelib.deadletters import DeadLetters
    from chalicelib.index.base import Searched
    from chalicelib.library import Library
    from chalicelib.storage import Bucket
    from chalicelib.wiring import Services

# Chalice logs to the logger of its name: ours, which has its handler already.
logger = Logger(service=SERVICE)
app = api.Application(app_name=SERVICE, configure_logs=False)


@app.middleware("http")
def for_other_origins(request: Request, get_response: Callable[[Request], Response]) -> Response:
    """Errors too are read by the pages that may ask."""
    response = get_response(request)
    with suppress(IntellisenseError):  # of settings that are wrong: that is the answer then
        allowed = origins_of(services().settings.origins)
        return app.for_other_origins(allowed, request, response)
    return response


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


@app.answers("POST", "/uploads", "upload", takes=UploadsRequest, gives=shapes.Places, status=201)
def post_uploads() -> shapes.Places:
    """Places to upload files to"""
    request = asking.parse_body(UploadsRequest, app.serving())
    with services().tracer.step("upload", files=len(request.files)) as step:
        owner = auth.current().owner
        places = services().uploads.places(request, owner=owner, trace=step.header)
    measures.note_uploads(len(places))
    at = addresses()
    return {"uploads": [answers.upload_json(place, at) for place in places]}


@app.answers("POST", "/images", "upload", takes=ImageUpload, gives=shapes.Uploaded, status=201)
def post_images() -> shapes.Uploaded:
    """Upload one image in the request itself"""
    request = asking.parse_body(ImageUpload, app.serving())
    with services().tracer.step("upload", files=1) as step:
        owner = auth.current().owner
        uploaded = services().uploads.put(request, owner=owner, trace=step.header)
    measures.note_uploads(1)
    return answers.place_json(uploaded, addresses())


@app.answers("GET", "/images", "read", asks=parameters.LISTING, gives=shapes.Images)
def get_images() -> shapes.Images:
    """The library, newest first"""
    query = app.query()
    if "ids" in query:
        records = library().get_known(asking.parse_ids(query))
        items = answers.listed_json(records, addresses())
        return {"items": items, "next_cursor": None, "total": len(items)}
    copies = asking.flag(query.pop("copies", "false"), "copies")
    records, cursor, total = library().list(asking.parse_listing(query))
    counted = library().counted(records) if copies else ()
    items = answers.listed_json(records, addresses(), counted)
    return {"items": items, "next_cursor": cursor, "total": total}


@app.answers("GET", "/images/{id}", "read", gives=shapes.WholeImage)
def get_image(id: str) -> shapes.WholeImage:
    """One image, with the whole text read in it"""
    return answers.whole_image_json(library().get(id), addresses())


@app.answers("DELETE", "/images/{id}", "upload", "admin", gives=shapes.Deleted)
def delete_image(id: str) -> shapes.Deleted:
    """Delete an image and its file"""
    record = library().get(id)
    auth.check_delete(auth.current(), record.owner)
    library().delete(record)
    return {"id": id, "state": "deleted"}


@app.answers("GET", "/images/{id}/copies", "read", gives=shapes.Copies)
def get_copies(id: str) -> shapes.Copies:
    """The copies of an image, the nearest first"""
    at = addresses()
    return {"items": [answers.copy_json(*copied, at) for copied in library().copies(id)]}


@app.answers(
    "GET", "/images/{id}/file", "read", cookie=True, asks=parameters.FILE, gives=None, status=302
)
def get_file(id: str) -> Response:
    """Where the file of an image is read"""
    query = app.query()
    key, save = query.get("key", ""), asking.flag(query.get("download", "0"), "download")
    bucket = services().bucket
    if key and image_id(bucket.name, key) != id:
        raise NotFound("The key does not belong to this image.", field="key")
    name = key.rpartition("/")[2]
    if not key:
        record = library().get(id)
        key, name = record.key, record.name
    elif (part := auth.visible(auth.current(), services().settings)) != ALL:
        library().check_uploaded(key, by=part.owner or "")
    return redirect_to(bucket, key, save_as=name if save else "")


@app.answers(
    "GET", "/images/{id}/thumbnail", "read", cookie=True, asks=parameters.THUMBNAIL, gives=None,
    status=302,
)  # fmt: skip
def get_thumbnail(id: str) -> Response:
    """Where the thumbnail of an image is read: JPEG, longest side 512"""
    record = library().get(id)
    if not record.thumbnail_key:
        raise NotFound("This image has no thumbnail.")
    return redirect_to(services().thumbnails, record.thumbnail_key)


def redirect_to(bucket: Bucket, key: str, *, save_as: str = "") -> Response:
    seconds = services().settings.presign_seconds
    turn = app.query().get("v", "")
    url = bucket.presign_get(key, seconds, save_as=save_as, turn=turn)
    return api.redirect(url, cache_seconds=seconds // SHARE)


@app.answers("GET", "/search", "read", asks=parameters.SEARCH, gives=shapes.Found, refuses=(404,))
def get_search() -> shapes.Found:
    """Search by words"""
    return answer_search(asking.parse_search(app.query()))


@app.answers("POST", "/search", "read", takes=SearchRequest, gives=shapes.Found, refuses=(404, 422))
def post_search() -> shapes.Found:
    """Search by words, pictures, images or several of these at once"""
    return answer_search(asking.parse_body(SearchRequest, app.serving()))


def answer_search(request: SearchRequest) -> shapes.Found:
    with services().tracer.step("search") as step:
        page = services().search.over(index()).search(request, owner=auth.current().owner)
        step.stages_ms = {part: page.timings_ms[part] for part in ("embed", "index")}
    measures.note_search(page)
    return answers.page_json(page, addresses())


@app.answers("GET", "/stats", "read", gives=shapes.Stats)
def get_stats() -> shapes.Stats:
    """How many images there are, and what they have in common"""
    known = services()
    visible = index()
    counts = visible.counts()
    answer: shapes.Stats = {
        "images": {state: counts[state] for state in STATES if state != "deleted"},
        "facets": visible.facets(),
        "model": known.search.model(),
    }
    if known.queue:
        depth = known.queue.depth()
        answer["queue"] = {"waiting": depth.waiting, "in_flight": depth.in_flight}
    if known.dead_letters and auth.current().may("admin"):
        answer["dead_letters"] = {"waiting": known.dead_letters.count()}
    return answer


@app.answers(
    "GET", "/dead-letters", "admin", asks=parameters.LETTERS, gives=shapes.Letters, refuses=(404,)
)
def get_dead_letters() -> shapes.Letters:
    """Messages that were given up, oldest first"""
    query = app.query()
    if one := query.get("id"):
        letter = dead_letters().get(one)
        return {"items": [{**answers.letter_json(letter), "body": letter.body}], "total": 1}
    letters, total = dead_letters().list()
    return {"items": [answers.letter_json(letter) for letter in letters], "total": total}


@app.answers(
    "POST", "/dead-letters/redrive", "admin", takes=Chosen, gives=shapes.LettersRedriven,
    refuses=(404,),
)  # fmt: skip
def post_redrive() -> shapes.LettersRedriven:
    """Send messages that were given up to the ingest queue again"""
    request = asking.parse_body(Chosen, app.serving())
    done = dead_letters().redrive(request.id)
    return {"redriven": done.letters, "more": done.more}


@app.answers(
    "POST", "/dead-letters/discard", "admin", takes=Discarded, gives=shapes.LettersDiscarded,
    refuses=(404,),
)  # fmt: skip
def post_discard() -> shapes.LettersDiscarded:
    """Write messages that were given up to the log, and delete them"""
    request = asking.parse_body(Discarded, app.serving())
    done = dead_letters().discard(request.reason, request.id, by=auth.current().owner)
    return {"discarded": done.letters, "more": done.more}


def dead_letters() -> DeadLetters:
    known = services().dead_letters
    if known is None:
        raise NotFound("No dead-letter queue is configured; set IMAGES_DEAD_LETTER_QUEUE_URL.")
    return known


@app.answers("GET", "/session", *auth.SCOPES, gives=shapes.Session)
def get_session() -> shapes.Session:
    """What the caller may do"""
    caller = auth.current()
    # Only who may upload has a quota to know of.
    quota = services().quota.standing(caller.owner) if caller.may("upload") else None
    return answers.session_json(caller, quota)


@app.answers("POST", "/session", "read", gives=shapes.Session)
def post_session() -> Response:
    """Cookies for the pictures of a page

    Only who came by a token has something to put into them."""
    caller = auth.current()
    given: list[str] = []
    if caller.token and caller.expires_at:
        at = addresses()._asdict()
        given = services().cookies.begin(caller.token, caller.expires_at, **at)
    return api.answer(get_session(), 200, {"Set-Cookie": given} if given else {})


@app.answers("DELETE", "/session", *auth.SCOPES, gives=shapes.Ended)
def delete_session() -> Response:
    """Take the cookies away

    Pictures that the browser keeps go too: the next person at it may not be the same."""
    ended = services().cookies.end(**addresses()._asdict())
    forgotten = {"Set-Cookie": ended, "Clear-Site-Data": '"cache"'}
    return api.answer({"state": "ended"}, 200, forgotten)


@app.answers("GET", "/health", gives=shapes.Health, also={503: shapes.Health})
def get_health() -> Response:
    """Whether all is well

    Strangers learn whether all is well, admins what is not."""
    health = services().health
    body: dict[str, Any] = {}
    if auth.current().may("admin"):
        body = {"version": __version__, "checks": health.look()}
    well = health.well()
    return api.answer({"status": "ok" if well else "failing", **body}, 200 if well else 503)


@app.answers("GET", "/openapi.json", gives=shapes.Document, also={304: None})
def get_openapi() -> Response:
    """This document"""
    from chalicelib import openapi

    text = openapi.text(
        app, auth=services().settings.auth, version=__version__, server=addresses().api
    )
    return api.kept(text, app.serving(), seconds=300)
