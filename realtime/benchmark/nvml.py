"""What NVIDIA's driver says of a GPU, through its own library NVML, where both are there."""

from typing import Any


class Gpu:
    """One GPU's load. `close` when done."""

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml = nvml
        self._handle = handle

    def read(self) -> tuple[float | None, float | None, float | None]:
        """Share of time in percent in which it computed, memory in 10⁶ bytes, power in W; None
        for what it does not tell."""
        nvml, handle = self._nvml, self._handle

        def ask(question: str) -> Any:
            try:
                return getattr(nvml, question)(handle)
            except nvml.NVMLError:
                return None

        rates = ask("nvmlDeviceGetUtilizationRates")
        memory = ask("nvmlDeviceGetMemoryInfo")
        power = ask("nvmlDeviceGetPowerUsage")
        return (
            None if rates is None else float(rates.gpu),
            None if memory is None else memory.used / 1e6,
            None if power is None else power / 1e3,
        )

    def driver(self) -> str:
        """The driver's version."""
        return str(self._nvml.nvmlSystemGetDriverVersion())

    def close(self) -> None:
        """Let the library go."""
        self._nvml.nvmlShutdown()


def open_gpu(device: str) -> Gpu | None:
    """The GPU that the torch device `device` is; None for `cpu`, or without NVML."""
    if device == "cpu":
        return None
    try:
        import pynvml

        pynvml.nvmlInit()
    except ImportError:
        return None
    except pynvml.NVMLError:
        return None
    import torch

    number = torch.device(device).index or 0
    # The order of NVML is that of the bus, torch's that of the environment: the UUID is both's.
    uuid = f"GPU-{torch.cuda.get_device_properties(number).uuid}"
    try:
        return Gpu(pynvml, pynvml.nvmlDeviceGetHandleByUUID(uuid))
    except pynvml.NVMLError:
        pynvml.nvmlShutdown()
        return None
