"""The page: `serve(config)` runs it, `build_app(session)` builds it. Only this package uses Gradio.

Importing it loads Gradio, which takes seconds: import it only to show the page.
"""

import realtime.ui.gradio_import  # noqa: F401  # before Gradio is imported

# isort: split
from realtime.ui.page import build_app
from realtime.ui.server import serve

__all__ = ["build_app", "serve"]
