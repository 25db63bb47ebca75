"""The Gradio page, its theme, and the app that serves it.

Gradio provides the frame: tabs and a theme, dark and light. Each tab is one `gr.HTML` with a script
from this package; that of the live tab draws picture, overlay, plot and list from the view socket.
Nothing is fetched from outside, and no frame enters Gradio's cache.
"""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import gradio as gr
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.staticfiles import StaticFiles

from realtime.config import is_loopback
from realtime.live import LiveSession
from realtime.study import Study
from realtime.ui.access import Guard
from realtime.ui.calibration import Calibrator, build_calibration_routes
from realtime.ui.closed_routes import RouteFilter
from realtime.ui.event_pictures import build_picture_routes
from realtime.ui.failures import refuse_request
from realtime.ui.health import build_health_routes
from realtime.ui.review import build_review_routes
from realtime.ui.sockets import Sockets
from realtime.ui.study import build_study_routes, find_camera_check
from realtime.ui.uploads import Uploads, build_source_routes

STATIC = Path(str(files("realtime.ui") / "static"))

_HEAD = '<meta name="viewport" content="width=device-width, initial-scale=1">' + "".join(
    f'<link rel="stylesheet" href="live/static/{name}.css">'
    for name in ("live", "calibrate", "study", "review", "health")
)


def build_app(session: LiveSession, calibrator: Calibrator | None = None) -> FastAPI:
    """Return the app that serves the page of `session`, which the caller starts and stops. With a
    `calibrator`, the page has the Calibrate tab."""
    config = session.config
    app = FastAPI(title="FMANet Live", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(RequestValidationError, refuse_request)
    tabs = ["live", "study", "review", "health"]
    uploads = Uploads(session)
    sockets = Sockets(session, uploads.tidy)
    app.add_api_websocket_route("/live/view", sockets.view)
    app.add_api_websocket_route("/live/camera", sockets.camera)
    app.include_router(build_source_routes(uploads))
    app.include_router(build_picture_routes(session))
    app.include_router(build_health_routes(session))
    if calibrator is not None:
        app.include_router(build_calibration_routes(calibrator))
        tabs.insert(1, "calibrate")
    study = Study(session, lambda: find_camera_check(calibrator))
    app.include_router(build_study_routes(study))
    app.include_router(build_review_routes(config.sessions))
    app.mount("/live/static", StaticFiles(directory=STATIC))
    gr.mount_gradio_app(
        app,
        _blocks(tabs),
        path="/",
        theme=_theme(),
        head=_HEAD,
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        root_path=config.root_path or None,
    )
    app.add_middleware(RouteFilter)
    app.add_middleware(
        Guard,
        auth=config.auth,
        view_password=config.view_password,
        loopback=is_loopback(config.host),
        allow_hosts=config.allow_hosts,
        root_path=config.root_path,
    )
    return app


def _blocks(tabs: Sequence[str]) -> gr.Blocks:
    blocks = gr.Blocks(title="FMANet Live", analytics_enabled=False, fill_width=True)
    with blocks, gr.Tabs(elem_id="tabs"):
        for name in tabs:
            with gr.Tab(name.capitalize()):
                _view(name)
    return blocks


def _view(name: str) -> None:
    """Add the view of the static files `<name>.html` and `<name>.js`."""
    gr.HTML(
        html_template=(STATIC / f"{name}.html").read_text(encoding="utf-8"),
        js_on_load=f"import(new URL('live/static/{name}.js', document.baseURI))"
        ".then((page) => page.mount(element.querySelector('.fl')));",
        apply_default_css=False,
        elem_id=name,
    )


def _theme() -> gr.Theme:
    """Return Gradio's plain theme with fonts of the system: Gradio would download its own."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.slate,
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"],
        font_mono=["ui-monospace", "SF Mono", "Cascadia Mono", "Menlo", "Consolas", "monospace"],
    )
