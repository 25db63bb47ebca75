"""`python -m model.engine` is `python -m model.engines`: a command lies above what it calls."""

import runpy

runpy.run_module("model.engines", run_name="__main__", alter_sys=True)
