"""Linear and kernel baselines on the two real feature sets, by scikit-learn alone: what the zoo's rows have to beat.

    python -m tests.benchmarks.baselines_real_features ../shared/realdata/features

"As given": the whole train part of the authors' split (MOSI), six folds of every sixth actor that train on five (RAVDESS); these are the
figures of the data's README. "Our train part": exactly the clips that the tasks mosi_acl2017 and ravdess_8 train on, scored on their test
clips; the valid part is left out. The logistic regression's C is 0.1, with which the README's figures come out, the SVC's is 10. Each
column is standardised on the part that is fitted. Takes half a minute.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from pipeline.clips.features import load_reader
from pipeline.clips.features.feature_set import FeatureSet
from pipeline.clips.ready_rows import read_rows
from pipeline.params import build

EMOTIONS = ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"]
Parts = list[tuple[NDArray[Any], NDArray[Any]]]


def read(corpus: str, path: Path) -> FeatureSet:
    """Read a corpus as its ready-made row says."""
    values = {key: value for key, value in read_rows(corpus, corpus)[0]["feature_sets"][corpus].items() if key != "features"}
    reader = load_reader(values["format"])
    return reader.read(path, build(reader.Config, values, corpus))


def our_parts(found: FeatureSet, split: str) -> Parts:
    """Return the places of train and test of each fold."""
    places = {i: place for place, i in enumerate(found.manifest.ids)}
    return [(np.array([places[i] for i in fold.train]), np.array([places[i] for i in fold.test])) for fold in found.splits[split]]


def score(model: Any, x: NDArray[Any], y: NDArray[Any], parts: Parts) -> str:
    """Fit and predict each fold; accuracy and balanced accuracy of all predictions together, %."""
    preds = [model.fit(x[train], y[train]).predict(x[test]) for train, test in parts]
    truth, pred = np.concatenate([y[test] for _, test in parts]), np.concatenate(preds)
    return f"{100 * accuracy_score(truth, pred):.1f} | {100 * balanced_accuracy_score(truth, pred):.1f}"


def matrices(found: FeatureSet, chosen: Iterable[tuple[str, ...]]) -> Mapping[str, NDArray[Any]]:
    """Return the features of each choice of modalities side by side."""
    x = {m: np.stack([sequences[i][0] for i in found.manifest.ids]).astype(np.float64) for m, sequences in found.sequences.items()}
    return {" + ".join(names): np.hstack([x[m] for m in names]) for names in chosen}


def show(corpus: str, found: FeatureSet, label: str, classes: list[str], model: Any, given: Parts, ours: Parts) -> None:
    """Print the lines of a corpus."""
    y = np.array([classes.index(str(clip.labels[label])) for clip in found.manifest])
    alone = [(m,) for m in found.sequences]
    rows = {name: (make_pipeline(StandardScaler(), model), x) for name, x in matrices(found, [*alone, tuple(found.sequences)]).items()}
    rows["majority of train"] = (DummyClassifier(), np.zeros((len(y), 1)))
    for name, (fitted, x) in rows.items():
        print(f"| {corpus} | {name} | {score(fitted, x, y, given)} | {score(fitted, x, y, ours)} |")


def main(folder: Annotated[Path, typer.Argument(help="Holds mosi_utterances.npz and ravdess_au_mfcc.npz.")]) -> None:
    """Print accuracy and balanced accuracy, %, as given and on our train part."""
    print("| corpus | features | as given: accuracy | balanced | our train part: accuracy | balanced |\n|---|---|---|---|---|---|")
    mosi = read("mosi_acl2017", folder / "mosi_utterances.npz")
    ours = our_parts(mosi, "acl2017")
    held = {*ours[0][0].tolist(), *ours[0][1].tolist()}
    valid = np.array([place for place in range(len(mosi.manifest)) if place not in held])
    given = [(np.sort(np.concatenate([ours[0][0], valid])), ours[0][1])]
    show("mosi_acl2017", mosi, "polarity", ["negative", "positive"], LogisticRegression(C=0.1, max_iter=5000), given, ours)
    ravdess = read("ravdess_8", folder / "ravdess_au_mfcc.npz")
    actors = [clip.speaker for clip in ravdess.manifest]
    every_sixth = list(GroupKFold(6).split(actors, actors, actors))
    show("ravdess_8", ravdess, "emotion", EMOTIONS, SVC(C=10), every_sixth, our_parts(ravdess, "actors"))


if __name__ == "__main__":
    typer.run(main)
