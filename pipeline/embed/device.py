"""Which device computes, and in which precision."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from pipeline.errors import ParamsError

if TYPE_CHECKING:
    import torch


def choose_device(name: str) -> "torch.device":
    """Return the device of that name; auto: the first GPU, or the CPU where there is none.

    Raises:
        ParamsError: there is no such device.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    here = ["cpu", *(["cuda"] if torch.cuda.is_available() else []), *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    if name not in here:
        raise ParamsError(f"there is no device `{name}` here; use auto, {', '.join(here)}")
    return torch.device(name)


def count_gpus(name: str) -> int:
    """Return how many GPUs of this machine a device of that name stands for: all with auto and cuda, one with cuda:<n>, none with cpu."""
    import torch

    return torch.cuda.device_count() if name in ("auto", "cuda") else int(name.startswith("cuda:"))


def computing_in(precision: str, device: "torch.device") -> "AbstractContextManager[object]":
    """Return the context in which a network computes: fp32 as it is, bf16 by autocast."""
    import torch

    return nullcontext() if precision == "fp32" else torch.autocast(device.type, torch.bfloat16)
