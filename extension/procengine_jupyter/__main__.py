"""``python -m procengine_jupyter``: the quickstart notebook."""

import sys

from procengine_jupyter.quickstart import main

if __name__ == "__main__":
    sys.exit(main())
