"""Flows on a GPU, in PyTorch and in Triton, and CUDA graphs. Those in PyTorch (`lk_tensor`,
`head_tensor`) run anywhere, and are parts of networks on frames."""

from model.flow import TENSOR_FLOWS, Flow


def flow_on(flow: Flow, device: str) -> Flow:
    """`flow` on `device` if that can compute it, otherwise `flow` itself."""
    if device.startswith("cuda") and flow.name in TENSOR_FLOWS:
        from model.flow.gpu.gpu_flow import DeviceFlow  # imports PyTorch

        return DeviceFlow(flow, device)
    return flow
