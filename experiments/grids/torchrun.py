"""torchrun for the processes of one run; unlike torchrun itself, it ends when the process that started it ends.

Without a GPU, `accelerate launch` starts only one process. Accelerate also works in processes that torchrun starts.
"""

import os
import signal
import sys
import threading

from torch.distributed.run import main


def _end_with_starter() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing is written to it: it ends when the starter does
    os.kill(os.getpid(), signal.SIGTERM)  # the launcher then ends its processes


if __name__ == "__main__":
    threading.Thread(target=_end_with_starter, daemon=True).start()
    main()
