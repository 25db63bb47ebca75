"""The Jinja templates of a report."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=select_autoescape(["html", "svg"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def fill_template(name: str, **values: object) -> str:
    """Return the template `name` filled with `values`, which are escaped in HTML and SVG."""
    return _TEMPLATES.get_template(name).render(values)
