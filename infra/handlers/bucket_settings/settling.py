"""Changing a part of a document that S3 only gives and takes as a whole.

S3 has neither conditions nor versions for a bucket's settings, so two writers can overwrite each
other. What can be done is done: the document is read again right before it is written, and again
afterwards until it shows what was wanted; where it does not, all of it begins anew. A writer
between our second read and our write, a few milliseconds, is not seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar
from xml.etree import ElementTree

from infra.handlers.bucket_settings.refusals import Refused

Document = TypeVar("Document")

TRIES = 6
PAUSES = (0.0, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds between reads: S3 shows a changed setting everywhere only after a while
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel)."""


def settle(
    read: Callable[[], Document],
    write: Callable[[Document], None],
    merge: Callable[[Document], Document],
) -> Document:
    """Bring the document to where `merge` finds nothing to change; returns what was read first.

    `merge` leaves its argument alone and gives back an equal one where nothing is to be done.
    Raises `Refused` where somebody else keeps changing it.
    """
    first = found = read()
    written = False
    for attempt in range(TRIES):
        wanted = merge(found)
        if wanted == found:
            return first
        again = read()
        if again != found:
            found = again
            time.sleep(PAUSES[attempt])
            continue
        write(wanted)
        written = True
        for pause in PAUSES:
            time.sleep(pause)
            found = read()
            if merge(found) == found:
                return first
    raise Refused(
        "The bucket's settings were changed by somebody else at each of our tries. Deploy again "
        "when that has ended.",
        changed=written,
    )


def all_understood(body: bytes, understood: object) -> bool:
    """Whether `understood`, boto3's reading of the XML in `body`, has every value of it.

    An SDK drops what it does not know, and writing back would then delete it.
    """
    said = sorted(
        element.text or ""
        for element in ElementTree.fromstring(body).iter()
        if not len(element) and (element.text or "").strip()
    )
    return said == sorted(text for text in _leaves(understood) if text.strip())


def _leaves(value: object) -> list[str]:
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in _leaves(part)]
    if isinstance(value, list):
        return [leaf for part in value for leaf in _leaves(part)]
    return [str(value)]
