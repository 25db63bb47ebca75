"""The Gradio page, its theme and the app it is mounted on.

Gradio gives the frame (theme, dark and light, the place for further tabs); the live view inside
is one `gr.HTML` whose script, served from this package, draws picture, overlay, plot and list
from the view socket. Nothing is fetched from outside, and no frame enters Gradio's cache.
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
from realtime.ui.calibration import Calibrator, calibration_routes
from realtime.ui.failures import tell_nonsense
from realtime.ui.guard import Guard
from realtime.ui.health import health_routes
from realtime.ui.pictures import picture_routes
from realtime.ui.review import review_routes
from realtime.ui.routes import RouteFilter
from realtime.ui.sockets import Sockets
from realtime.ui.study import measured_camera, study_routes

STATIC = Path(str(files("realtime.ui") / "static"))

FONT = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"]
FONT_MONO = ["ui-monospace", "SF Mono", "Cascadia Mono", "Menlo", "Consolas", "monospace"]

_HEAD = (
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<link rel="stylesheet" href="live/static/live.css">'
    '<link rel="stylesheet" href="live/static/calibrate.css">'
    '<link rel="stylesheet" href="live/static/study.css">'
    '<link rel="stylesheet" href="live/static/review.css">'
    '<link rel="stylesheet" href="live/static/health.css">'
)
_ON_LOAD = (
    "import(new URL('live/static/live.js', document.baseURI))"
    ".then((page) => page.mount(element.querySelector('.fl')));"
)


def build_app(
    session: LiveSession,
    auth: tuple[str, str] | None = None,
    calibrator: Calibrator | None = None,
) -> FastAPI:
    """Return the page over `session`, which the caller starts and stops.

    `auth`, user and password, guards every route and socket; default: the session's configuration.
    `calibrator` takes the session's steps and gets its own tab.
    """
    config = session.config
    app = FastAPI(title="FMANet Live", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(RequestValidationError, tell_nonsense)
    sockets = Sockets(session)
    app.add_api_websocket_route("/live/view", sockets.view)
    app.add_api_websocket_route("/live/camera", sockets.camera)
    app.include_router(picture_routes(session))
    app.include_router(health_routes(session))
    if calibrator is not None:
        app.include_router(calibration_routes(calibrator))
    study = Study(session, lambda: measured_camera(calibrator))
    app.include_router(study_routes(study))
    app.include_router(review_routes(config.sessions))
    app.mount("/live/static", StaticFiles(directory=STATIC))
    gr.mount_gradio_app(
        app,
        _blocks(("live", *(("calibrate",) if calibrator else ()), "study", "review", "health")),
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
        auth=auth or config.auth,
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
    """Add the view made of `<name>.html` and `<name>.js` from the static files."""
    gr.HTML(
        html_template=(STATIC / f"{name}.html").read_text(encoding="utf-8"),
        js_on_load=_ON_LOAD.replace("live.js", f"{name}.js"),
        apply_default_css=False,
        elem_id=name,
    )


def _theme() -> gr.Theme:
    """Return Gradio's plain theme with system fonts: Gradio would download its own."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.slate,
        font=FONT,
        font_mono=FONT_MONO,
    )
