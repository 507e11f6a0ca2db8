"""How much memory a run adds, at its highest, to what its process held when it began.

On a GPU: bytes of tensors, as torch counts them. On a CPU: resident memory of the process, as Linux counts it. Memory that an earlier run
of the same process freed is given back first, and the kernel's own high-water mark is set back to where the process stands (`5` in
/proc/self/clear_refs), so a run answers for itself alone. The embeddings, which all runs share, were there before and are not in it; what
the first run of a process loads, torch's own code, say, is. Elsewhere no such mark can be set back, and nothing is said.
"""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import torch

PROCESS = Path("/proc/self")


class AddedMemory:
    """Measures from its making on.

    Args:
        device: that the run is trained on.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self._before: int | None = torch.cuda.memory_allocated(device)
        else:
            self._before = _reset_high_water()

    def peak(self) -> int | None:
        """Bytes added at the highest so far; None where the system cannot tell."""
        if self._before is None:
            return None
        high = torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else _read_status("VmHWM")
        return None if high is None else max(0, high - self._before)


def _reset_high_water() -> int | None:
    """Set the process's high-water mark to its resident memory, and return that in bytes; None where this cannot be done."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
        (PROCESS / "clear_refs").write_text("5")
    except (OSError, AttributeError, TypeError):  # no Linux, no glibc, or not allowed
        return None
    return _read_status("VmHWM")


def _read_status(name: str) -> int | None:
    """A size of /proc/self/status, in bytes; None where it has none of that name."""
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB$", (PROCESS / "status").read_text(), re.MULTILINE)
    except OSError:
        return None
    return 1024 * int(found[1]) if found else None
