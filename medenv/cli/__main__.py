"""`python -m medenv.cli`."""

import sys

from medenv.cli import main

sys.exit(main())
