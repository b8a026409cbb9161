"""Every code that an error may be answered with: its status and what it means.

`docs/api.md` lists the same, and `GET /openapi.json` names those that each route may give; a test
holds all three and the code that raises them together. A code once given away keeps its meaning.
"""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    status: int
    meaning: str


CODES: dict[str, Code] = {
    "invalid_request": Code(400, "a field is missing, unknown, of the wrong type or out of range"),
    "invalid_cursor": Code(400, "the cursor does not belong to this search"),
    "invalid_base64": Code(400, "the file or image is not base64"),
    "unauthorized": Code(401, "no caller could be made out"),
    "token_expired": Code(401, "the access token was good once"),
    "invalid_token": Code(401, "the access token is not valid here"),
    "insufficient_scope": Code(403, "the scope that the message names is missing"),
    "forbidden": Code(403, "nobody may do that here"),
    "not_found": Code(404, "no such image or route"),
    "method_not_allowed": Code(405, "the route does not take that method"),
    "too_large": Code(413, "more bytes or pixels than the limit the message names"),
    "unsupported_type": Code(415, "the body is not JSON, or the file's type is no image type"),
    "unreadable_image": Code(422, "the bytes are no image we read, or a broken one"),
    "quota_exceeded": Code(429, "more than the owner's quota of uploads today"),
    "too_many_requests": Code(429, "more requests at a time than the deployment takes"),
    "internal": Code(500, "our fault; the log has the request id"),
    "model": Code(500, "the model's fault; the log has the request id"),
    "configuration": Code(500, "the set-up's fault; the log has the request id"),
    "storage_unavailable": Code(503, "S3 did not answer; try again"),
    "queue_unavailable": Code(503, "SQS did not answer; try again"),
    "index_unavailable": Code(503, "the index did not answer; try again"),
    "decoder_unavailable": Code(503, "no picture could be decoded just now; try again"),
    "quota_unavailable": Code(503, "uploads could not be counted; try again"),
    "sign_in_unavailable": Code(503, "whoever signs the tokens did not answer; try again"),
    "out_of_time": Code(503, "the time was over before the work was done; try again"),
    "timeout": Code(504, "it took longer than API Gateway waits; try again"),
}


def of_status(status: int) -> list[str]:
    """The codes that come with `status`."""
    return [code for code, said in CODES.items() if said.status == status]
