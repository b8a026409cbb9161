"""A day in the life of a deployment: every route, every kind of event, every command of bulk work,
so that every call its functions can make is made."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

import requests

import app
from chalicelib.records import image_id
from tests.infra.asked import Answer
from tests.infra.deployments import INVENTORIES
from tests.infra.played import EMBEDDER, Played
from tests.integration.pictures import jpeg, plain

POISON = "no event at all"


class Life:
    def __init__(self, played: Played, caller: Mapping[str, Any]) -> None:
        """`caller`: what a request says of who sends it."""
        self.played = played
        self.caller = caller
        self.answers: dict[tuple[str, str], Answer] = {}
        """The last answer of each (method, route)."""

    def ask(self, method: str, route: str, **given: Any) -> Answer:
        if "id" in given:
            given["path"] = {"id": given.pop("id")}
        answer = self.played.ask(method, route, **self.caller, **given)
        assert answer.status < 400, (method, route, answer)
        self.answers[method, route] = answer
        return answer

    def id(self, key: str) -> str:
        return image_id(self.played.photos, key)

    def live(self) -> None:
        self.first_of_all()
        self.events()
        self.routes()
        self.letters()
        self.bulk()

    # --- at the beginning -----------------------------------------------------------------------

    def first_of_all(self) -> None:
        """Whichever function runs first finds no index, and makes it."""
        d = self.played
        assert self.ask("GET", "/health").json["status"] == "ok"
        assert self.ask("GET", "/openapi.json").json["openapi"].startswith("3.1")
        self._forget_index()
        assert self.ask("GET", "/search", query={"q": "red"}).json["total"] == 0
        self._forget_index()
        d.put("first/red.jpg", plain("red"))
        assert d.work_off()
        self._found("red", "first/red.jpg")

    def _forget_index(self) -> None:
        d = self.played
        requests.delete(f"{d.opensearch}/{d.index}", timeout=60).raise_for_status()

    def _found(self, words: str, key: str) -> None:
        self.played.refresh()
        # Who the closest is, a random model says surely; whether it is near enough, hardly.
        asked = {"q": words, "closest": "true"}
        found = self.ask("GET", "/search", query=asked).json["items"]
        assert found[0]["key"] == key

    # --- the embedder -------------------------------------------------------------------------

    def events(self) -> None:
        d = self.played
        # Which looks at once whether the library has outgrown its threshold.
        d.begin_anew(EMBEDDER)
        for number, colour in enumerate(("green", "blue", "white")):
            d.put(f"a/{colour}.jpg", plain(colour, number))
        d.put("a/words.jpg", b"no image")
        d.put("a/cold.jpg", jpeg(7), StorageClass="GLACIER")
        d.work_off()
        assert self._state("a/words.jpg") == "rejected"
        assert self._state("a/cold.jpg") == "archived"
        d.put("a/green.jpg", plain("yellow"))
        d.remove("a/white.jpg")
        d.work_off()
        self._found("yellow", "a/green.jpg")
        gone = d.ask("GET", "/images/{id}", path={"id": self.id("a/white.jpg")}, **self.caller)
        assert gone.status == 404

    def _state(self, key: str) -> str:
        return str(self.ask("GET", "/images/{id}", id=self.id(key)).json["state"])

    def letters(self) -> None:
        d = self.played
        d.work_off()
        queue = d.built.queue_url(d.mapping.properties["EventSourceArn"])
        for _ in range(3):
            d.built.sqs.send_message(QueueUrl=queue, MessageBody=POISON)
        assert len(d.work_off()) == 3
        listed = self.ask("GET", "/dead-letters").json
        assert listed["total"] == 3
        first, second, _ = (letter["id"] for letter in listed["items"])
        self.ask("GET", "/dead-letters", query={"id": first})
        assert self.ask("POST", "/dead-letters/redrive", body={"id": first}).json["redriven"] == 1
        discarded = {"id": second, "reason": "a test"}
        assert self.ask("POST", "/dead-letters/discard", body=discarded).json["discarded"] == 1
        assert [m["body"] for m in d.work_off()] == [POISON]

    # --- the routes ---------------------------------------------------------------------------

    def routes(self) -> None:
        d, green = self.played, self.id("a/green.jpg")
        picture = base64.b64encode(jpeg(11)).decode()
        tickets = {"files": [{"name": "x.jpg", "size": 1000, "type": "image/jpeg"}]}
        self.ask("POST", "/uploads", body=tickets)
        self.ask("POST", "/images", body={"name": "y.jpg", "file": picture})
        d.work_off()
        d.refresh()
        assert self.ask("GET", "/images").json["total"] >= 4
        self.ask("GET", "/images", query={"ids": green})
        self.ask("GET", "/images", query={"copies": "true"})
        self.ask("GET", "/images/{id}/copies", id=green)
        for route in ("/images/{id}/file", "/images/{id}/thumbnail"):
            assert self.ask("GET", route, id=green).status == 302
        part = {"id": green, "region": [0.0, 0.0, 0.5, 0.5]}
        for body in (
            {"text": "red"},
            {"text": 'a green -blue "red"', "order": "newest", "closest": True},
            {"image": picture},
            {"id": green},
            part,
            {"parts": [{"text": "red"}, part | {"weight": 0.5}]},
            {"text": "red"} | MORE,
        ):
            self.ask("POST", "/search", body=body)
        self.ask("GET", "/stats")
        self.ask("DELETE", "/images/{id}", id=self.id("a/blue.jpg"))
        for method in ("GET", "POST", "DELETE"):
            self.ask(method, "/session")
        for route in app.app.routes:
            self.ask("OPTIONS", route, id=green)

    # --- bulk work ----------------------------------------------------------------------------

    def bulk(self) -> None:
        """What no event told is found: an object more, one less, a thumbnail that nobody names."""
        d = self.played
        d.put("b/unseen.jpg", plain("black"))
        d.remove("a/green.jpg")
        d.put("b/unseen2.jpg", plain("black", 2))
        self._lose_events()
        for key in self._thumbnails()[:1]:
            stray = f"{key.rpartition('/')[0]}/{'0' * 64}-stray.jpg"
            d.built.s3.put_object(Bucket=d.thumbnails, Key=stray, Body=b"x")
        report = d.job("reconcile")
        assert report["results"] == {"indexed": 2, "deleted": 1}
        assert d.job("reconcile", "--inventory", self._inventory())["total"] == 0
        other = str(d.other_model)
        d.job("reconcile", "--model", other)
        d.job("compare", str(d.model), other)
        names = [row["name"] for row in d.job("list-indexes")["indexes"]]
        (extra,) = (name for name in names if name == d.name_of(d.other_model))
        assert d.job("drop-index", extra, "--anyway")["thumbnails"] > 0

    def _lose_events(self) -> None:
        while self.played.built.waiting(self.played.mapping, self.played.photos):
            pass

    def _thumbnails(self) -> list[str]:
        d = self.played
        return [row["Key"] for row in d.built.s3.list_objects_v2(Bucket=d.thumbnails)["Contents"]]

    def _inventory(self) -> str:
        """A list of the bucket as S3 would write it, in the bucket for such lists
        (https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html)."""
        d = self.played
        s3 = d.built.s3
        d.built.make_bucket(INVENTORIES)
        rows = s3.list_objects_v2(Bucket=d.photos)["Contents"]
        lines = "".join(f'"{d.photos}","{r["Key"]}","{r["ETag"].strip(chr(34))}"\n' for r in rows)
        data = gzip.compress(lines.encode())
        s3.put_object(Bucket=INVENTORIES, Key="lists/data/1.csv.gz", Body=data)
        manifest = {
            "sourceBucket": d.photos,
            "destinationBucket": f"arn:aws:s3:::{INVENTORIES}",
            "version": "2016-11-30",
            "creationTimestamp": str(int(time.time() * 1000)),
            "fileFormat": "CSV",
            "fileSchema": "Bucket, Key, ETag",
            "files": [
                {
                    "key": "lists/data/1.csv.gz",
                    "size": len(data),
                    "MD5checksum": hashlib.md5(data).hexdigest(),
                }
            ],
        }
        key = "lists/manifest.json"
        s3.put_object(Bucket=INVENTORIES, Key=key, Body=json.dumps(manifest).encode())
        return f"s3://{INVENTORIES}/{key}"


MORE = {"facets": True, "collapse": "exact"}
