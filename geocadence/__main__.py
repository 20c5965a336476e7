"""`python -m geocadence`: the command line."""

import sys

from geocadence.cli import main

sys.exit(main())
