"""Texts for the golden data, written here or made from a seed: the same on every machine."""

from __future__ import annotations

import random
import unicodedata

SENTENCES = (
    "a photo of a cat on a red sofa",
    "two dogs run along the beach at sunset",
    "a black and white portrait of an old fisherman",
    "mountains under snow with a blue lake in front of them",
    "the street market sells fruit, bread and flowers",
    "children play football in the rain",
    "a plate of pasta with tomatoes and basil",
    "an aerial view of a city at night",
    "my grandmother's birthday cake with twelve candles",
    "a yellow tram climbs the hill in Lisbon",
    "screenshots of a train ticket from Berlin to Zürich",
    "the bridge, the river and the boats in the fog",
    "a cup of coffee beside an open book",
    "wedding guests dance under small lights",
    "a bicycle leans against a green door",
    "sheep on a narrow road in Scotland",
    "the cat sleeps, the dog doesn't",
    "it's raining, they're running and we've lost our umbrella",
    "ein Hund läuft am Strand, die Katze schläft",
    "un chat noir dort sur le canapé près de la fenêtre",
    "una calle vieja con flores en los balcones",
    "een fiets staat tegen de groene deur",
    "um elétrico amarelo sobe a rua",
    "kot śpi na czerwonej kanapie",
    "İstanbul'da bir köprü ve gemiler",
    "кошка спит на красном диване",
    "собака бежит по пляжу",
    "η γάτα κοιμάται στον καναπέ",
    "猫が赤いソファで寝ている",
    "海边有两只狗在奔跑",
    "고양이가 소파에서 잔다",
    "قطة تنام على أريكة حمراء",
    "חתול ישן על ספה אדומה",
    "बिल्ली सोफे पर सो रही है",
    "แมวนอนบนโซฟา",
)
"""What the small tokenizers are made from."""

QUERIES = (
    "a photo of a cat",
    "A PHOTO OF A CAT",
    "a cat",
    "cat",
    "the dog doesn't run, it's asleep",
    "two dogs, one beach; sunset!",
    "black-and-white portrait (1970)",
    "12 candles at 19:45, 3.5 km away",
    "email me@example.org or see https://example.org/a?b=c#d",
    "  spaces   all \t over\n the  place ",
    "Zürich, Łódź, São Paulo, Ångström",
    unicodedata.normalize("NFD", "Zürich, São Paulo, Ångström"),
    "İSTANBUL'DA KÖPRÜ",
    "STRASSE straße STRAẞE",
    "ein Hund läuft am Strand",
    "un chat noir près de la fenêtre",
    "кошка спит на красном диване",
    "猫が赤いソファで寝ている",
    "海边有两只狗在奔跑",
    "고양이가 소파에서 잔다",
    "قطة تنام على أريكة حمراء",
    "बिल्ली सोफे पर सो रही है",
    "🐱",
    "🐱🐶 on a 🛋️, 👩‍👩‍👧‍👦 and 🇵🇹",
    "x",
    "",
    "!!!",
    "red_sofa.jpg, img_2041",
    " ".join(SENTENCES[:12]),
    "word " * 200,
)
"""What every folder's golden vectors are of. Each means the same to every reference: no HTML
entities and nothing broken for ftfy to mend, since Immich's and transformers' folders have
neither step."""

AS_QUERIED = tuple(" ".join(text.split()) for text in QUERIES)
"""As the product makes of every query, and as the references are given them."""

_LETTERS = (
    (0x21, 0x7E), (0xA1, 0x17F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x5FF), (0x600, 0x6FF),
    (0x900, 0x97F), (0xE00, 0xE7F), (0x1100, 0x11FF), (0x1E00, 0x1EFF), (0x2010, 0x2027),
    (0x2030, 0x205E), (0x2070, 0x209C), (0x20A0, 0x20BF), (0x2100, 0x218B), (0x2190, 0x23FF),
    (0x2600, 0x27BF), (0x3041, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFB00, 0xFB06),
    (0xFF01, 0xFF9F), (0x1F300, 0x1F6FF), (0x1F900, 0x1F9FF), (0x20000, 0x2A6DF),
)  # fmt: skip
_ODD = (
    "", " ", "\t\n ", "\u00a0", "\u3000", "\u200b", "\u200d", "\ufeff", "\u00ad", "\u2028",
    "\x00", "\x01\x02", "a\x00b", "\x7f", "\x85", "a\x1cb", "\x1b[31mred\x1b[0m", "\ufffd",
    "İ", "ı", "I", "ẞ", "ß", "ǅ", "Ω", "Å", "K", "ﬁne", "ſ", "Σίσυφος ΣΊΣΥΦΟΣ", "Ⅷ", "½", "²³",
    "&amp;", "&lt;cat&gt;", "caf&eacute;", "&#128049;", "&amp;amp;", "AT&T", "&nbsp;",
    "schÃ¶n", "â€œquotedâ€\x9d", "it’s", "it's", "IT'S", "they'RE", "we'll've",
    "'s", "''s", "don''t",
    "<|startoftext|>", "<|endoftext|>", "a <|endoftext|> b", "<start_of_text>", "<end_of_text>",
    "<|ENDOFTEXT|>", "</w>", "a</w>b", "<pad>", "👩‍👩‍👧‍👦", "🇵🇹🇯🇵", "👍🏽", "☺️", "e\u0301",
    "\u0301", "\uac01", "\u1100\u1161\u11a8",
    "1234567890", "1,234.56", "१२३", "٣٤", "x²+y²=z²", "C++", "node.js", "snake_case_name", "#tag",
    "https://example.org/a/b?c=d&e=f#g", "mail@example.org", "C:\\Users\\x", "/usr/bin", "a" * 4000,
    "cat " * 1000, "猫" * 4000, "🐱" * 1000, "ab" * 2000, "." * 4000, " " * 4000, "e\u0301" * 500,
)  # fmt: skip


def thousand(seed: int = 0) -> list[str]:
    """1,000 different strings: odd ones, our sentences in several spellings, and random ones."""
    rng = random.Random(seed)
    texts = [*_ODD, *QUERIES]
    for sentence in SENTENCES:
        texts += [sentence.upper(), sentence.title(), sentence.swapcase()]
        texts += [unicodedata.normalize(form, sentence) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    words = sorted({word for sentence in SENTENCES for word in sentence.split()})
    kept = dict.fromkeys(texts)
    while len(kept) < 1000:
        kept[rng.choice((_of_letters, _of_words, _of_both))(rng, words)] = None
    return list(kept)[:1000]


def _letter(rng: random.Random, blocks: tuple[tuple[int, int], ...] = _LETTERS) -> str:
    return chr(rng.randint(*rng.choice(blocks)))


def _of_letters(rng: random.Random, words: list[str]) -> str:
    """Letters of one to three scripts, with spaces."""
    blocks = tuple(rng.choice(_LETTERS) for _ in range(rng.randint(1, 3)))
    return "".join(
        " " if rng.random() < 0.15 else _letter(rng, blocks) for _ in range(rng.randint(1, 60))
    )


def _of_words(rng: random.Random, words: list[str]) -> str:
    spell = rng.choice((str, str.upper, str.lower, str.title, str.swapcase))
    gap = rng.choice((" ", "  ", ", ", "-", "_", "\n", ".", "'", "/"))
    return gap.join(spell(rng.choice(words)) for _ in range(rng.randint(1, 40)))


def _of_both(rng: random.Random, words: list[str]) -> str:
    parts = [
        rng.choice(words) if rng.random() < 0.7 else _of_letters(rng, words)[:5]
        for _ in range(rng.randint(1, 15))
    ]
    return rng.choice((" ", "", "-")).join(parts) + rng.choice(("", "!", "?!", "…", " 42", "'s"))
