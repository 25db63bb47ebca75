"""Engines give the answers of the network they run, or do not run it."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from model.build_engine import build, check
from model.classifiers.dynamic_image import standardise
from model.classifiers.frame_motion import FrameMotion
from model.engine import ENGINES, ORDER, NetworkOf
from model.engine.cache import EngineFile
from model.engine.equality import (
    FIXED_INPUTS,
    FixedAnswers,
    answer_inputs,
    compare_answers,
    example_inputs,
    fixed_inputs,
)
from model.engine.export import halve_precision
from model.engine.forward import Arrays, Forward
from model.engine.inductor_engine import Compiled
from model.engine.onnxruntime_engine import ONNXRuntime
from model.engine.pytorch_engine import Eager, explain_no_cuda, plain_forward, plain_truth
from model.engine.tensorrt_engine import TensorRTRTX, installed_version
from model.errors import InputError
from model.inference.checkpoint import checkpoint_path, load_network
from model.inference.classifier import load_classifier
from model.inference.engine_building import (
    build_here,
    end_process,
    engine_file,
    export_here,
    onnx_file_beside,
)
from model.inference.engine_choice import Serving
from model.inference.shipped_weights import shipped_names
from model.lazy_loading import load_entry
from model.machine import driver

TRUTH = answer_inputs("flows", lambda *given: (given[0][:, 0, 0, :3], given[0][:, 0, 1, :2]), 1)
KEY = {"engine": "onnx", "weights": "ab12", "shapes": "batch 1", "torch": "2.13", "gpu": "none"}


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return load_network(checkpoint_path("fmanet"))[1]


@pytest.fixture(scope="module")
def truth(network: nn.Module) -> FixedAnswers:
    return plain_truth(network)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FMANet's checkpoint without the ONNX file beside it."""
    path = tmp_path_factory.mktemp("weights") / "alone.safetensors"
    shutil.copyfile(checkpoint_path("fmanet"), path)
    return path


@pytest.fixture(scope="module")
def cache(alone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds FMANet for ONNX Runtime."""
    folder = tmp_path_factory.mktemp("engines")
    build_here(ONNXRuntime("cpu"), alone, 1, folder)
    return folder


@pytest.fixture
def beside(alone: Path, tmp_path: Path) -> Path:
    """FMANet's checkpoint with the ONNX file beside it, as shipped, to be changed."""
    path = tmp_path / "mine.safetensors"
    shutil.copyfile(alone, path)
    shipped = onnx_file_beside(checkpoint_path("fmanet"))
    for suffix in (".onnx", ".json"):
        shutil.copyfile(shipped.path.with_suffix(suffix), path.with_suffix(suffix))
    return path


def unneeded() -> nn.Module:
    raise AssertionError("ONNX Runtime needs no network")


class Failing(Eager):
    """An engine that answers three times and then not any more, as one without memory."""

    name = "failing"

    def load(self, network: NetworkOf, inputs: Arrays, path: Path | None) -> Forward:
        whole = super().load(network, inputs, path)
        calls = 0

        def forward(*given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            nonlocal calls
            calls += 1
            if calls > FIXED_INPUTS + 3:
                raise RuntimeError("CUDA out of memory.\nTried to allocate 2 GiB")
            return whole(*given)

        return forward


class Wrong(Eager):
    """An engine whose answers are others."""

    name = "wrong"

    def load(self, network: NetworkOf, inputs: Arrays, path: Path | None) -> Forward:
        whole = super().load(network, inputs, path)
        return lambda *given: tuple(-each for each in whole(*given))  # type: ignore[return-value]


class Unbuildable(Eager):
    """An engine whose build fails."""

    name = "unbuildable"
    has_file = True

    def versions(self) -> Mapping[str, str]:
        return {"version": "1"}

    def build(self, network: nn.Module, inputs: Arrays, path: Path) -> None:
        path.write_text("half of it")
        raise RuntimeError("no kernel fits\nand more")


@pytest.fixture
def _strange(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Failing", "Wrong", "Unbuildable"):
        monkeypatch.setitem(ENGINES, name.lower(), f"{__name__}:{name}")


def test_every_engine_is_there_or_says_what_is_missing() -> None:
    for name in ENGINES:
        engine = load_entry(ENGINES, name, "engine")("cpu")
        assert engine.name == name
        assert 0 < engine.tolerance <= 0.02
        assert "\n" not in (engine.find_obstacle() or "")
    assert {name for order in ORDER.values() for name in order} <= set(ENGINES)


@pytest.mark.parametrize("name", ["tensorrt", "tensorrt-rtx", "graph"])
def test_an_engine_asked_for_by_name_and_absent_is_an_error(name: str) -> None:
    with pytest.raises(InputError, match=f"--engine {name}: runs on ") as caught:
        Serving(checkpoint_path("fmanet"), engine=name)
    if torch.cuda.is_available():
        assert str(caught.value).endswith("give --device cuda")
    elif driver() == "none":
        assert str(caught.value).endswith("no NVIDIA driver was found here")


def test_torch_without_cuda_beside_a_gpu_says_which_one_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr("model.engine.pytorch_engine.driver", lambda: "580.65")
    assert 'pip install "torch>=2.11,<2.14" --index-url ' in explain_no_cuda("cpu")


def test_what_would_bring_an_absent_engine_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "model.engine.onnxruntime_engine.find_spec", lambda name: name != "onnxruntime" or None
    )
    assert ONNXRuntime("cpu").find_obstacle().endswith("pip install onnxruntime")
    monkeypatch.setenv("PATH", "")
    assert "apt install g++" in Compiled("cpu").find_obstacle()


@pytest.mark.parametrize("name", shipped_names())
def test_the_onnx_file_beside_shipped_weights_gives_the_same_answers(name: str) -> None:
    engine, path = ONNXRuntime("cpu"), checkpoint_path(name)
    kept = onnx_file_beside(path)
    assert kept.check() is None, "write it anew: python -m model.engine export"
    assert kept.path.stat().st_size < 8e6
    truth = plain_truth(load_network(path)[1])
    forward = engine.load(unneeded, example_inputs(truth.inputs, 1), kept.path)
    equality = compare_answers(truth, forward, 1, engine.tolerance)
    assert equality.refusal is None
    assert equality.max_difference < 1e-5
    assert equality.inputs == FIXED_INPUTS
    told = kept.read_answers()
    np.testing.assert_allclose(told.classes, truth.classes, atol=1e-5)
    np.testing.assert_allclose(told.units, truth.units, atol=1e-5)
    assert b"/model/" not in kept.path.read_bytes()  # nothing of the machine that wrote it


def test_an_onnx_file_of_other_weights_is_not_used(beside: Path) -> None:
    assert Serving(beside).describe().startswith("ONNX Runtime")
    other = checkpoint_path("ststnet")
    shutil.copyfile(other, beside)
    serving = Serving(beside)
    assert serving.loaded.name == "eager"
    serving.close()
    found = r"mine\.onnx: built for weights \w{12}, this is \w{12}; not built yet"
    assert re.fullmatch(found, serving.build_reasons["onnx"])
    flows = np.random.default_rng(0).normal(size=(2, 2, 64, 64)).astype(np.float32)
    expected = load_classifier(other).predict(flows)
    np.testing.assert_allclose(load_classifier(beside).predict(flows), expected, atol=1e-5)


def test_a_damaged_onnx_file_is_not_used_and_written_anew(beside: Path) -> None:
    whole = beside.with_suffix(".onnx").read_bytes()
    beside.with_suffix(".onnx").write_bytes(whole[:-9])
    assert onnx_file_beside(beside).check() == "the file is damaged"
    assert load_classifier(beside).labels  # by PyTorch
    assert export_here(beside).check() is None
    assert Serving(beside).describe().startswith("ONNX Runtime")


def test_frames_that_engines_are_compared_on_move_as_expressions_do() -> None:
    first, second, _ = fixed_inputs("frames")
    np.testing.assert_allclose(first[:, -1], second[:, 0], atol=0.02)  # the apex, but for noise
    given = torch.from_numpy(first)
    frames, _ = standardise(given, given, torch.ones(len(given)))
    whole, _ = FrameMotion()(frames)
    moved_px = whole[:, -1].square().sum(dim=1).mean(dim=(1, 2)).sqrt()
    assert (moved_px == 0).sum() == len(given) / 12
    assert moved_px.median() < 1
    assert 0.3 < moved_px.max() < 5


def test_faces_at_rest_are_among_what_is_compared() -> None:
    first, _, known = fixed_inputs("flows")
    still = ~first.any(axis=(1, 2, 3))
    assert set(known[still]) == {1.0}
    assert 0 in known
    np.testing.assert_array_equal(example_inputs("flows", 2)[0], first[:2])


def test_half_precision_is_within_its_tolerance(network: nn.Module, truth: FixedAnswers) -> None:
    half = halve_precision(network)
    types = {each.dtype for each in half.parameters() if each.dim() == 4}
    assert types == {torch.float16}
    assert {each.dtype for each in network.parameters()} == {torch.float32}
    assert compare_answers(truth, plain_forward(half, "cpu"), 1, 0.02).refusal is None


def test_answers_that_are_not_numbers_are_refused(network: nn.Module, truth: FixedAnswers) -> None:
    whole = plain_forward(network, "cpu")

    def forward(*given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        classes, units = whole(*given)
        return classes * np.float32(np.nan), units

    equality = compare_answers(truth, forward, 1, 0.02)
    assert "differ by at most 1.0e+00" in equality.refusal


def test_flips_count_where_the_answer_was_clear(network: nn.Module, truth: FixedAnswers) -> None:
    whole = plain_forward(network, "cpu")

    def forward(*given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        classes, units = whole(*given)
        return np.roll(classes, 1, axis=1), units

    assert compare_answers(truth, forward, 1, 1e-3).flips > FIXED_INPUTS // 2


def test_a_kept_engine_is_found_again(tmp_path: Path) -> None:
    kept = EngineFile(KEY, tmp_path)
    assert kept.check() == "not built yet"
    kept.write(lambda path: path.write_bytes(b"engine"), TRUTH)
    assert kept.check() is None
    assert EngineFile(KEY, tmp_path).path.read_bytes() == b"engine"


def test_a_damaged_or_foreign_file_is_not_taken(tmp_path: Path) -> None:
    kept = EngineFile(KEY, tmp_path)
    kept.write(lambda path: path.write_bytes(b"engine"), TRUTH)
    for name, other in (("torch", "2.14"), ("precision", "fp16")):
        assert EngineFile({**KEY, name: other}, tmp_path).check().startswith(f"built for {name} ")
    for name in ("weights", "shapes", "gpu"):
        assert EngineFile({**KEY, name: "other"}, tmp_path).check() == "not built yet"
    kept.path.write_bytes(b"engima")
    assert kept.check() == "the file is damaged"
    kept.path.with_suffix(".json").write_text("{")
    assert kept.check() == "its description cannot be read"
    kept.write(lambda path: path.write_bytes(b"engine"), TRUTH)
    assert kept.check() is None


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    kept = EngineFile(KEY, tmp_path)

    def build(path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        kept.write(build, TRUTH)
    assert list(tmp_path.iterdir()) == []


def test_what_is_kept_serves_at_once(alone: Path, cache: Path) -> None:
    serving = Serving(alone, folder=cache)
    assert serving.describe().startswith("ONNX Runtime")
    classifier = load_classifier(alone, forward=serving)
    plain = load_classifier(alone)
    flows = torch.randn(3, 2, 128, 128).numpy()
    expected = plain.predict(flows, flows[::-1].copy())
    found = classifier.predict(flows, flows[::-1].copy())
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


def test_a_better_engine_is_built_while_another_serves(
    alone: Path, tmp_path: Path, network: nn.Module
) -> None:
    serving = Serving(alone, folder=tmp_path)
    assert serving.loaded.name == "eager"
    assert serving.reasons["onnx"] == "not built yet"
    assert "(onnx is being built, " in serving.describe()
    given = example_inputs("flows", 2)
    before = serving(*given)
    serving.wait()
    assert serving.describe().startswith("ONNX Runtime")
    for found, wanted in zip(serving(*given), before, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert serving.trouble == ""


def test_what_is_being_built_ends_with_the_run(alone: Path, tmp_path: Path) -> None:
    serving = Serving(alone, folder=tmp_path)
    serving.close()
    assert serving.loaded.name == "eager"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking")
def test_a_build_that_does_not_listen_is_ended_all_the_same() -> None:
    code = "import signal as s, time; s.signal(s.SIGTERM, s.SIG_IGN); print('', flush=True); "
    with subprocess.Popen(
        [sys.executable, "-c", f"{code}time.sleep(60)"], stdout=subprocess.PIPE, text=True
    ) as deaf:
        assert deaf.stdout is not None
        deaf.stdout.readline()
        end_process(deaf, patience_s=0.05)
        assert deaf.returncode == -9


@pytest.mark.usefixtures("_strange")
def test_an_engine_that_fails_is_replaced_while_it_runs() -> None:
    serving = Serving(checkpoint_path("fmanet"), engine="failing")
    given = example_inputs("flows", 1)
    answers = [serving(*given)[0] for _ in range(5)]
    for answer in answers[1:]:
        np.testing.assert_allclose(answer, answers[0], atol=1e-5)
    assert serving.loaded.name == "eager"
    failed, serves = serving.trouble.split("; ")
    assert failed == "failing failed on cpu: RuntimeError: CUDA out of memory."
    assert serves == f"{serving.describe()} serves in its place"


@pytest.mark.usefixtures("_strange")
def test_an_engine_with_other_answers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"--engine wrong: its answers differ: .* labels flip"):
        Serving(checkpoint_path("fmanet"), engine="wrong")
    monkeypatch.setitem(ORDER, "cpu", ("wrong", "eager"))
    serving = Serving(checkpoint_path("fmanet"))
    assert serving.loaded.name == "eager"
    assert "differ" in serving.reasons["wrong"]


@pytest.mark.usefixtures("_strange")
def test_a_build_that_fails_says_why(tmp_path: Path) -> None:
    engine = Unbuildable("cpu")
    with pytest.raises(InputError, match="unbuildable cannot be built: RuntimeError: no kernel"):
        build_here(engine, checkpoint_path("fmanet"), 1, tmp_path)
    (note,) = tmp_path.iterdir()
    assert note.suffix == ".failed"


@pytest.mark.usefixtures("_strange")
def test_a_build_that_failed_is_not_tried_again_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ORDER, "cpu", ("unbuildable", "eager"))
    path = checkpoint_path("fmanet")
    with pytest.raises(InputError):
        build_here(Unbuildable("cpu"), path, 1, tmp_path)
    serving = Serving(path, folder=tmp_path)
    assert serving.describe().startswith("PyTorch")
    assert "being built" not in serving.describe()
    assert serving.reasons["unbuildable"].endswith(
        "RuntimeError: no kernel fits; `fmanet engine build` tries again"
    )
    monkeypatch.setattr("model.engine.cache.driver", lambda: "another")
    again = Serving(path, folder=tmp_path)
    assert again.reasons["unbuildable"] == "not built yet"
    again.close()


def test_a_failure_holds_while_nothing_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = EngineFile(KEY, tmp_path)
    assert kept.read_failure() is None
    kept.note_failure("no kernel fits")
    assert "no kernel fits" in kept.read_failure()
    assert EngineFile({**KEY, "torch": "2.14"}, tmp_path).read_failure() is None
    with monkeypatch.context() as other:
        other.setattr("model.engine.toolchain.compiler", lambda: sys.executable)
        assert kept.read_failure() is None
    with monkeypatch.context() as later:
        later.setattr("model.engine.cache.FAILURE_LASTS_S", 0.0)
        assert kept.read_failure() is None
    note = kept.path.with_suffix(".failed")
    whole = note.read_text(encoding="utf-8")
    for damaged in ("", "{", "[]", whole.replace("at_s", "at")):
        note.write_text(damaged, encoding="utf-8")
        assert kept.read_failure() is None


def test_what_can_be_built_after_all_is_no_failure_any_more(alone: Path, tmp_path: Path) -> None:
    kept = engine_file(ONNXRuntime("cpu"), alone, 1, tmp_path)
    kept.note_failure("the disk was full")
    build_here(ONNXRuntime("cpu"), alone, 1, tmp_path)
    assert sorted(each.suffix for each in tmp_path.iterdir()) == [".bin", ".json"]


def test_half_an_installation_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """What tells its version raises, as where a package's files are there without its name."""

    def raising(engine: object) -> None:
        raise LookupError("No package metadata was found for onnxruntime")

    monkeypatch.setattr(ONNXRuntime, "versions", raising)
    serving = Serving(checkpoint_path("fmanet"))
    assert serving.loaded.name == "eager"
    assert serving.reasons["onnx"].startswith("LookupError: No package metadata")


def test_tensorrt_may_be_installed_by_its_cudas_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    assert installed_version("fmanet_strange") == "unknown"
    for name, number in (("fmanet_strange_cu12", "10.9"), ("fmanet_strange_cu13", "11.0.0.1")):
        folder = tmp_path / f"{name}-{number}.dist-info"
        folder.mkdir()
        said = f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n"
        (folder / "METADATA").write_text(said, encoding="utf-8")
    assert installed_version("fmanet_strange") == "11.0.0.1"
    assert installed_version("torch") == torch.__version__


def test_torchinductor_needs_cudas_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.engine.inductor_engine.explain_no_cuda", lambda device: None)
    monkeypatch.setattr("torch.utils.cpp_extension.CUDA_HOME", None)
    assert "set CUDA_HOME" in Compiled("cuda:0").find_obstacle()
    assert Compiled("cpu").find_obstacle() is None
    monkeypatch.setattr("torch.utils.cpp_extension.CUDA_HOME", str(tmp_path))
    folder = tmp_path / "include"
    assert Compiled("cuda:0").find_obstacle().startswith(f"CUDA's headers are not in {folder}: ")
    folder.mkdir()
    (folder / "cuda_runtime_api.h").touch()
    assert Compiled("cuda:0").find_obstacle() is None


def test_more_inputs_than_an_engine_takes_are_sliced(network: nn.Module) -> None:
    serving = Serving(checkpoint_path("fmanet"), engine="eager", batch=2)
    first, second, known = (each[1:6] for each in fixed_inputs("flows"))
    expected = plain_forward(network, "cpu")(first, second, known)
    for found, wanted in zip(serving(first, second, known), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5, rtol=1e-5)


def test_check_tells_the_truth_about_this_machine(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check("fmanet", "cpu", 1, cache)
    said = capsys.readouterr().out
    assert "chosen: ONNX Runtime" in said
    assert "0 of 48 labels flip" in said
    assert "tensorrt  runs on " in said
    assert "serves: ONNX Runtime" in said
    assert "built now" not in said


def test_what_is_built_again_is_said_with_its_reason(
    alone: Path, truth: FixedAnswers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = engine_file(ONNXRuntime("cpu"), alone, 1, tmp_path)
    other = EngineFile({**kept.key, "precision": "fp16"}, tmp_path)
    assert other.path == kept.path
    other.write(lambda path: path.write_bytes(b"of another version"), truth)
    foreign = "built for precision fp16, this is fp32"
    serving = Serving(alone, folder=tmp_path)
    assert f"(onnx is being built: {foreign}, " in serving.describe()
    serving.close()
    kept.path.write_bytes(b"something else")
    check(str(alone), "cpu", 1, tmp_path)
    said = capsys.readouterr().out
    assert "serves: ONNX Runtime" in said
    assert "; built now: the file is damaged\n" in said


def test_build_says_what_it_did(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="tensorrt"):
        build("tensorrt", "fmanet", "cpu", 1, cache)
    build("eager", "fmanet", "cpu", 1, cache)
    assert "eager: nothing to build" in capsys.readouterr().out


@pytest.mark.skipif(find_spec("tensorrt_rtx") is None, reason="tensorrt-rtx is not installed")
def test_tensorrt_rtx_builds_an_engine_without_a_gpu(tmp_path: Path) -> None:
    kept = build_here(TensorRTRTX("cpu"), checkpoint_path("fmanet"), 1, tmp_path)
    assert kept.check() is None
    assert kept.path.stat().st_size > 100_000
