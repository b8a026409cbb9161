"""What a model's vectors are seen from, so that one threshold goes for all queries and images.

Vectors of pictures and of texts lie in two narrow cones (Liang et al. 2022, "Mind the Gap", arXiv
2203.02053), and some pictures are near to every text (hubs: Radovanović et al. 2010, JMLR 11). So
each is centred on the mean of its kind, and a picture's vector divided by its response r: how
strongly it answers to the nouns of a bank that fit it best, as CSLS (Conneau et al. 2018, arXiv
1710.04087) and querybank normalisation (Bogolin et al. 2022, arXiv 2112.12777) use it. The inner
product with a centred query is then about 1 where a picture is what the query says. How the
numbers were chosen is in docs/adr/0031-calibration.md.
"""

from __future__ import annotations

import functools
import re
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE = "calibration.npz"

_MOST_BYTES = 256 * 1024 * 1024
"""Of one array of the file. 11,000 nouns of 4,096 parts are 43 MiB."""

_VERSION = re.compile("[0-9a-f]{12}")

_DAMAGE = (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile, zlib.error)
"""What numpy and zipfile raise of files that are not what they should be."""


class Calibration:
    """One model's calibration, read from its folder. Safe to use from many threads.

    What a search needs is small and read at once; the noun bank, which only `stored` needs, and
    the null queries are read when first used.
    """

    def __init__(self, path: Path, dim: int) -> None:
        """Raises ModelError where the file is damaged, or of vectors that are not `dim` long."""
        self._path = path
        self._dim = dim
        self.version: str = self._word("version")
        """12 hex digits that stand for the way it was made, the model, the nouns and the photos:
        not for the numbers, whose last bits differ between processors."""
        self.model: str = self._word("model")
        """The fingerprint of the model that it was made for."""
        self._texts_mean = self._rows("texts_mean", (dim,))
        self._images_mean = self._rows("images_mean", (dim,))
        self._nearest = int(self._number("nearest"))
        self._least = self._number("least")
        self.alike: float = self._number("alike")
        """How alike two photos of different things are: of 100 pairs, 95 have an inner product
        (one as stored, one as searched by) below this."""
        if self._nearest < 1 or self._least <= 0:
            raise self._damaged("nearest and least are not above 0")

    def of_texts(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit rows of texts, float32 [N, D] → unit rows to search by, float32 [N, D]."""
        return centred(rows, self._texts_mean)

    def of_images(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit rows of pictures, float32 [N, D] → unit rows to search by, float32 [N, D]."""
        return centred(rows, self._images_mean)

    def stored(self, rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Unit rows of pictures, float32 [N, D] → (what the index keeps, float32 [N, D]; r of
        each, float32 [N], above 0). A kept row times its r is the row of `of_images`.

        Raises ModelError where the noun bank is damaged.
        """
        seen = self.of_images(rows)
        response = responses(seen, self._bank, self._nearest).clip(min=self._least)
        return seen / response[:, None], response

    @functools.cached_property
    def null_texts(self) -> NDArray[np.float32]:
        """What texts that no picture shows are searched by: unit rows, float32 [250, D]."""
        return self.of_texts(self._rows("null_texts", (None, self._dim)))

    @functools.cached_property
    def _bank(self) -> NDArray[np.float32]:
        """The centred nouns, about unit rows, float32 [K, D]."""
        import numpy as np

        whole = self._array("bank")
        if whole.dtype != np.int8 or whole.ndim != 2 or whole.shape[1] != self._dim:
            raise self._damaged(f"bank is {whole.dtype} {whole.shape}")
        scale = self._rows("bank_scale", (len(whole),))
        if not len(whole):
            raise self._damaged("bank is empty")
        return np.asarray(whole * scale[:, None], np.float32)

    def _rows(self, name: str, shape: tuple[int | None, ...]) -> NDArray[np.float32]:
        """An array of finite float32; None in `shape` stands for any length but none."""
        import numpy as np

        got = self._array(name)
        fits = got.ndim == len(shape) and all(
            there == wanted or (wanted is None and there)
            for there, wanted in zip(got.shape, shape, strict=True)
        )
        if got.dtype != np.float32 or not fits or not np.isfinite(got).all():
            raise self._damaged(f"{name} is {got.dtype} {got.shape}, for vectors of {self._dim}")
        return np.asarray(got, np.float32)

    def _word(self, name: str) -> str:
        word = str(self._array(name))
        if not _VERSION.fullmatch(word):
            raise self._damaged(f"{name} is not 12 hex digits")
        return word

    def _number(self, name: str) -> float:
        import numpy as np

        got = self._array(name)
        if got.shape != () or got.dtype.kind not in "if" or not np.isfinite(got):
            raise self._damaged(f"{name} is no number")
        return float(got)

    def _array(self, name: str) -> NDArray[Any]:
        import numpy as np

        try:
            with zipfile.ZipFile(self._path) as archive:
                entry = archive.getinfo(f"{name}.npy")
                if entry.file_size > _MOST_BYTES:
                    raise ValueError(f"{name} is larger than {_MOST_BYTES // 2**20} MiB")
                with archive.open(entry) as file:
                    return np.asarray(np.lib.format.read_array(file, allow_pickle=False))
        except _DAMAGE as error:
            raise self._damaged(str(error) or type(error).__name__) from error

    def _damaged(self, why: str) -> ModelError:
        folder = self._path.parent
        return ModelError(
            f"{folder.name}/{FILE} cannot be used ({why}): make it again with python -m models "
            f"calibrate {folder}"
        )


def read_calibration(folder: Path, dim: int) -> Calibration | None:
    """The calibration in a model folder whose vectors are `dim` long; None where it has none.

    Raises ModelError where the file is damaged or of another length.
    """
    path = folder / FILE
    return Calibration(path, dim) if path.is_file() else None


def responses(
    seen: NDArray[np.float32], bank: NDArray[np.float32], nearest: int
) -> NDArray[np.float32]:
    """The mean of the `nearest` greatest inner products of each row with the bank's, float32 [N].

    `seen` is float32 [N, D], `bank` [K, D]; where K is less than `nearest`, of all.
    """
    import numpy as np

    first = max(0, len(bank) - nearest)
    best = np.partition(seen @ bank.T, first, axis=1)[:, first:]
    return np.asarray(best.mean(axis=1), np.float32)


def centred(rows: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """unit(rows − mean), float32 [N, D]. A row that is the mean itself, to the last digits,
    stays as it is."""
    import numpy as np

    moved = rows.astype(np.float64) - mean
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    nothing = lengths < 1e-6
    return np.where(nothing, rows, moved / np.where(nothing, 1.0, lengths)).astype(np.float32)
