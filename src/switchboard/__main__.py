"""``python -m switchboard`` is ``switchboard``."""

from __future__ import annotations

import sys

from switchboard.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
