"""`python -m model.engine` is `python -m model.build_engine`: a command lies above what it
calls."""

import runpy

runpy.run_module("model.build_engine", run_name="__main__", alter_sys=True)
