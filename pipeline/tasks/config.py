"""A row of the table `tasks` in params.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.errors import ParamsError

MODALITIES = ("text", "audio", "video")
FEATURES = {"audio": "logmel", "video": "faces"}
"""What of a modality a model may read itself, before any network: the folder of the rows of `logmels`, of `faces`."""


@dataclass(frozen=True)
class TaskConfig:
    """What is predicted from which corpus, on which split, from which encoders.

    Args:
        corpus: row of `corpora`.
        kind: what is predicted.
        split: name of one of the corpus' splits.
        encoders: modality to row of `encoders`.
        features: modality to what precedes its encoder (audio: logmel/<row>, video: faces/<row>), for models that read that themselves.
        disjoint: pair of parts ("train-test") to what they must not share: `none`, `group` or `speaker`.
        labels: multi_label: label columns; a value above 0 is a positive.
        label: multi_class: the label column, where each clip has one.
        classes: multi_class: its values, in the order of the outputs.
        annotations: regression, and multi_class without `label`: annotation (M first, then T, A, V where given) to label column.
        range: regression: smallest and largest value; predictions are clipped to it.
        accuracy: multi_label: which accuracy the table shows and selection uses: plain, or balanced (the MOSEI tables' Wa).
        scale: regression: whose classes the derived accuracies use.
        claims: False where the numbers only show that the pipeline works.
        zoo: the rows of `zoo` that are trained; empty: all but those of `default: false`; [all]: every one that can serve the task. A task
            without video, say, names those that do without.
        published: name of the table of the literature that belongs to it (pipeline/report/published.py).
        subsets: a label column; the test clips of each of its values are scored apart too ("turns": improvised, scripted).
        copies: whether media or features that stand in train and again in valid or test are an error, or counted in the report.
    """

    corpus: str
    kind: Literal["multi_label", "multi_class", "regression"]
    split: str
    encoders: dict[str, str]
    features: dict[str, str] = field(default_factory=dict)
    disjoint: dict[str, Literal["none", "group", "speaker"]] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    label: str | None = None
    classes: tuple[str, ...] = ()
    annotations: dict[str, str] = field(default_factory=dict)
    range: tuple[float, float] | None = None
    accuracy: Literal["accuracy", "balanced_accuracy"] = "accuracy"
    scale: Literal["sims", "mosi"] = "sims"
    claims: bool = True
    zoo: tuple[str, ...] = ()
    published: str | None = None
    subsets: str | None = None
    copies: Literal["refuse", "count"] = "refuse"

    def __post_init__(self) -> None:
        of_class = {"classes", "annotations" if self.annotations else "label"}
        needs = {"multi_label": {"labels"}, "multi_class": of_class, "regression": {"annotations"}}[self.kind]
        for name in ("labels", "label", "classes", "annotations"):
            if bool(getattr(self, name)) != (name in needs):
                raise ValueError(f"a {self.kind} task {'needs' if name in needs else 'has no'} `{name}`")
        unknown = set(self.encoders) - set(MODALITIES)
        if unknown or not self.encoders:
            raise ValueError(f"`encoders` maps one or more of {', '.join(MODALITIES)} to rows of `encoders`, not {sorted(unknown)}")
        folders = {m: f"{FEATURES[m]}/" for m in FEATURES if m in self.encoders}
        if any(not row.startswith(folders.get(m, row + "/")) for m, row in self.features.items()):
            wanted = ", ".join(f"{m}: {folder}<row>" for m, folder in folders.items()) or "nothing"
            raise ValueError(f"`features` maps a modality that has an encoder to what precedes it ({wanted}), not {self.features}")
        pairs = ("train-valid", "train-test", "valid-test")
        if set(self.disjoint) - set(pairs):
            raise ValueError(f"`disjoint` maps pairs of parts, {', '.join(pairs)}, not {sorted(set(self.disjoint) - set(pairs))}")
        if self.annotations and next(iter(self.annotations)) != "M":
            raise ValueError("`annotations` starts with M, the label of all modalities together")
        if self.range is not None and not self.range[0] < self.range[1]:
            raise ValueError(f"`range` {self.range} must rise")
        if self.published is not None and not self.claims:
            raise ValueError("a task without claims never stands beside published numbers: remove `published`")

    @property
    def trains_all(self) -> bool:
        """Whether every row is trained that can serve the task: what is trained is then known after training."""
        return self.zoo == ("all",)

    def rows(self, zoo: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
        """Return the rows of `zoo` that the task trains, in the zoo's order: those that it names, else all but those of `default: false`.

        Of one that trains all, those are among them that cannot serve it.

        Raises:
            ParamsError: the task names a row that the zoo has not.
        """
        known = list(zoo)
        if self.trains_all:
            return known
        unknown = [row for row in self.zoo if row not in known]
        if unknown:
            raise ParamsError(f"the task names {', '.join(unknown)}, which `zoo` has not; its rows: {', '.join(known)}")
        if self.zoo:
            return [row for row in known if row in self.zoo]
        return [row for row, values in zoo.items() if (values or {}).get("default", True)]
