"""The page: `serve(config)` runs it, `build_app(session)` is it. The only part that knows Gradio.

Importing this loads Gradio, which takes seconds: only who shows a page does.
"""

import realtime.ui.gradio_import  # noqa: F401  # before Gradio is imported

# isort: split
from realtime.ui.page import build_app
from realtime.ui.server import serve

__all__ = ["build_app", "serve"]
