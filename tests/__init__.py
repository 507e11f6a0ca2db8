"""The tests. Two run at a time, so each keeps to one core, and so does every command that it starts."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is first imported: threads of four processes would wait for each other
