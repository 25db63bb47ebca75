"""What --help says of defaults."""

import argparse

from model.cli import HelpFormatter


def test_defaults_are_said_where_they_say_something() -> None:
    parser = argparse.ArgumentParser(formatter_class=HelpFormatter)
    parser.add_argument("--rate", default=30, help="frames a second")
    parser.add_argument("--out", help="folder")
    parser.add_argument("--quiet", action="store_true", help="say nothing")
    parser.add_argument("--no-browser", dest="browser", action="store_false", help="open nothing")
    said = parser.format_help()
    assert "frames a second (default: 30)" in said
    assert said.count("default") == 1
