"""Where weights come from: a package, the hub, a file. Only safetensors are ever loaded, from exactly the version that is named."""

import hashlib
import importlib.metadata
import importlib.util
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.embed.encoder import CONFIG_NAME, WEIGHTS_NAME, EncoderConfig, read_weights
from pipeline.embed.network import Weights, read_kind
from pipeline.errors import CheckpointError
from pipeline.shards.fingerprint import digest_file, fingerprint

if TYPE_CHECKING:
    from torch import Tensor

HUB_FILES = [CONFIG_NAME, "*.safetensors", "*.safetensors.index.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt"]
INDEX_NAME = f"{WEIGHTS_NAME}.index.json"


def locate(config: EncoderConfig) -> tuple[Path | None, dict[str, Any]]:
    """Return where a row's weights lie on this machine, downloading nothing, and what names their version.

    A repository of the hub lies nowhere yet: None.

    Raises:
        CheckpointError: the package or file is absent, or the file is not the one that the row names.
    """
    if config.package is not None:
        folder = find_package_model(config.package)
        return folder, {"package": config.package, "version": _package_version(config.package)}
    if config.path is not None:
        path = Path(config.path)
        return path, {"sha256": _check_file(path, str(config.sha256))}
    if config.repo is not None:
        folder = Path(config.repo)
        origin = {"repo": config.repo, "revision": config.revision}
        return (folder, origin | {"digest": _digest_folder(folder)}) if folder.is_dir() else (None, origin)
    return None, {}


def read_origin(config: EncoderConfig, place: Path | None) -> Weights:
    """Return the architecture and weights of a row that is not fitted.

    Raises:
        CheckpointError: they cannot be had, or are another network's.
    """
    kind = read_kind(config.network)
    if config.source == "none":
        network = kind(config.options, architecture := kind.describe(config.options))
        return Weights(architecture, dict(network.build().state_dict()))
    if config.source == "file":
        architecture = kind.describe(config.options)
        module = kind(config.options, architecture).load(read_weights(Path(str(config.path))))
        return Weights(architecture, dict(module.state_dict()))
    folder = place if place is not None else download(str(config.repo), str(config.revision))
    return kind.read_folder(config.options, folder)


def find_package_model(package: str) -> Path:
    """Return the folder of an installed package that holds a model, without importing the package.

    Raises:
        CheckpointError: the package is not installed, or does not hold exactly one model.
    """
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise CheckpointError(f"the package `{package}` is not installed; run `uv sync`, or add it to pyproject.toml")
    root = Path(next(iter(spec.submodule_search_locations)))
    folders = sorted(path.parent for path in root.rglob(WEIGHTS_NAME) if (path.parent / CONFIG_NAME).exists())
    if len(folders) != 1:
        raise CheckpointError(f"the package `{package}` holds {len(folders)} model folders (config.json beside model.safetensors), not one")
    return folders[0]


def download(repo: str, revision: str) -> Path:
    """Return the folder of a hub repository at a pinned commit, from the hub's cache on this machine or the hub itself.

    Raises:
        CheckpointError: the revision is no commit, or the hub cannot be reached or does not have it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    if len(revision) != 40 or set(revision) - set("0123456789abcdef"):
        raise CheckpointError(f"{repo}: the revision `{revision}` is no commit; pin one of 40 hexadecimal digits, a branch can move")
    for here in (True, False):
        try:
            return Path(snapshot_download(repo, revision=revision, allow_patterns=HUB_FILES, local_files_only=here))
        except LocalEntryNotFoundError as error:
            failure: Exception = error
        except (HfHubHTTPError, HFValidationError, OSError) as error:
            failure = error
    raise CheckpointError(
        f"{repo}@{revision} cannot be had from the hub ({type(failure).__name__}). Use `dvc pull` to get the encoder that a colleague "
        f"prepared, or run where the hub can be reached, or name a local copy of the repository's folder as `repo`"
    ) from failure


def read_hub_config(folder: Path) -> dict[str, Any]:
    """Read the config.json of a model folder.

    Raises:
        CheckpointError: it is absent or no JSON object.
    """
    path = folder / CONFIG_NAME
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); the folder is no model in the hub's layout") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} is no JSON object; the folder is no model in the hub's layout")
    return config


def read_hub_weights(folder: Path) -> "dict[str, Tensor]":
    """Read the weights of a model folder, in one file or in several with an index.

    Raises:
        CheckpointError: it has no safetensors, or an index that is none.
    """
    names = [WEIGHTS_NAME]
    if (folder / INDEX_NAME).exists():
        names = _read_index(folder / INDEX_NAME)
    if not all(os.path.isfile(folder / name) for name in names):  # Path's own raises where a name is too long
        raise CheckpointError(f"{folder} holds no {names[0]}; only safetensors are loaded: choose a revision that has them, or convert it")
    return {key: value for name in names for key, value in read_weights(folder / name).items()}


def _read_index(path: Path) -> list[str]:
    """Return the names of the files that an index lists."""
    try:
        names = {Path(name).name for name in json.loads(path.read_text(encoding="utf-8"))["weight_map"].values()}
        if not names:
            raise ValueError("it lists no file")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} is no index of weights ({error}); the folder is no model in the hub's layout") from error
    return sorted(names)


def _digest_folder(folder: Path) -> str:
    """Return a hash of the files of a local model folder: it has no commit that names its version."""
    paths = (path for pattern in HUB_FILES for path in sorted(folder.glob(pattern)))
    return fingerprint({path.name: digest_file(path) for path in paths})


def _package_version(package: str) -> str:
    """Return the installed version of the distribution that brings a package."""
    names = importlib.metadata.packages_distributions().get(package, [package])
    return importlib.metadata.version(names[0])


def _check_file(path: Path, sha256: str) -> str:
    """Return the SHA-256 of a file, checked against the row's."""
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; put the state dict there, or correct `path` in the encoder's row")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise CheckpointError(f"{path} has the SHA-256 {found} and the encoder's row names {sha256}; correct the row or the file")
    return found
