"""What a search asks → terms with vectors, in the space that images are searched in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from chalicelib import vectors, words
from chalicelib.algebra import Term
from chalicelib.errors import InvalidRequest, NotFound, TooLarge
from chalicelib.index.base import Searched
from chalicelib.index.remembered import Remembered
from chalicelib.queries import Part
from chalicelib.relevance import Wording
from chalicelib.storage import Bucket, Fetched
from chalicelib.uploads import MAX_BASE64, decode_base64

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.clip.calibration import Calibration
    from chalicelib.clip.pixels import PixelSpec
    from chalicelib.decoding import DecoderPool

_REMEMBERED_TEXTS = 1024

LEAST_SIDE = 16
"""Pixels of a region: in fewer there is nothing to be seen."""


class QueryEncoder(Protocol):
    """The part of `Clip` that search needs."""

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def dim(self) -> int: ...
    @property
    def calibration(self) -> Calibration | None: ...
    @property
    def pixel_spec(self) -> PixelSpec: ...
    @property
    def exact(self) -> bool: ...
    def embed_texts(self, texts: list[str], /) -> NDArray[np.float32]: ...
    def embed_pixels(self, pixels: NDArray[np.uint8], /) -> NDArray[np.float32]: ...


class Meanings:
    """Makes vectors of parts of a query. Texts are remembered; safe to use from many threads."""

    def __init__(
        self, *, encoder: QueryEncoder, decoders: DecoderPool, bucket: Bucket, max_bytes: int
    ) -> None:
        self._encoder = encoder
        self._decoders = decoders
        self._bucket = bucket
        self._max_bytes = max_bytes
        self._texts: Remembered[NDArray[np.float32]] = Remembered(_REMEMBERED_TEXTS)

    def vectors(self, parts: Sequence[Part], *, alone: bool) -> list[str | None]:
        """The vector of each picture sent, as the text that may stand in its place; None where
        there is none. `alone`: errors name the fields of a request that is its own only part.

        Raises `InvalidRequest`, `TooLarge` or `UnreadableImage` for images that cannot be looked
        for.
        """
        if sum(len(part.image or "") for part in parts) > MAX_BASE64 and not alone:
            limit = MAX_BASE64 / 1e6
            raise TooLarge(
                f"The images of one request have at most {limit:.1f} MB of base64 together.",
                field="parts",
            )
        return [self._sent(part, path) for part, path in _with_paths(parts, alone)]

    def terms(self, parts: Sequence[Part], index: Searched, *, alone: bool) -> list[Term]:
        """A term for each of `parts`, whose ids are those of images in `index` and whose pictures
        have become vectors. `alone` as in `vectors`.

        Raises `InvalidRequest` or `NotFound` for a vector or id that cannot be looked for.
        """
        return [self._term(part, index, path) for part, path in _with_paths(parts, alone)]

    def _sent(self, part: Part, path: str) -> str | None:
        if part.image is None:
            return None
        row = self._seen(decode_base64(part.image, field=f"{path}image"), part, path)
        return vectors.to_text(row, self._encoder.fingerprint)

    def _term(self, part: Part, index: Searched, path: str) -> Term:
        if part.text is None:
            return Term(self._picture(part, index, path), part.weight, picture=True)
        if part.weight < 0:
            return Term(self._text(part.text), part.weight)
        parsed = words.parse(part.text)
        left_out = tuple(self._text(text) for text in parsed.left_out)
        return Term(self._text(parsed.text or part.text), part.weight, left_out=left_out)

    def _text(self, text: str) -> NDArray[np.float32]:
        return self._texts.get(text, lambda: self._embedded(text))

    def _embedded(self, text: str) -> NDArray[np.float32]:
        rows = self._encoder.embed_texts([text])
        calibration = self._encoder.calibration
        return cast(
            "NDArray[np.float32]", (rows if calibration is None else calibration.of_texts(rows))[0]
        )

    def _picture(self, part: Part, index: Searched, path: str) -> NDArray[np.float32]:
        if part.vector is not None:
            known = self._encoder
            at = f"{path}vector"
            return self._centred(
                vectors.from_text(part.vector, known.fingerprint, known.dim, field=at)
            )
        assert part.id is not None
        if part.region is not None:
            return self._centred(self._seen(self._file(part.id, index, path), part, path))
        stored = index.vector(part.id)
        if stored is None:
            raise NotFound("No searchable image has this id.", field=f"{path}id")
        return _unit(stored)

    def _file(self, id: str, index: Searched, path: str) -> bytes:
        held = index.read([id]).get(id)
        if held is None or held.record.state != "ready":
            raise NotFound("No searchable image has this id.", field=f"{path}id")
        look = self._bucket.look(held.record.key, max_bytes=self._max_bytes)
        if not isinstance(look, Fetched):
            raise NotFound("The file of this image cannot be read now.", field=f"{path}id")
        return look.data

    def _seen(self, data: bytes, part: Part, path: str) -> NDArray[np.float32]:
        """As the model sees it: a unit vector, float32 [D], not centred yet."""
        prepared = self._decoders.prepare(
            data,
            self._encoder.pixel_spec,
            exact=self._encoder.exact,
            thumbnail=False,
            region=part.region,
        )
        if part.region is not None:
            sides = (prepared.width * part.region[2], prepared.height * part.region[3])
            if min(sides) < LEAST_SIDE:
                raise InvalidRequest(
                    f"The region is {sides[0]:.0f} x {sides[1]:.0f} pixels of this picture; it"
                    f" must be at least {LEAST_SIDE} x {LEAST_SIDE}.",
                    field=f"{path}region",
                )
        return cast("NDArray[np.float32]", self._encoder.embed_pixels(prepared.pixels[None])[0])

    def _centred(self, row: NDArray[np.float32]) -> NDArray[np.float32]:
        calibration = self._encoder.calibration
        return row if calibration is None else calibration.of_images(row[None])[0]


def _with_paths(parts: Sequence[Part], alone: bool) -> Iterator[tuple[Part, str]]:
    """Each part with what stands before its fields in an error."""
    for number, part in enumerate(parts):
        yield part, "" if alone else f"parts.{number}."


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """A stored vector is as long as its image's response makes it."""
    import numpy as np

    length = np.sqrt(np.square(vector, dtype=np.float64).sum())
    return np.asarray(vector / length, np.float32)


def wording_of(parts: Sequence[Part]) -> Wording | None:
    """What the texts that are wanted ask of words together; None where there are none. Only a text
    that is all of the request may be the very name of an image."""
    asked = [words.parse(part.text).wording for part in parts if part.text and part.weight > 0]
    if not asked:
        return None
    return Wording(
        words=tuple(dict.fromkeys(word for one in asked for word in one.words)),
        phrases=tuple(dict.fromkeys(phrase for one in asked for phrase in one.phrases)),
        without=tuple(dict.fromkeys(phrase for one in asked for phrase in one.without)),
        whole=asked[0].whole if len(parts) == 1 else (),
    )
