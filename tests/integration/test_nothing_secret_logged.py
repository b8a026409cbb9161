"""The whole life of some pictures, in functions as Lambda runs them that write down all they can
(log level DEBUG, botocore and urllib3 too): none of it is what opens a door, or a picture."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import boto3
import pytest
import requests
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.fakes.issuer import CLIENT, rsa_key, serving
from tests.integration import runtime_api
from tests.integration.aws_server import Aws, aws_server
from tests.integration.days import in_one_day
from tests.integration.local_stack import BUCKET, THUMBNAILS, environment
from tests.integration.pictures import jpeg
from tests.unit.lambda_side import gateway_event

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEExampleSessionTokenOfTheRole"
CREDENTIALS = (f"AWS_SECRET_ACCESS_KEY={SECRET}", f"AWS_SESSION_TOKEN={TOKEN}")
DEBUG = {
    "AWS_LAMBDA_LOG_FORMAT": "JSON",
    "AWS_LAMBDA_LOG_LEVEL": "DEBUG",
    "POWERTOOLS_LOG_LEVEL": "DEBUG",
}
"""https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html"""

KEY = "/photos/cookie-key"
PICTURE = base64.b64encode(jpeg(3)).decode()
PHOTO = jpeg(4)


class Told:
    """What a life has seen that nobody else should."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {"secret key": SECRET, "session token": TOKEN}

    def add(self, name: str, text: str) -> None:
        assert len(text) > 20
        self.secrets[f"{name} {len(self.secrets)}"] = text

    def read_answer(self, answer: dict[str, Any]) -> Any:
        """Its body; the cookies and presigned addresses in it are kept."""
        for cookie in (answer.get("multiValueHeaders") or {}).get("Set-Cookie", []):
            value = cookie.partition("=")[2].partition(";")[0]
            if len(value) > 20:
                self.add("cookie", value)
        if location := (answer.get("headers") or {}).get("Location"):
            self.add("address", location.partition("X-Amz-Signature=")[2].partition("&")[0])
        body = json.loads(answer["body"]) if answer.get("body") else None
        for place in (body or {}).get("uploads", []):
            fields = place["post"]["fields"]
            self.add("policy", fields["policy"])
            self.add("signature", fields["x-amz-signature"])
        return body


class Functions:
    """The API as one function, the embedder as another."""

    def __init__(
        self, aws: Aws, api: runtime_api.RuntimeApi, embedder: runtime_api.RuntimeApi, told: Told
    ) -> None:
        self.aws, self.api, self.embedder, self.told = aws, api, embedder, told

    def ask(self, method: str, route: str, body: Any = None, **given: Any) -> tuple[int, Any]:
        headers = given.pop("headers", {})
        event = gateway_event(method, route, body, **given)
        event["headers"] = event["headers"] | headers
        answer = self.api.invoke(event)
        assert answer.kind == "response", answer
        return answer.body["statusCode"], self.told.read_answer(answer.body)

    def work_off(self) -> None:
        records = self.aws.messages()
        assert records
        answer = self.embedder.invoke({"Records": records})
        assert answer.body == {"batchItemFailures": []}


def settings(aws: Aws, issuer: str, folder: Path, model: Path) -> dict[str, str]:
    kept = {n: v for n, v in environment().items() if not n.startswith(("AWS_", "IMAGES_"))}
    return kept | {
        "IMAGES_BUCKET": BUCKET,
        "IMAGES_THUMBNAILS_BUCKET": THUMBNAILS,
        "IMAGES_ENDPOINT": aws.url,
        "IMAGES_QUEUE_URL": aws.queue,
        "IMAGES_REGION": "us-east-1",
        "IMAGES_INDEX_FOLDER": str(folder / "index"),
        "IMAGES_MODEL_FOLDER": str(model),
        "IMAGES_DECODERS": "1",
        "IMAGES_AUTH": "cognito",
        "IMAGES_TOKEN_ISSUER": issuer,
        "IMAGES_TOKEN_CLIENTS": CLIENT,
        "IMAGES_PUBLIC_URL": "https://photos.example.org/api",
        "IMAGES_COOKIE_KEY_ID": "K2JCJMDEHXQW5F",
        "IMAGES_COOKIE_KEY_PARAMETER": KEY,
        "IMAGES_QUOTA_FILES": "3",
        "IMAGES_QUOTA_TABLE": "quota",
        **DEBUG,
    }


def made_in(aws: Aws, told: Told) -> None:
    """The key of the cookies, and the table that uploads are counted in."""
    session = boto3.Session("local", "local", region_name="us-east-1")
    pem = rsa_key("cookies").private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    ).decode()  # fmt: skip
    told.add("private key", pem.splitlines()[3])
    ssm = session.client("ssm", endpoint_url=aws.url)
    ssm.put_parameter(Name=KEY, Value=pem, Type="SecureString")
    dynamodb = session.client("dynamodb", endpoint_url=aws.url)
    dynamodb.create_table(
        TableName="quota",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def lived(functions: Functions, issuer: Any, told: Told) -> None:
    tokens = [issuer.person("anna", "admin"), issuer.person("anna", exp=1), issuer.token(iss="x")]
    good, *bad = [{"authorization": f"Bearer {token}"} for token in tokens]
    for token in tokens:
        told.add("token", token)
        told.add("its signature", token.rpartition(".")[2])
    ask = functions.ask
    file = {"name": "x.jpg", "size": len(PHOTO), "type": "image/jpeg"}
    status, body = ask("POST", "/uploads", {"files": [file]}, headers=good)
    assert status == 201
    post = body["uploads"][0]["post"]
    sent = requests.post(post["url"], post["fields"], files={"file": PHOTO}, timeout=60)
    assert sent.status_code == 204
    status, uploaded = ask("POST", "/images", {"file": PICTURE, "name": "y.jpg"}, headers=good)
    assert status == 201
    functions.work_off()
    known = uploaded["id"]
    for body in (
        {"text": "red"},
        {"image": PICTURE},
        {"parts": [{"id": known}, {"image": PICTURE}]},
    ):
        assert ask("POST", "/search", body, headers=good)[0] == 200
    assert ask("POST", "/session", headers=good)[0] == 200
    cookie = {"cookie": f"session={tokens[0]}"}
    for part in ("file", "thumbnail"):
        for headers in (good, cookie):
            assert ask("GET", f"/images/{{id}}/{part}", headers=headers, id=known)[0] == 302
    # What goes wrong says why, and no more.
    for headers in bad:
        assert ask("GET", "/stats", headers=headers)[0] == 401
    for body, status in (
        ({"image": PICTURE + "!"}, 400), ({"image": PICTURE[:40]}, 422),
        ({"picture": PICTURE}, 400), ({"text": PICTURE}, 400),
        ({"id": tokens[0]}, 400), ({"vector": PICTURE[:8000]}, 400),
        ([PICTURE], 400),
    ):  # fmt: skip
        assert ask("POST", "/search", body, headers=good)[0] == status, body
    assert ask("POST", "/images", {"file": PICTURE, "name": 5}, headers=good)[0] == 400
    assert ask("POST", "/uploads", {"files": [file] * 3}, headers=good)[0] == 429
    assert ask("DELETE", "/session", headers=good)[0] == 200
    assert ask("DELETE", "/images/{id}", headers=good, id=known)[0] == 200
    functions.work_off()


def reconciled(known: dict[str, str], out: IO[bytes]) -> None:
    command = [sys.executable, "-m", "container_embedder.batch_job", "reconcile"]
    keys = {"AWS_ACCESS_KEY_ID": "local", **dict(pair.split("=") for pair in CREDENTIALS)}
    done = subprocess.run(command, env=known | keys, stdout=out, stderr=out, check=False)
    assert done.returncode == 0


@pytest.fixture(scope="module")
def life(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Told]:
    """(all that was written down, what should not be in it)"""
    return in_one_day(lambda folder: whole_life(tiny, folder), tmp_path_factory.mktemp("lives"))


def whole_life(tiny: Path, folder: Path) -> tuple[str, Told]:
    folder.mkdir()
    told = Told()
    runtime = ("env", *CREDENTIALS, sys.executable, "-m", "awslambdaric")
    with serving() as issuer, aws_server() as aws, (folder / "log").open("wb") as out:
        known = settings(aws, issuer.url, folder, tiny)
        made_in(aws, told)
        with (
            runtime_api.function((*runtime, "app.app"), known, said=out) as api,
            runtime_api.function(
                (*runtime, "container_embedder.handler.handler"), known, said=out
            ) as embedder,
        ):
            lived(Functions(aws, api, embedder, told), issuer, told)
        reconciled(known, out)
        aws.s3.close()
    return (folder / "log").read_text(), told


def test_the_life_was_written_down(life: tuple[str, Told]) -> None:
    said, told = life
    for line in ('"upload"', '"request refused"', '"search"', '"image"', "quota_exceeded"):
        assert line in said, line
    kinds = {name.rpartition(" ")[0] for name in told.secrets if name[-1].isdigit()}
    assert kinds == {
        "token", "its signature", "policy", "signature", "cookie", "address", "private key",
    }  # fmt: skip


def test_no_signature_token_cookie_or_key_is_written_down(life: tuple[str, Told]) -> None:
    said, told = life
    assert [name for name, secret in told.secrets.items() if secret in said] == []
    for name in ("X-Amz-Signature", "x-amz-signature", "x-amz-security-token", "Bearer ey"):
        assert name not in said
        assert name.lower() not in said.lower()


def test_no_picture_is_written_down(life: tuple[str, Told]) -> None:
    said, _ = life
    middle = len(PICTURE) // 2
    for piece in (PICTURE[:24], PICTURE[middle : middle + 24], PICTURE[-24:]):
        assert piece not in said
    assert repr(PHOTO[:12])[2:-1] not in said
