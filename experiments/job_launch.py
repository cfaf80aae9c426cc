"""`accelerate launch` that ends with the process that started it."""

import os
import signal
import sys
import threading

from accelerate.commands.launch import main


def _end_with_starter() -> None:
    sys.stdin.buffer.read()  # nothing is written to it: it ends when the starter does
    os.kill(os.getpid(), signal.SIGTERM)  # on which the launcher ends its processes


if __name__ == "__main__":
    threading.Thread(target=_end_with_starter, daemon=True).start()
    main()
