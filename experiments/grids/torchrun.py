"""torchrun for the processes of one run; unlike torchrun itself, it ends with the process that started it.

`accelerate launch` starts one process where there is no GPU, whatever it is asked for; Accelerate itself takes
torchrun's.
"""

import os
import signal
import sys
import threading

from torch.distributed.run import main


def _end_with_starter() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing is written to it: it ends when the starter does
    os.kill(os.getpid(), signal.SIGTERM)  # on which the launcher ends its processes


if __name__ == "__main__":
    threading.Thread(target=_end_with_starter, daemon=True).start()
    main()
