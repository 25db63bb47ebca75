"""`python -m model.engine` runs `model.build_engine`, which may import more than this package."""

import runpy

runpy.run_module("model.build_engine", run_name="__main__", alter_sys=True)
