"""How far a fit has come, on disk: one safetensors file, renamed when it is whole, that carries the checksum of all that is in it."""

import json
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.errors import CheckpointError
from pipeline.shards.fingerprint import fingerprint
from pipeline.storage import temporary_of


def write_checkpoint(record: Mapping[str, Any], groups: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Write a record of JSON values and groups of tensors."""
    from safetensors.torch import save_file

    flat = {f"{group}.{key}": value for group, values in groups.items() for key, value in values.items()}
    tensors = {key: torch.as_tensor(value).cpu().contiguous().clone() for key, value in flat.items()}
    text = json.dumps(record)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, temporary_of(path), {"fit": text, "checksum": _checksum(text, tensors)})
    temporary_of(path).replace(path)


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the record and the tensors, named <group>.<key>.

    Raises:
        CheckpointError: the file is torn or damaged, or no checkpoint (a pickle, say: none is ever loaded).
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            told = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if _checksum(told["fit"], tensors) != told["checksum"]:
            raise ValueError("its checksum does not match")
        record: dict[str, Any] = json.loads(told["fit"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path} is torn or damaged ({error}); delete it, and the fit begins again") from error
    return record, tensors


def _checksum(text: str, tensors: Mapping[str, Tensor]) -> str:
    """Return the hash of a record's text and of the tensors."""
    bits = {key: blake2b(value.reshape(-1).view(torch.uint8).numpy().tobytes()).hexdigest() for key, value in tensors.items()}
    return fingerprint(text, bits, {key: [str(value.dtype), list(value.shape)] for key, value in tensors.items()})
