"""An incomplete copy of a corpus is told in every kind of page."""

import json
from pathlib import Path

from pipeline.clips.clip import Clip
from pipeline.clips.listing import Listing, count, read_partial, write_partial
from pipeline.clips.manifest import Manifest
from pipeline.report.document import Heading
from pipeline.report.html import render_html
from pipeline.report.markdown import render_markdown
from pipeline.report.partial import warn_partial
from pipeline.report.quality import Corpus
from pipeline.report.report import make_report, write_report


def make_partial(folder: Path):
    """Return what index_clips records of a copy that lacks turns and media."""
    clips = [Clip(f"c{i}") for i in range(15)]
    names = [f"Ses05_{i:03d}" for i in range(239)]
    found = count("labelled turns", 10039, 9800, names, "Session*/dialog/EmoEvaluation/Ses*.txt") + count(
        "turns labelled `ang`", 1103, 1100
    )
    write_partial(Listing(clips, {}, found), Manifest(clips[:3]), folder)
    return read_partial(folder)


def test_a_whole_copy_has_no_warning():
    assert warn_partial("iemocap", None) == []


def test_the_warning_says_how_many_of_how_many_which_first_and_where(tmp_path):
    partial = make_partial(tmp_path)
    blocks = [Heading(1, "Results"), *warn_partial("iemocap", partial)]
    text, page = render_markdown(blocks), render_html(blocks)
    assert "> Incomplete copy of `iemocap`: 9,800 of 10,039 labelled turns; 1,100 of 1,103 turns labelled `ang`; 12 clips left out" in text
    assert "239 missing, the first: Ses05_000, Ses05_001" in text
    assert "looked at Session*/dialog/EmoEvaluation/Ses*.txt" in text
    assert "- **clips without media**: the first: c10, c11" in text
    assert '<p class="notice" role="note">Incomplete copy of <code>iemocap</code>: 9,800 of 10,039 labelled turns' in page


def test_it_stands_in_every_page_that_is_made_from_the_corpus(tmp_path):
    partial = make_partial(tmp_path)
    corpora = {"iemocap": Corpus(Manifest([Clip("c0")]), [], partial)}
    write_report(make_report("Results", {}, {}, corpora), {}, corpora, tmp_path)
    assert "Incomplete copy of" in (tmp_path / "report.html").read_text()
    assert "Incomplete copy of" in (tmp_path / "report.md").read_text()
    assert json.loads((tmp_path / "report.json").read_text())["partial"]["iemocap"] == partial
