"""Every word that people read on the page stands in web/js/texts.js, so that a translation is one
file; docs/architecture.md says how."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "web"
TEXTS = WEB / "js" / "texts.js"
SCRIPTS = sorted(path for path in (WEB / "js").rglob("*.js") if path != TEXTS)

TOKEN = re.compile(
    r"(?P<comment>//[^\n]*|/\*.*?\*/)"
    r"|(?P<pattern>(?<=[(,=:\[!&|?{};])\s*/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/[a-z]*)"
    r"|(?P<string>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)",
    re.DOTALL,
)
ENGLISH = re.compile(
    r"\b(the|an|is|are|was|not|of|to|and|or|your|you|this|it|in|with|for|could|cannot)\b \w"
    r"|^[A-Z][a-z]+([ ,.:…!?]|$)"
)
"""A sentence, a part of one, or a word that begins like one."""

NO_WORDS = {
    *("Enter", "Escape", "Home", "End", "Tab", "Delete", "Backspace", "Shift", "Control"),
    *("Files", "Bearer ", "Image", "Retry-After", "Accept", "Code", "Message"),
}
"""What browsers and servers call their keys, kinds, headers and elements."""


def strings(path: Path) -> Iterator[str]:
    """The strings of a script, without what a template puts in."""
    for token in TOKEN.finditer(path.read_text(encoding="utf-8")):
        if text := token["string"]:
            yield re.sub(r"\$\{[^}]*\}", "", text[1:-1])


def entries() -> set[str]:
    """The names of the texts."""
    return set(re.findall(r"^  (\w+)[:(]", TEXTS.read_text(encoding="utf-8"), re.MULTILINE))


class Words(HTMLParser):
    """What of a page is read, and what it asks for by name."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []
        self.asked: set[str] = set()
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within.append(tag)
        said = dict(attrs)
        self.read += [said[n] or "" for n in ("title", "aria-label", "placeholder") if n in said]
        self.asked |= {said[f"data-{n}"] or "" for n in ("text", "label", "placeholder")
                       if f"data-{n}" in said}  # fmt: skip

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.read.append(f"{self._within[-1]}: {data.strip()}")


def page() -> Words:
    words = Words()
    words.feed((WEB / "index.html").read_text(encoding="utf-8"))
    return words


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(WEB)))
def test_a_script_has_no_words_of_its_own(path: Path) -> None:
    assert [text for text in strings(path) if ENGLISH.search(text) and text not in NO_WORDS] == []


def test_the_page_itself_says_only_its_name_and_what_is_said_without_scripts() -> None:
    assert page().read == [
        "title: Image Intellisense",  # what a tab is called until the texts have come
        "p: This page needs JavaScript to talk to its API.",  # no script, so none of its texts
    ]


def test_each_text_is_used_and_each_that_is_used_is_there() -> None:
    used = {
        name
        for path in SCRIPTS
        for name in re.findall(r"\btexts\.(?!js\b)(\w+)", path.read_text(encoding="utf-8"))
    }
    assert entries() == used | page().asked
    assert len(entries()) > 100


def test_words_would_be_found_in_a_script(tmp_path: Path) -> None:
    script = tmp_path / "some.js"
    script.write_text(
        "// The words of a comment are nobody's\n"
        "const at = value.replace(/[\"']/g, ''); show(\"Upload\", `${n} of them`, 'a-class other');"
    )
    assert [text for text in strings(script) if ENGLISH.search(text)] == ["Upload", " of them"]
