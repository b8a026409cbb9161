"""From which ρ on an answer counts in this library, measured where the library has grown.

The best ρ of a query that means nothing rises with the number of images, so the threshold is a
figure of the library: it is kept with the index, as a note of which any process may ask.
docs/adr/0032 has the rule, docs/adr/0036 when it is applied.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Protocol

from aws_lambda_powertools import Logger

from chalicelib import deadline
from chalicelib.errors import IntellisenseError
from chalicelib.index.base import Searched
from chalicelib.log import SERVICE
from chalicelib.relevance import image_threshold, threshold_above

if TYPE_CHECKING:
    from chalicelib.clip.calibration import Calibration

logger = Logger(service=SERVICE, child=True)

NOTE = "thresholds"
"""The note's name."""
CLAIM = "thresholds-claim"
"""Names the note that says when somebody last began to measure."""

CLAIMED_S = 120.0
"""Of many functions that find a library doubled, one measures; another where it has not by now."""

LOOK_EVERY_S = 60.0
REMEMBERED_S = 30.0

SMALL = 2000
"""Images that a search may measure for itself: 250 queries of a library of this size take an
embedded index 0.2 seconds on two busy cores."""

SECONDS_TO_MEASURE = 15.0
"""Who has less left does not begin."""


class Measurable(Protocol):
    """The part of `Clip` that thresholds need."""

    @property
    def calibration(self) -> Calibration | None: ...


@dataclass(frozen=True, slots=True)
class Measured:
    """The threshold of queries by `texts` and of those by `images`, as ρ, for the vectors of a
    `calibration` (its version), when `ready` images were searchable."""

    texts: float
    images: float
    calibration: str
    ready: int
    at: datetime

    def fits(self, calibration: str, ready: int) -> bool:
        """Whether it holds for a library of `ready` images: neither twice nor half as many."""
        return calibration == self.calibration and self.ready / 2 < ready < self.ready * 2

    def to_json(self) -> str:
        return json.dumps(self.told() | {"at": self.at.isoformat(timespec="seconds")})

    def told(self) -> dict[str, Any]:
        """For a line of the log."""
        return {name: value for name, value in asdict(self).items() if name != "at"}

    @classmethod
    def from_json(cls, text: str | None) -> Measured | None:
        """None where `text` is nothing that `to_json` wrote."""
        try:
            said = json.loads(text or "")
            texts, images = float(said["texts"]), float(said["images"])
            at = datetime.fromisoformat(said["at"])
            found = cls(texts, images, str(said["calibration"]), int(said["ready"]), at)
        except (ValueError, TypeError, KeyError):
            return None
        return found if math.isfinite(texts) and math.isfinite(images) else None


UNMEASURED = Measured(0.95, 0.92, calibration="", ready=0, at=datetime.min)
"""Where nothing was measured yet: what libraries of a thousand photos have."""


def measure(index: Searched, calibration: Calibration, ready: int) -> Measured | None:
    """The thresholds of a library of `ready` images; None where no image is found in it.

    That of texts stands above what `calibration`'s null queries find here; that of images is the
    calibration's own: how alike pictures of different things are is no matter of the library.
    """
    texts = threshold_above(index.best_scores(calibration.null_texts).tolist())
    if not math.isfinite(texts):
        return None
    images = image_threshold(calibration.alike)
    now = datetime.now(timezone.utc)
    return Measured(round(texts, 4), round(images, 4), calibration.version, ready, now)


class Thresholds:
    """Of one library. Safe to use from many threads."""

    def __init__(
        self,
        index: Searched,
        encoder: Measurable,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._index = index
        self._encoder = encoder
        self._clock = clock
        self._lock = threading.Lock()
        self._looked = -math.inf
        self._changed = 0
        self._enough = 1.0
        self._known: Measured | None = None
        self._known_at = -math.inf

    # --- those who write the index -------------------------------------------------------------

    def refresh(self, changed: int = 0, *, anyway: bool = False) -> bool:
        """Measure again where the library has doubled or halved, or the calibration is another;
        whether it was. With `anyway` in any case.

        Nearly free where nothing is due: the library is looked at once a minute, or when the
        `changed` images that this process was told of are as many as were there. What fails is
        logged and tried again later: nothing is raised for its sake.
        """
        with self._lock:
            self._changed += changed
            pause_over = self._clock() - self._looked >= LOOK_EVERY_S
            if not (anyway or pause_over or self._changed >= self._enough):
                return False
            if (left := deadline.remaining()) is not None and left < SECONDS_TO_MEASURE:
                return False
            self._looked, self._changed, self._enough = self._clock(), 0, math.inf
        try:
            return self._refresh(anyway)
        except Exception:
            logger.exception("the thresholds could not be measured")
            return False

    def _refresh(self, anyway: bool) -> bool:
        calibration = self._encoder.calibration
        if calibration is None:
            return False
        ready = self._index.counts()["ready"]
        known = self._note()
        due = anyway or known is None or not known.fits(calibration.version, ready)
        measured = None
        if due and ready and (anyway or ready <= SMALL or self._claimed()):
            measured = measure(self._index, calibration, ready)
        if measured:
            self._index.keep_note(NOTE, measured.to_json())
            logger.info("thresholds", **measured.told())
            known = measured
        with self._lock:
            self._enough = max(1, known.ready if known else 0) if ready <= SMALL else math.inf
        return measured is not None

    def _note(self) -> Measured | None:
        return Measured.from_json(self._index.note(NOTE))

    def _claimed(self) -> bool:
        """Whether this process is the one to measure."""
        now = time.time()
        try:
            since = now - float(self._index.note(CLAIM) or "-inf")
        except ValueError:
            since = math.inf
        if 0 <= since < CLAIMED_S:
            return False
        self._index.keep_note(CLAIM, str(now))
        return True

    # --- those who search ----------------------------------------------------------------------

    def current(self) -> Measured | None:
        """The thresholds to search by; None where the model has no calibration.

        Known for `REMEMBERED_S`. A small library without a note that fits is measured here, where
        the index may be read only; a large one goes by a note that no longer fits, or by
        `UNMEASURED`, until whoever writes the index has measured. Raises `ModelError` for a broken
        calibration.
        """
        calibration = self._encoder.calibration
        if calibration is None:
            return None
        with self._lock:
            if self._known is None or self._clock() - self._known_at >= REMEMBERED_S:
                try:
                    self._known = self._looked_up(calibration)
                except IntellisenseError as error:
                    logger.warning("thresholds not looked up", reason=error.message)
                    self._known = self._known or UNMEASURED
                self._known_at = self._clock()
            return self._known

    def _looked_up(self, calibration: Calibration) -> Measured:
        said = self._note()
        if said and said.ready > 2 * SMALL and said.calibration == calibration.version:
            return said
        ready = self._index.counts()["ready"]
        for one in (said, self._known):
            if one and one.fits(calibration.version, ready):
                return one
        if 0 < ready <= SMALL and (measured := measure(self._index, calibration, ready)):
            return measured
        if ready:
            logger.warning("thresholds do not fit", ready=ready, calibration=calibration.version)
        return said or UNMEASURED
