"""Standard streams that were closed before the start, as some service managers and scripts do."""

from __future__ import annotations

import os
import sys


def open_closed_streams() -> None:
    """Let closed standard streams lead to nowhere.

    Otherwise the next socket or file would get the number of one of them, and take what is meant for the log.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            os.set_inheritable(number, True)  # for the workers
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
