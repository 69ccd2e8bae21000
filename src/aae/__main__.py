"""`python -m aae` is the command `aae`."""

import sys

from aae.cli import main

sys.exit(main())
