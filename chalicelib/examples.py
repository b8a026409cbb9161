"""Examples of what is sent and answered, by the names of models and shapes; a test holds each to
its schema."""

from __future__ import annotations

from typing import Any

_ID = "4f0c7d2c9a1e4b58b0a9d3f1c2e5a687"
_KEY = "samples/01k9zc3v7q8x/cat.png"
_AT = f"http://127.0.0.1:8000/images/{_ID}"

_IMAGE: dict[str, Any] = {
    "id": _ID,
    "key": _KEY,
    "name": "cat.png",
    "collection": "samples",
    "state": "ready",
    "reason": "",
    "format": "png",
    "bytes": 240512,
    "width": 451,
    "height": 300,
    "taken_at": "2019-05-04T12:30:00+02:00",
    "uploaded_at": "2026-11-22T15:00:00+00:00",
    "indexed_at": "2026-11-22T15:00:01+00:00",
    "camera": "Canon EOS 80D",
    "lens": "EF50mm f/1.8 STM",
    "exposure": {"seconds": 0.004, "f_number": 2.8, "iso": 100, "focal_mm": 50.0},
    "location": {"lat": 48.1, "lon": 11.5},
    "owner": "",
    "sha256": "9b1f6f0a" * 8,
    "perceptual_hash": "3c7e" * 8,
    "url": f"{_AT}/file",
    "thumbnail_url": f"{_AT}/thumbnail?v=9b1f6f0a",
    "placeholder": "3tvYx8O+sayZ2NXSwr66p6KYzMjEt7KrmJGI",
}
_HIT = {
    **_IMAGE,
    "why": ["meaning", "name"],
    "words": {"name": ["cat"]},
    "text": "",
    "confidence": 0.93,
    "score": 1.4127,
    "within": True,
}
_MODEL = {"name": "starter", "fingerprint": "9f8e7d6c5b4a", "dim": 384}
_FACETS = {
    "collection": {"holiday": 17, "samples": 12},
    "year": {"2024": 20, "2019": 8},
    "camera": {"Canon EOS 80D": 3},
    "format": {"jpeg": 28, "png": 1},
}
_UPLOADED = {
    "id": _ID,
    "key": "holiday/01k9zc3v7q8x/beach.jpg",
    "name": "beach.jpg",
    "url": f"{_AT}/file?key=holiday%2F01k9zc3v7q8x%2Fbeach.jpg",
}
_LETTER = {
    "id": "5fea7756-0ea4-451a-a703-a558b933e274",
    "came_at": "2026-03-14T09:56:53+00:00",
    "receives": 5,
    "keys": ["trips/01k9zc3v7q8x/beach.jpg"],
    "more_keys": 0,
    "code": "storage_unavailable",
    "error": "S3 did not answer.",
    "message_id": "059f36b4-87a3-44ab-83d2-661975830a7d",
}

EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "SearchRequest": [
        {"text": "a cat", "filters": {"collection": "samples", "date_from": "2020-01-01"}},
        {"id": _ID, "region": [0.1, 0.4, 0.5, 0.5], "limit": 50},
        {"parts": [{"text": "a garden"}, {"text": "people", "weight": -0.4}], "order": "newest"},
    ],
    "UploadsRequest": [
        {
            "collection": "holiday",
            "files": [{"name": "beach.jpg", "type": "image/jpeg", "size": 182734}],
        }
    ],
    "ImageUpload": [
        {"file": "data:image/png;base64,iVBORw0KGgo=", "name": "chart.png", "collection": "uploads"}
    ],
    "Chosen": [{"all": True}],
    "Discarded": [{"id": _LETTER["id"], "reason": "the photo was deleted by hand"}],
    "WholeImage": [{**_IMAGE, "text": "Beach Bar, open from 10"}],
    "Images": [{"items": [_IMAGE], "next_cursor": None, "total": 1}],
    "Copies": [{"items": [{**_IMAGE, "copy": "near", "distance": 2}]}],
    "Deleted": [{"id": _ID, "state": "deleted"}],
    "Found": [
        {
            "items": [_HIT],
            "next_cursor": None,
            "total": 1,
            "matched": True,
            "rest": 971,
            "timings_ms": {"embed": 3.1, "index": 0.4, "total": 4.0},
            "model": _MODEL,
            "facets": _FACETS,
        }
    ],
    "Uploaded": [_UPLOADED],
    "Places": [
        {
            "uploads": [
                {
                    **_UPLOADED,
                    "expires_at": "2026-11-22T15:05:00+00:00",
                    "post": {
                        "url": "https://bucket.s3.eu-central-1.amazonaws.com/",
                        "fields": {"key": _UPLOADED["key"], "Content-Type": "image/jpeg"},
                    },
                }
            ]
        }
    ],
    "Session": [
        {
            "owner": "6f2c0a4e-0d1b-4c55-9a53-1d2a7c1f7a10",
            "name": "anna",
            "scopes": ["read", "upload"],
            "expires_at": "2026-11-22T16:00:00+00:00",
            "quota": {
                "files": {"limit": 500, "used": 12},
                "bytes": {"limit": None, "used": 48_210_334},
                "resets_at": "2026-11-23T00:00:00+00:00",
            },
        }
    ],
    "Ended": [{"state": "ended"}],
    "Stats": [
        {
            "images": {"ready": 29, "rejected": 1, "archived": 0},
            "facets": _FACETS,
            "model": _MODEL,
            "queue": {"waiting": 0, "in_flight": 0},
            "dead_letters": {"waiting": 0},
        }
    ],
    "Letters": [{"items": [_LETTER], "total": 1}],
    "LettersRedriven": [{"redriven": 1, "more": False}],
    "LettersDiscarded": [{"discarded": 1, "more": False}],
    "Health": [
        {"status": "ok", "version": "0.1.0", "checks": {"bucket": "ok", "queue": "ok"}},
        {"status": "failing"},
    ],
    "Error": [
        {
            "error": {
                "code": "invalid_request",
                "message": "Must be 1 or more.",
                "field": "limit",
                "request_id": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            }
        }
    ],
}
"""The first is of the usual case."""

PATH_EXAMPLES = {"id": _ID}
