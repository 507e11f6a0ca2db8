"""Label files of the corpora with anything in them: their clips are listed, or they are refused with a message."""

import csv
import io
import pickle
import re
from collections.abc import Sequence
from pathlib import Path

import hypothesis.strategies as st
import pytest

from pipeline.clips.corpora import load_adapter
from tests.clips.corpora import e2e_miniature, iemocap_miniature, test_demo, test_meld, test_mosei, test_sims
from tests.faults.test_fuzz import EXAMPLES, LONG, bounded, edits, fuzz

__all__ = ["bounded"]
NUMBERS = ["", "-1", "0", "1e999", "nan", "9" * 400, "0x1", "1_0", "１"]
WORDS = st.sampled_from([*NUMBERS, "train", "../a", "a.mp4", '"', "\n", ",", "\x00", "[", ":", "\ufeff", "é"]) | st.text(
    st.characters(exclude_categories=("Cs",)), max_size=4
)
CSV = 'id,media,start,end,text,speaker,split,joy\na,a.mp4,0,1.5,hello,s,train,1\nb,b.mp4,1,2,"x,y",t,test,sad\n'
LISTS = {f"labels/{part}.txt": "\n".join(ids) for part, ids in iemocap_miniature.LISTS.items()}
MOSEI_LISTS = {f"labels/{part}.txt": "\n".join(ids) for part, ids in e2e_miniature.MOSEI_LISTS.items()}
MELD = {f"labels/{part}_sent_emo.csv": rows for part, rows in test_meld.ROWS.items()}
DIALOGUES = sorted(set(map(iemocap_miniature.dialogue_of, iemocap_miniature.TURNS)))


def lines(*rows: str) -> str:
    return "\n".join(rows) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A CSV file."""
    file = io.StringIO()
    csv.writer(file).writerows([header, *rows])
    return file.getvalue()


def release() -> dict[str, str]:
    """IEMOCAP's evaluations and transcripts."""
    folders = {name: f"media/Session{name[4]}/dialog" for name in DIALOGUES}
    evaluations = {f"{place}/EmoEvaluation/{name}.txt": iemocap_miniature.evaluate(name) for name, place in folders.items()}
    return evaluations | {f"{place}/transcriptions/{name}.txt": iemocap_miniature.transcribe(name) for name, place in folders.items()}


def answers() -> dict[str, str]:
    """MOSEI's questionnaires and transcripts."""
    tables = {f"media/Raw/Labels/{name}": lines(test_mosei.HEADER, *rows) for name, rows in test_mosei.ANSWERS.items()}
    texts = {f"media/Raw/Transcript/Segmented/Combined/{name}.txt": lines(*rows) for name, rows in test_mosei.TRANSCRIPTS.items()}
    lists = {f"labels/{split}/{part}.txt": "-ab_cd___0\n" for split in ("dai2021", "standard") for part in ("train", "valid", "test")}
    return tables | texts | lists | {"media/Raw/Videos/Full/Combined/-ab_cd__.mp4": ""}


CREMA_D = {
    "labels/sentences.csv": "code,text\nDFA,Don't forget a jacket\nIEO,It's eleven o'clock\n",
    "labels/SentenceFilenames.csv": "Stimulus_Number,Filename\n1,1001_DFA_ANG_XX\n2,1002_IEO_HAP_LO\n",
    "labels/VideoDemographics.csv": "ActorID,Age,Sex\n1001,51,Male\n1002,21,Female\n",
}
FILES: dict[str, tuple[str, str, dict[str, str], dict[str, str]]] = {
    "csv": ("csv", "labels.csv", {"labels.csv": CSV}, {}),
    "demo": ("demo", "labels.csv", {"labels.csv": lines(test_demo.HEADER, test_demo.LINE)}, {}),
    "sims": ("sims", "labels.csv", {"labels.csv": lines(test_sims.HEADER, *test_sims.LINES)}, {}),
    "meld": ("meld", "labels", {path: table(test_meld.HEADER, rows) for path, rows in MELD.items()}, {}),
    "crema_d": ("crema_d", "labels", CREMA_D, {}),
    "iemocap": ("iemocap", "labels", LISTS | release(), {}),
    "mosei": ("mosei", "labels", answers(), {}),
    "e2e_iemocap": ("e2e", "labels", LISTS, {"corpus": "iemocap"}),
    "e2e_mosei": ("e2e", "labels", MOSEI_LISTS, {"corpus": "mosei"}),
}
"""Name → adapter, what `labels` is, the files, options."""
METAS = {
    "e2e_iemocap": e2e_miniature.describe_turns(),
    "e2e_mosei": {i: {"text": f"text of {i}", "label": label} for i, label in e2e_miniature.MOSEI.items()},
}


@st.composite
def mangled(draw: st.DrawFn, text: str) -> bytes:
    """A text some of whose words, numbers or separators are others."""
    tokens = re.split(r"([,\s\[\]:|_]+)", text)
    for _ in range(draw(st.integers(1, 3))):
        tokens[draw(st.integers(0, len(tokens) - 1))] = draw(WORDS)
    return "".join(tokens).encode()


def fuzz_labels(name: str, folder: Path, examples: int) -> None:
    """Change one file of a corpus at a time, and read it."""
    adapter, labels, texts, options = FILES[name]
    files = {path: text.encode() for path, text in texts.items()}
    if name in METAS:
        files["media/meta.pkl"] = pickle.dumps(METAS[name])
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)

    def check(example: tuple[str, bytes]) -> None:
        path, content = example
        (folder / path).write_bytes(content)
        try:
            load_adapter(adapter).read(folder / labels, folder / "media", **options)
        finally:
            (folder / path).write_bytes(files[path])

    load_adapter(adapter).read(folder / labels, folder / "media", **options)
    changes = st.sampled_from(sorted(files)).flatmap(
        lambda path: st.tuples(
            st.just(path), edits(files[path]) | (mangled(texts[path]) if path in texts else st.nothing()) | st.binary(max_size=40)
        )
    )
    fuzz(changes, check, examples)


@pytest.mark.parametrize("name", FILES)
def test_label_files_with_anything_in_them_are_listed_or_refused_with_a_message(name: str, tmp_path: Path) -> None:
    fuzz_labels(name, tmp_path, EXAMPLES // 2)


@pytest.mark.long
@pytest.mark.parametrize("name", FILES)
def test_two_thousand_changed_label_files_are_listed_or_refused_with_a_message(name: str, tmp_path: Path) -> None:
    fuzz_labels(name, tmp_path, LONG)
