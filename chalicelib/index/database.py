"""One SQLite file used by many threads and processes: connections, transactions, errors."""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chalicelib.errors import ConfigurationError, IndexUnavailable
from chalicelib.index import sql
from chalicelib.index.migration import migrate

BUSY_SECONDS = 30.0
"""How long a writer waits for the other writers before it gives up."""

_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_ADVICE = {
    sqlite3.SQLITE_BUSY: f"another process has been writing to it for over {BUSY_SECONDS:.0f} s",
    sqlite3.SQLITE_LOCKED: "another connection holds it locked",
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_READONLY: "the file or its folder may not be written to",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; was ensure() called, is the folder there?",
    sqlite3.SQLITE_IOERR: "the disk did not read or write as asked",
}


class Database:
    """Lends each caller a connection that nobody else uses meanwhile.

    Connections are kept for the next caller rather than one a thread, because servers that
    start a thread for every request would otherwise pile them up. Open it after forking.
    """

    def __init__(self, path: Path, *, dim: int, model: str) -> None:
        self.path = path
        self._dim = dim
        self._model = model
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    def create(self) -> None:
        """Make the file and its tables where they are missing, bring those of an older schema up
        to date, check them otherwise. Of several processes at once one does it, the others wait.
        """
        with self._errors():
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigurationError(
                    f"The index folder {self.path.parent} cannot be made: {error.strerror}."
                ) from error
            db = self._connect("rwc")
            try:
                db.execute(f"PRAGMA page_size = {sql.PAGE_BYTES}")
                _use_wal(db)
                db.execute("BEGIN IMMEDIATE")
                schema = _schema(db)
                if schema == 0 and _is_empty(db):
                    self._make_tables(db)
                elif schema in sql.OLD_SCHEMAS:
                    migrate(db, schema)
                db.execute("COMMIT")
            finally:
                db.close()
        with self.reading():
            pass

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A transaction that sees one moment of the store; never waits for writers."""
        with self._transaction("BEGIN") as db:
            yield db

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is alone in writing; all of it is stored on leaving, or none."""
        with self._transaction("BEGIN IMMEDIATE") as db:
            yield db

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for db in idle:
            db.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._errors():
            db = self._take()
            try:
                db.execute(begin)
                yield db
                if db.in_transaction:
                    db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    db.rollback()
                raise
            finally:
                self._give_back(db)

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if self._closed:
                raise IndexUnavailable(f"The index {self.path.name} has been closed.")
            if self._idle:
                return self._idle.pop()
        db = self._connect("rw")
        try:
            self._check(db)
        except BaseException:
            db.close()
            raise
        return db

    def _give_back(self, db: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed and not db.in_transaction:
                self._idle.append(db)
                return
        db.close()

    def _connect(self, mode: str) -> sqlite3.Connection:
        db = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            # NORMAL: a commit is in the kernel's hands when it returns, so it survives the death
            # of this process; only a power cut can undo the last few, and reconcile redoes them.
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute(f"PRAGMA journal_size_limit = {64 << 20}")
            db.create_function(sql.KM_BETWEEN, 4, sql.km_between, deterministic=True)
        except BaseException:
            db.close()
            raise
        return db

    def _make_tables(self, db: sqlite3.Connection) -> None:
        for statement in (
            sql.META,
            sql.IMAGES,
            sql.VECTORS,
            sql.WORDS,
            sql.NOTES,
            *sql.create_indexes(),
        ):
            db.execute(statement)
        db.execute(
            "INSERT INTO meta VALUES (1, ?, ?, ?, 0, 0)",
            (self._dim, self._model, secrets.randbelow(2**31 - 1) + 1),
        )
        db.execute(f"PRAGMA user_version = {sql.SCHEMA}")

    def _check(self, db: sqlite3.Connection) -> None:
        schema = _schema(db)
        if schema in sql.OLD_SCHEMAS:
            raise IndexUnavailable(
                f"The index {self.path} is of an older version and ensure() was not called, which"
                " brings it up to date."
            )
        if schema == 0 and _is_empty(db):
            raise IndexUnavailable(f"The index {self.path} is empty: ensure() was not called.")
        if schema != sql.SCHEMA:
            raise ConfigurationError(
                f"{self.path} was made by another version of this program (its format is"
                f" {schema}, not {sql.SCHEMA}). Delete it: it is rebuilt from the bucket."
            )
        dim, model = db.execute("SELECT dim, model FROM meta").fetchone()
        if (dim, model) != (self._dim, self._model):
            raise ConfigurationError(
                f"{self.path} holds vectors of {dim} numbers from the model {model!r}, not of"
                f" {self._dim} from {self._model!r}. Name another index folder, or delete the"
                " file: it is rebuilt from the bucket."
            )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """SQLite's errors in this product's words; mistakes in our own SQL stay what they are."""
        try:
            yield
        except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
            raise
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _CORRUPT:
                raise ConfigurationError(
                    f"{self.path} is damaged or not an index ({error}). Stop every process that"
                    " uses it and delete it: it is rebuilt from the bucket."
                ) from error
            if "no such module" in str(error):
                raise ConfigurationError(
                    f"This Python's SQLite ({sqlite3.sqlite_version}) lacks FTS5, which finds"
                    " words; use a Python from python.org or of your system."
                ) from error
            advice = _ADVICE.get(code, str(error))
            raise IndexUnavailable(f"The index {self.path} did not answer: {advice}.") from error


def _use_wal(db: sqlite3.Connection) -> None:
    """SQLite does not wait for others when it changes the journal, so this does."""
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > give_up:
                raise
            time.sleep(0.02)


def _schema(db: sqlite3.Connection) -> int:
    number: int = db.execute("PRAGMA user_version").fetchone()[0]
    return number


def _is_empty(db: sqlite3.Connection) -> bool:
    return bool(db.execute("SELECT count(*) = 0 FROM sqlite_master").fetchone()[0])
