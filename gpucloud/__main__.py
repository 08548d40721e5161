"""python -m gpucloud"""

from __future__ import annotations

import sys

from gpucloud.cli.main import main

sys.exit(main())
