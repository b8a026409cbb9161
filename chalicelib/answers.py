"""What images and pages look like in answers, and under which addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import quote, urlencode, urlsplit

from chalice.app import Request

from chalicelib.auth import SCOPES, Caller
from chalicelib.config import Settings
from chalicelib.quota import Standing
from chalicelib.reasons import reasons
from chalicelib.records import Hit, ImageRecord, Page

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chalicelib import shapes
    from chalicelib.copies import Copy, Folded
    from chalicelib.deadletters import Letter
    from chalicelib.facts import Exposure
    from chalicelib.uploads import Place, Uploaded


class Addresses(NamedTuple):
    """Where callers reach things, without a slash at the end. `thumbnails` is "" where these come
    by the API."""

    api: str
    thumbnails: str


def addresses(request: Request, settings: Settings) -> Addresses:
    """Of a deployment as its stage's variables say, else as its settings do, else as the request
    came. Thumbnails lie beside the API where there is a key for their cookies."""
    said = (request.stage_vars or {}).get("public_url") or settings.public_url
    thumbnails = settings.thumbnails_url.rstrip("/")
    if not thumbnails and said and settings.cookie_key_id:
        site = urlsplit(said)
        thumbnails = f"{site.scheme}://{site.netloc}/thumbnails"
    return Addresses(base_url(request, said), thumbnails)


def base_url(request: Request, public_url: str) -> str:
    """The address callers reach the API under, without a slash at the end."""
    if public_url:
        return public_url.rstrip("/")
    headers = request.headers
    scheme = headers.get("x-forwarded-proto", "http").split(",")[0].strip()
    prefix = headers.get("x-forwarded-prefix", "")
    if not prefix:
        # `path` has the stage or base path before the route; `request.path` is the route's
        # pattern ("/images/{id}"), so only the number of their parts can be compared.
        parts = str(request.context.get("path", "")).rstrip("/").split("/")
        prefix = "/".join(parts[: len(parts) - request.path.count("/")])
    return f"{scheme}://{headers.get('host', '')}{prefix}".rstrip("/")


def file_url(base: str, image: str, key: str = "") -> str:
    """`key` makes the URL work before the image is indexed."""
    return f"{base}/images/{quote(image)}/file" + (f"?{urlencode({'key': key})}" if key else "")


def whole_image_json(record: ImageRecord, at: Addresses) -> shapes.WholeImage:
    """With all of the text in it."""
    return {**image_json(record, at), "text": record.text}


def image_json(record: ImageRecord, at: Addresses) -> shapes.Image:
    """One image as `docs/api.md` describes it; never its vector."""
    place = record.location
    return {
        "id": record.id,
        "key": record.key,
        "name": record.name,
        "collection": record.collection,
        "state": record.state,
        "reason": record.reason,
        "format": record.format,
        "bytes": record.bytes,
        "width": record.width,
        "height": record.height,
        "taken_at": record.taken_at.isoformat() if record.taken_at else None,
        "uploaded_at": record.uploaded_at.isoformat() if record.uploaded_at else None,
        "indexed_at": record.indexed_at.isoformat(),
        "camera": record.camera,
        "lens": record.lens,
        "exposure": _exposure_json(record.exposure),
        "location": {"lat": place.lat, "lon": place.lon} if place else None,
        "owner": record.owner,
        "sha256": record.sha256,
        "perceptual_hash": record.perceptual_hash,
        "url": file_url(at.api, record.id),
        "thumbnail_url": thumbnail_url(record, at),
        "placeholder": record.placeholder,
    }


def _exposure_json(exposure: Exposure | None) -> shapes.Exposure | None:
    if exposure is None:
        return None
    return {
        "seconds": exposure.seconds,
        "f_number": exposure.f_number,
        "iso": exposure.iso,
        "focal_mm": exposure.focal_mm,
    }


def listed_json(
    records: Iterable[ImageRecord], at: Addresses, counted: Sequence[Folded] = ()
) -> list[shapes.ListedImage]:
    """Images of a listing; `counted`: the copies of each, where they were asked for."""
    items: list[shapes.ListedImage] = [
        cast("shapes.ListedImage", image_json(record, at)) for record in records
    ]
    for item, copies in zip(items, counted, strict=bool(counted)):
        item["copies"] = {"exact": copies.exact, "near": copies.near}
    return items


def copy_json(record: ImageRecord, copy: Copy, at: Addresses) -> shapes.CopiedImage:
    return {**image_json(record, at), "copy": copy.kind, "distance": copy.distance}


def thumbnail_url(record: ImageRecord, at: Addresses) -> str | None:
    """Each thumbnail has a key of its own; the API's address is one for all, so it says which."""
    if not record.thumbnail_key:
        return None
    if at.thumbnails:
        return f"{at.thumbnails}/{quote(record.thumbnail_key)}"
    return f"{at.api}/images/{record.id}/thumbnail?v={record.etag[:8]}"


def page_json(page: Page, at: Addresses) -> shapes.Found:
    """One page of a search as `docs/api.md` describes it."""
    answer: shapes.Found = {
        "items": [_hit_json(hit, page.threshold, at) for hit in page.items],
        "next_cursor": page.next_cursor,
        "total": page.total,
        "matched": page.matched,
        "rest": page.rest,
        "timings_ms": page.timings_ms,
        "model": page.model,
    }
    if page.facets is not None:
        answer["facets"] = page.facets
    if page.vectors is not None:
        answer["vectors"] = list(page.vectors)
    return answer


def _hit_json(hit: Hit, threshold: float | None, at: Addresses) -> shapes.Hit:
    said = reasons(hit, threshold)
    told: shapes.Told = {
        "why": said.why,
        "words": said.words,
        "text": said.text,
        "confidence": said.confidence,
        "score": hit.score,
        "within": hit.within,
    }
    if behind := hit.copies:
        told["copies"] = {"exact": behind.exact, "near": behind.near, "ids": [*behind.ids]}
    return {**image_json(hit.record, at), **told}


def place_json(place: Place | Uploaded, at: Addresses) -> shapes.Uploaded:
    return {
        "id": place.id,
        "key": place.key,
        "name": place.name,
        "url": file_url(at.api, place.id, place.key),
    }


def upload_json(place: Place, at: Addresses) -> shapes.Place:
    """A place to upload to, with the form that S3 takes there."""
    return {
        **place_json(place, at),
        "expires_at": place.expires_at.isoformat(timespec="seconds"),
        "post": {"url": place.post["url"], "fields": place.post["fields"]},
    }


def letter_json(letter: Letter) -> shapes.Letter:
    return {
        "id": letter.id,
        "came_at": letter.came_at.isoformat(timespec="seconds"),
        "receives": letter.receives,
        "keys": [*letter.keys],
        "more_keys": letter.more_keys,
        "code": letter.code,
        "error": letter.error,
        "message_id": letter.message_id,
    }


def session_json(caller: Caller, quota: Standing | None) -> shapes.Session:
    """What a caller may do, so that a page need not offer the rest."""
    ends = caller.expires_at
    return {
        "owner": caller.owner,
        "name": caller.name,
        "scopes": [scope for scope in SCOPES if caller.may(scope)],
        "expires_at": ends.isoformat(timespec="seconds") if ends else None,
        "quota": quota_json(quota) if quota else None,
    }


def quota_json(standing: Standing) -> shapes.Quota:
    used = standing.used
    return {
        "files": {"limit": standing.allowance.files or None, "used": used and used.files},
        "bytes": {"limit": standing.allowance.bytes or None, "used": used and used.bytes},
        "resets_at": standing.ends.isoformat(timespec="seconds"),
    }
