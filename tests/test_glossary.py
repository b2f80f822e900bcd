"""The glossary: what the lessons define is in it, and what is in it a lesson explains."""

import json
import re
from pathlib import Path

import pytest

ENTRY = re.compile(r"\*\*(?P<term>.+?)\*\*\. (?P<meaning>.+) \[(?P<number>\d\d)\]\(\.\./lessons/(?P<file>\w+\.ipynb)\)")
BOLD = re.compile(r"\*\*([^*]+?)\*\*")

# Set in bold to stress words, or to name a button, a row, a model of a contest, a policy or a party.
NO_TERMS = {
    "00": "new chat; send; stop",
    "01": "adds; after; distance; every; expected; falls; first; lower; key heads in turn; no causal mask; no norms; "
    "no positions; no scale; norms without weights; wrong pairs",
    "02": "costs in flop; curve; guess first; less of the ladder; logarithm; no law; own printed law; shuffled; "
    "to the last digit",
    "03": "16 small ones; dense, longer; letters for shapes; moe 16, top 2; moe 8, top 1; only through the weights; "
    "recalled; total; wide; wide dense; wide feed forward; width",
    "04": "all; cut; extend; last digit; model's own probability; more samples stop helping; per token; problem",
    "05": "a teacher's right answers; before; chose; cross; estimated; extends; falls; from v3 base again; hard; "
    "in the wanted direction; learned; made; mathematics first; more of the same; not; nothing; own right answers; "
    "paid; qwq's second stage; r1's cold start; r1's third stage; random; right answer; seven; "
    "worked examples without error; zero",
    "06": "arithmetic; leave out; memory; the control; too good",
    "07": "2022; 2023; 2026; 3,958 tflops; after; and; april 2025; assumed rent; chips; december 2024; hundreds; "
    "july and august 2025; memory; nearly the same; thinks long; under",
    "08": "before; best of 3; copying; cut off, not rounded; failed; guessing; id; is; lock; machine; means can; one; "
    "one file; other levels; pass@3; scripted; search, then read; small model, agent; your",
    "09": "at home; drawn; firm; length of the answers; level; matharena; not used here; nvidia; per euro; per kwh; "
    "row 18; row 2; row 7; service",
}


def plain(text: str) -> str:
    """Without hyphens and the marks of emphasis and code, on one line, in small letters."""
    return " ".join(re.sub(r"[*`_]", "", text).replace("-", " ").split()).casefold()


@pytest.fixture(scope="module")
def entries() -> list[dict[str, str]]:
    page = (Path(__file__).parent.parent / "docs/glossary.md").read_text(encoding="utf-8")
    paragraphs = page.split("## Words\n")[1].strip().split("\n\n")
    found = [ENTRY.fullmatch(" ".join(paragraph.split())) for paragraph in paragraphs]
    assert all(found), f"not `**term**. Meaning. [NN](../lessons/...)`: {paragraphs[found.index(None)]!r}"
    return [match.groupdict() for match in found if match]


@pytest.fixture(scope="module")
def lessons() -> dict[str, list[str]]:
    """File name of a lesson -> its text cells, in the course's order."""
    texts = {}
    for path in sorted((Path(__file__).parent.parent / "lessons").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts[path.name] = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    return texts


def names(entry: dict[str, str]) -> list[str]:
    """A term, and after a comma its short form."""
    return plain(entry["term"]).split(", ")


def test_sorted_and_each_word_once(entries: list[dict[str, str]]) -> None:
    terms = [entry["term"].casefold() for entry in entries]
    assert terms == sorted(terms)
    every = [name for entry in entries for name in names(entry)]
    assert len(every) == len(set(every)), sorted(name for name in every if every.count(name) > 1)


def test_each_entry_leads_to_the_lesson_that_explains_the_word(
    entries: list[dict[str, str]], lessons: dict[str, list[str]]
) -> None:
    bold = {file: terms_in(texts) for file, texts in lessons.items()}
    for entry in entries:
        assert entry["file"] in lessons and entry["file"].startswith(entry["number"]), entry
        text = plain(" ".join(lessons[entry["file"]]))
        for name in names(entry):
            assert re.search(rf"(?<!\w){re.escape(name)}", text), f"{entry['file']} has no {name!r}"
        earlier = [file for file, terms in bold.items() if file < entry["file"] and terms & set(names(entry))]
        assert not earlier, f"{entry['term']!r} is defined before {entry['file']}, in {earlier}"


def terms_in(texts: list[str]) -> set[str]:
    """What is set in bold like a term: a few words or one, no letter, no sentence and no heading of a paragraph."""
    texts = [re.sub(r"`[^`]*`", "", text) for text in texts]  # where ** is a power
    spans = [plain(span) for text in texts for span in BOLD.findall(text) if span[-1] not in ".:?"]
    return {span for span in spans if len(span) > 1 and len(span.split()) <= 4}


def test_what_the_lessons_define_is_in_the_glossary(
    entries: list[dict[str, str]], lessons: dict[str, list[str]]
) -> None:
    forms = {form for entry in entries for name in names(entry) for form in (name, f"{name}s", *name.split())}
    for file, texts in lessons.items():
        stressed = set(NO_TERMS.get(file[:2], "").split("; ")) - {""}
        found = terms_in(texts)
        assert not found - forms - stressed, f"{file} defines {sorted(found - forms - stressed)}: see docs/glossary.md"
        assert stressed <= found, f"no longer in {file}: {sorted(stressed - found)}"
