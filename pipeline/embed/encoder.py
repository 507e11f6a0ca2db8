"""An encoder is an artifact, however it came about: config.json + model.safetensors in a folder of its own.

config.json says which kind of network it is, with which options and architecture, where it comes from, which clips it saw while it was
fitted, and the fingerprint of everything that could change it. A task with several folds has one artifact a fold, in fold-<k>/.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import CheckpointError
from pipeline.shards.fingerprint import digest_file, fingerprint
from pipeline.storage import check_types, read_record, write_record

if TYPE_CHECKING:
    from torch import Tensor

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
SOURCES = {"package": ("package",), "hub": ("repo", "revision"), "file": ("path", "sha256"), "fit": ("fit",), "none": ()}
Option = int | float | str | bool


@dataclass(frozen=True)
class FitConfig:
    """How an encoder is fitted here, alone, on label M of its task's train part.

    Args:
        task: row of `tasks`.
        fit_share: `half` leaves the other half of the train part, by speaker, to the models that fuse.
        valid_share: share of the clips it may see that only choose the best epoch.
        epochs: at most so many.
        patience: epochs without a better one before it stops.
        batch_size: units (frames, windows) a step.
        units: times that each clip is seen in an epoch, each time another unit of it, drawn at random.
        learning_rate: the highest, of AdamW, after a first epoch of warming up; it falls to zero by a cosine.
        weight_decay: of AdamW.
        grad_clip: largest norm of a step's gradient.
        dropout: before the classifier.
        mirror: probability of mirroring a picture.
        seed: of the initial weights, the order and the dropout.
        precision: in which the network computes while it is fitted.
    """

    task: str
    fit_share: Literal["all", "half"] = "all"
    valid_share: float = 0.2
    epochs: int = 10
    patience: int = 3
    batch_size: int = 32
    units: int = 4
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    grad_clip: float = 3.0
    dropout: float = 0.2
    mirror: float = 0.5
    seed: int = 0
    precision: Literal["fp32", "bf16"] = "fp32"

    def __post_init__(self) -> None:
        if min(self.epochs, self.patience, self.batch_size, self.units) < 1:
            raise ValueError("epochs, patience, batch_size and units must be 1 or more")
        if not 0 < self.valid_share <= 0.5:
            raise ValueError(f"valid_share must be a share above 0 and up to 0.5, not {self.valid_share}")


@dataclass(frozen=True)
class EncoderConfig:
    """A row of the table `encoders` in params.yaml, without the keys that wire it (corpus, features).

    Args:
        modality: which modality of a task it serves.
        source: where the weights come from; `none` for a network without weights.
        network: the kind of network: a file of pipeline/embed/.
        options: of that kind; its file's `Options` says which.
        map: whether the un-pooled map, averaged over time, is kept beside the sequence (video).
        precision: in which the network computes; it changes results.
        package: an installed Python package that carries a transformers model folder.
        repo: a repository of the Hugging Face hub, `owner/name`, or a local folder of the same layout.
        revision: the commit it is pinned to, 40 hexadecimal digits (of a local folder: any name).
        path: a .safetensors file with a state dict.
        sha256: of that file's bytes.
        fit: how it is fitted here.
    """

    modality: Literal["text", "audio", "video"]
    source: Literal["package", "hub", "file", "fit", "none"]
    network: str
    options: dict[str, Option] = field(default_factory=dict)
    map: bool = False
    precision: Literal["fp32", "bf16"] = "fp32"
    package: str | None = None
    repo: str | None = None
    revision: str | None = None
    path: str | None = None
    sha256: str | None = None
    fit: FitConfig | None = None

    def __post_init__(self) -> None:
        needs = SOURCES[self.source]
        given = {name for names in SOURCES.values() for name in names if getattr(self, name) is not None}
        if given != set(needs):
            raise ValueError(f"source `{self.source}` goes with {' and '.join(needs) or 'no further key'}, not with {sorted(given)}")
        if self.map and self.modality != "video":
            raise ValueError("only a video encoder has a map")


@dataclass(frozen=True)
class Encoder:
    """An artifact as config.json describes it.

    Args:
        modality: which modality it serves.
        network: the kind of network.
        options: of that kind.
        architecture: what the kind needs to know besides: a transformers config, the normalisation of pictures, the tokenizer.
        origin: where the weights come from, down to the version.
        fingerprint: of everything that can change the weights.
        clips: ids of the clips that it saw, sorted; those that chose its best epoch too.
        fit_share: `all` or `half` of the train part, None where it was not fitted here.
        history: one record an epoch of the fit.
        digest: of the network and its weights: all that can change an embedding. Known once the artifact is written.
    """

    modality: str
    network: str
    options: dict[str, Option]
    architecture: dict[str, Any]
    origin: dict[str, Any]
    fingerprint: str
    clips: tuple[str, ...] = ()
    fit_share: str | None = None
    history: tuple[dict[str, float], ...] = ()
    digest: str = ""


def write_encoder(encoder: Encoder, state: Mapping[str, "Tensor"], folder: Path) -> Encoder:
    """Write the artifact, its config last; the same encoder gives the same bytes. Returns it with its digest."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{WEIGHTS_NAME}.tmp"
    save_file({name: value.detach().cpu().contiguous().clone() for name, value in sorted(state.items())}, temporary)
    temporary.chmod(0o644)
    temporary.replace(folder / WEIGHTS_NAME)
    weights = digest_file(folder / WEIGHTS_NAME)
    config = asdict(encoder) | {"digest": fingerprint(encoder.network, encoder.options, encoder.architecture, weights)}
    write_record(config, folder / CONFIG_NAME)
    return read_encoder(folder)


def read_encoder(folder: Path) -> Encoder:
    """Read the artifact's config.json.

    Raises:
        CheckpointError: it is absent, or not an encoder's.
    """
    path = folder / CONFIG_NAME
    try:
        values = read_record(path)
        check_types(values | {"clips": tuple(values["clips"]), "history": tuple(values["history"])}, Encoder)
        encoder = Encoder(**{**values, "clips": tuple(values["clips"]), "history": tuple(values["history"])})
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist; run prepare_encoder, or `dvc pull` to get the encoder") from error
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{path} does not describe an encoder ({error}); delete its folder and run prepare_encoder again") from error
    return encoder


def list_folds(folder: Path) -> list[str]:
    """Return the subfolders of an encoder, one a fold: "fold-0", …, or [""] where it is one artifact for all folds."""
    folds = [path.name for path in folder.glob("fold-*") if (path / CONFIG_NAME).exists()]
    return sorted(folds, key=lambda name: int(name.removeprefix("fold-"))) or [""]


def check_weights(encoder: Encoder, folder: Path) -> None:
    """Check that the weights are those that config.json describes.

    Raises:
        CheckpointError: they are absent or were changed.
    """
    path = folder / WEIGHTS_NAME
    if not path.exists() or fingerprint(encoder.network, encoder.options, encoder.architecture, digest_file(path)) != encoder.digest:
        raise CheckpointError(f"{path} is not what config.json beside it describes; delete the folder and run prepare_encoder again")


def read_weights(path: Path) -> "dict[str, Tensor]":
    """Read the state dict of a .safetensors file; nothing else is ever loaded.

    Raises:
        CheckpointError: it is absent, torn, or no safetensors file at all (a pickle, say).
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state: dict[str, Tensor] = load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist; run prepare_encoder, or put the file there") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not a safetensors file ({error}); a pickle is never loaded: convert it with safetensors.torch.save_file"
        ) from error
    return state
