"""What the blocks of single systems promise, and what is prepared for networks on frames."""

import math
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.classifiers import CLASSIFIERS, CustomLoss, Inputs
from model.classifiers.blocks import Attention, strain
from model.classifiers.dynamic_image import dynamic_image, standardise
from model.classifiers.fdp import FDP
from model.classifiers.frame_motion import FrameMotion
from model.classifiers.jfm import PredictionFusion
from model.classifiers.mol import MOL, ChannelCorrespondence, FullyConnectedConvolution
from model.classifiers.phase_inputs import PHASE_SHAPES
from model.classifiers.slstt import SLSTT
from model.classifiers.tstsan import GRID, split_into_grid, temporal_shift
from model.errors import CheckpointError, InputError
from model.face.mesh_points import TAUGHT_POINTS
from model.flow import load_flow
from model.flow.key_frames import PHASE_FRAMES, frames_between
from model.flow.phase_flows import long_flows, phase_flows
from model.inference.checkpoint import Checkpoint, save_checkpoint
from model.inference.classifier import load_classifier
from model.labels import ACTION_UNITS
from model.lazy_loading import load_entry
from model.records import AlignedFace, ArrayF32, FramePair, ImageU8, Stamp


def smooth(count: int, size: int = 64, seed: int = 0) -> ArrayF32:
    """Pictures (N, S, S), grey 0 to 255, each like the one before but for a little."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(1, 1, size // 4, size // 4))
    steps = 0.1 * rng.normal(size=(count, 1, size // 4, size // 4)).cumsum(axis=0)
    coarse = torch.from_numpy((base + steps).astype(np.float32))
    fine = nn.functional.interpolate(coarse, (size, size), mode="bicubic", align_corners=False)
    return (128 + 30 * fine[:, 0]).clamp(0, 255).numpy()


def test_strain_sees_stretching_and_nothing_rigid() -> None:
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    shifted = torch.full((1, 2, 16, 16), 0.7)
    turned = 0.1 * torch.stack([-y, x])[None]
    stretched = 0.1 * torch.stack([x, torch.zeros_like(x)])[None]
    sheared = 0.1 * torch.stack([y, x])[None]
    inside = (0, 0, slice(1, -1), slice(1, -1))
    for flow, expected in ((shifted, 0), (turned, 0), (stretched, 0.1), (sheared, 0.1 * 2**0.5)):
        found = strain(flow)[inside]
        torch.testing.assert_close(found, torch.full_like(found, expected), atol=1e-5, rtol=0)


def test_attention_finds_what_is_asked_for_in_any_order() -> None:
    torch.manual_seed(0)
    attend = Attention(8, heads=2)
    queries, context = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    found = attend(queries, context)
    assert found.shape == (2, 3, 8)
    torch.testing.assert_close(attend(queries, context.flip(1)), found)


def test_temporal_shift_swaps_some_channels() -> None:
    early, late = torch.zeros(1, 16, 2, 2), torch.ones(1, 16, 2, 2)
    swapped = temporal_shift(early, late)
    assert [maps[0, :, 0, 0].tolist() for maps in swapped] == [
        [1.0] * 2 + [0.0] * 14,
        [0.0] * 2 + [1.0] * 14,
    ]
    torch.testing.assert_close(torch.cat(temporal_shift(*swapped)), torch.cat([early, late]))


def test_a_grid_makes_every_block_a_channel() -> None:
    maps = torch.arange(2 * 8 * 8.0).view(1, 2, 8, 8)
    blocks = split_into_grid(maps)
    assert blocks.shape == (1, 2 * GRID**2, 2, 2)
    torch.testing.assert_close(blocks[0, 0], maps[0, 0, :2, :2])
    torch.testing.assert_close(blocks[0, 1], maps[0, 0, :2, 2:4])
    torch.testing.assert_close(blocks[0, GRID], maps[0, 0, 2:4, :2])
    torch.testing.assert_close(blocks[0, -1], maps[0, 1, 6:, 6:])


def test_predictions_are_fused_equally_at_first() -> None:
    logits = torch.randn(4, 2, 3)
    torch.testing.assert_close(PredictionFusion(4)(logits), logits.mean(dim=0))


def test_a_dynamic_image_forgets_what_stays_still() -> None:
    still = torch.rand(1, 1, 8, 8).expand(1, 5, 8, 8)
    torch.testing.assert_close(dynamic_image(still), torch.zeros(1, 1, 8, 8), atol=1e-5, rtol=0)
    rising = still + torch.arange(5.0).view(1, 5, 1, 1)
    assert (dynamic_image(rising) > 0).all()
    torch.testing.assert_close(dynamic_image(rising.flip(1)).sign(), -torch.ones(1, 1, 8, 8))


def test_an_image_of_motion_is_one_of_each_direction() -> None:
    course = torch.rand(2, 5, 2, 8, 8)
    found = dynamic_image(course)
    assert found.shape == (2, 1, 2, 8, 8)
    for part in (0, 1):
        torch.testing.assert_close(found[:, :, part], dynamic_image(course[:, :, part]))


def in_contrasts(frames: ArrayF32) -> Tensor:
    """Grey frames (F, S, S) → (1, F, S, S), as `standardise` returns them."""
    given = torch.from_numpy(frames)[None] / 255
    return standardise(given, given, torch.ones(1))[0]


@pytest.mark.parametrize("shift", [(0.4, 0.0), (-0.8, 0.6), (1.5, -1.0)])
def test_frames_tell_how_far_they_moved(shift: tuple[float, float]) -> None:
    """In whatever light, and whichever side of the skin is the brighter one."""
    wide = smooth(1, size=80)[0]
    first, second = (
        cv2.warpAffine(
            wide, np.float32([[1, 0, x - 8], [0, 1, y - 8]]), (64, 64), flags=cv2.INTER_CUBIC
        )
        for x, y in ((0.0, 0.0), shift)
    )
    for pair in ((first, second), (255 - first, 255 - second), (first, 0.9 * second + 12)):
        frames = in_contrasts(np.stack(pair))
        whole, face = FrameMotion()(frames)
        torch.testing.assert_close(whole[0, 0], torch.zeros(2, 64, 64), atol=1e-6, rtol=0)
        middle = whole[0, 1, :, 8:-8, 8:-8].mean(dim=(1, 2)).tolist()
        assert middle == pytest.approx(shift, abs=0.1)
        assert face[0, 1, :, 8:-8, 8:-8].mean(dim=(1, 2)).abs().max() < 0.1


def test_frames_move_as_the_live_flow_says() -> None:
    """A picture that bends, by up to 1.5 px."""
    picture = smooth(1)[0]
    y, x = np.mgrid[:64, :64].astype(np.float32)
    hill = np.exp(-((x - 40) ** 2 + (y - 24) ** 2) / (2 * 9**2))
    moved = cv2.remap(picture, x - 1.5 * hill, y + 0.8 * hill, cv2.INTER_CUBIC)
    frames = in_contrasts(np.stack([picture, moved]))
    live = load_flow("lk")(picture[None], moved[None])[0]
    ours, _ = FrameMotion()(frames)
    assert np.abs(live).max() > 0.8
    assert np.abs(ours[0, 1].numpy() - live).mean() < 0.15 * np.abs(live).mean()


def test_slstt_without_options_is_as_before() -> None:
    """As many weights as in the first table of systems."""
    net: nn.Module = SLSTT(classes=3, action_units=len(ACTION_UNITS))
    assert sum(weights.numel() for weights in net.parameters()) == 147_029


def test_fdp_sees_no_face() -> None:
    """Whoever rests looks the same to it; who moves, moves the same in any light."""
    still = [torch.from_numpy(smooth(1, seed=seed)) / 255 for seed in (0, 1)]
    moving = torch.from_numpy(smooth(5))[None] / 255
    net = FDP(classes=2, action_units=1).eval()
    seen: list[Tensor] = []
    net.perception.register_forward_pre_hook(lambda _, given: seen.extend(given))
    for face in still:
        frames = face[:, None].expand(1, 5, 64, 64)
        net(frames, frames, torch.ones(1))
    torch.testing.assert_close(*seen)
    answers = [net(each, each, torch.ones(1))[0] for each in (moving, moving + 0.1)]
    torch.testing.assert_close(*answers, atol=1e-3, rtol=0)


def test_fdp_weighs_frames_by_how_near_the_apex_they_are() -> None:
    """Not by their scores, which are chance before training: new ones change nothing. Nor by their
    order: what returns the way it came would be nothing."""
    torch.manual_seed(0)
    net = FDP(classes=2, action_units=1).eval()
    moving = torch.from_numpy(smooth(5))[None] / 255
    given = moving, moving.flip(1), torch.ones(1)
    before = net(*given)[0]
    still = moving[:, :1].expand(moving.shape)
    assert not torch.allclose(before, net(still, still, torch.ones(1))[0], atol=1e-3)
    with torch.no_grad():
        net.scorer.score.weight.neg_()
    assert torch.equal(net(*given)[0], before)


@pytest.mark.parametrize("name", ["fdp", "dianet", "mol"])
def test_a_clip_in_which_nothing_moves_does_not_ruin_a_training(name: str) -> None:
    torch.manual_seed(0)
    net: nn.Module = load_entry(CLASSIFIERS, name, "classifier")(classes=3, action_units=2)
    frames = (torch.from_numpy(smooth(1)) / 255)[None].expand(2, PHASE_FRAMES, 64, 64)
    known = torch.ones(2)
    if isinstance(net, CustomLoss):
        points = torch.zeros(2, 2, PHASE_FRAMES, len(TAUGHT_POINTS), 2)
        answers = net.learn(frames, frames, known, torch.tensor([0, 1]), points)
    else:
        answers = net(frames, frames, known)
    sum(each.square().sum() for each in answers).backward()
    gradients = [each.grad for each in net.parameters() if each.grad is not None]
    assert gradients
    assert all(each.isfinite().all() for each in gradients)


def test_slstt_sees_where_a_patch_moves() -> None:
    """Without the patches' own code, the class token alone could not tell."""
    torch.manual_seed(0)
    flows = torch.randn(1, 4, 2, 64, 64)
    elsewhere = flows.roll((16, -8), dims=(3, 4))  # whole patches
    for places in (False, True):
        net = SLSTT(classes=2, action_units=1, places=places).eval()
        with torch.no_grad():
            net.encoder.places.zero_()
        answers = [net(each, each, torch.zeros(1))[0] for each in (flows, elsewhere)]
        assert torch.allclose(*answers, atol=1e-5) != places


@pytest.mark.parametrize("name", ["fdp", "tstsan", "mol"])
def test_what_teaches_itself_answers_the_same(name: str) -> None:
    net: nn.Module = load_entry(CLASSIFIERS, name, "classifier")(classes=3, action_units=2).eval()
    assert isinstance(net, CustomLoss)
    shape = PHASE_SHAPES[cast(Inputs, net.inputs)]
    first, second = torch.rand(2, 3, *shape, 64, 64)
    known, labels = torch.tensor([1.0, 1.0, 0.0]), torch.tensor([0, 1, 2])
    landmarks = torch.rand(3, 2, PHASE_FRAMES, len(TAUGHT_POINTS), 2)
    classes, units, own = net.learn(first, second, known, labels, landmarks)
    answers = net(first, second, known)
    torch.testing.assert_close((classes, units), answers)
    assert own.ndim == 0
    assert own > 0


def test_frames_can_be_put_in_the_order_of_time() -> None:
    torch.manual_seed(0)
    net = FDP(classes=3, action_units=2)
    frames = torch.from_numpy(smooth(9)).view(1, 9, 64, 64) / 255
    given = (frames[:, :5], frames[:, 4:], torch.ones(1), torch.zeros(1, dtype=torch.long))
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        own = net.learn(*given)[2]
        own.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(own.item())
    assert losses[0] > 0.5 * math.log(2)
    assert losses[-1] < losses[0] / 2


def test_every_place_sees_every_other() -> None:
    torch.manual_seed(0)
    net = FullyConnectedConvolution(4).eval()
    x = torch.zeros(1, 4, 16, 16, requires_grad=True)
    net(x)[0, :, 3, 12].sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert (x.grad != 0).all()


def test_feature_maps_look_at_those_like_them() -> None:
    torch.manual_seed(0)
    net = ChannelCorrespondence(4)
    x = torch.zeros(1, 8, 4, 4)
    x[0, :4, 0], x[0, 4:, 3] = 1.0 + torch.rand(4, 4), 1.0 + torch.rand(4, 4)
    other = x.clone()
    other[0, 4:] *= 0.5
    torch.testing.assert_close(net(x)[:, :4], net(other)[:, :4])
    assert not torch.allclose(net(x)[:, 4:], net(other)[:, 4:])


def test_flow_and_landmarks_are_learnt_beside_the_expression() -> None:
    """Of pictures that shift as wholes, by up to 2 px of 64."""
    torch.manual_seed(0)
    net, rng = MOL(classes=3, action_units=2), torch.Generator().manual_seed(0)
    pictures = torch.from_numpy(smooth(4, size=96, seed=3))[:, None] / 255
    steps = torch.randint(-2, 3, (4, 10, 2), generator=rng)
    steps[:, 0] = 0
    shown = [
        [
            picture[0, 16 - y : 80 - y, 16 - x : 80 - x]
            for x, y in course.tolist()
        ]
        for picture, course in zip(pictures, steps, strict=True)
    ]  # fmt: skip
    frames = torch.stack([torch.stack(course) for course in shown]).view(4, 2, PHASE_FRAMES, 64, 64)
    rest = 1.2 * torch.rand((4, 1, len(TAUGHT_POINTS), 2), generator=rng) - 0.6
    landmarks = (rest + steps[:, :, None] / 32).view(4, 2, PHASE_FRAMES, -1, 2)
    given = (frames[:, 0], frames[:, 1], torch.ones(4), torch.zeros(4, dtype=torch.long))
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        own = net.learn(*given, landmarks)[2]
        own.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(own.item())
    assert losses[-1] < losses[0] / 2
    assert net.learn(*given)[2] == 0
    assert net.learn(*given, torch.full_like(landmarks, torch.nan))[2] == 0


def test_long_flows_end_at_the_apex_with_the_flow_of_the_phase() -> None:
    flow, frames = load_flow("lk"), smooth(9, size=128)
    pair = FramePair(frames[:5], frames[4:])
    first, second = long_flows(flow, pair)
    assert second is not None
    assert first.shape == second.shape == (*PHASE_SHAPES["long_flows"], 128, 128)
    as_picture = [[frame] for frame in frames]
    reached = phase_flows(flow, as_picture[0], as_picture[4]).onset_apex
    np.testing.assert_allclose(first[-1], reached, atol=1e-5)
    returned = phase_flows(flow, as_picture[0], as_picture[8]).onset_apex
    np.testing.assert_allclose(second[-1], returned, atol=1e-5)
    early, unknown = long_flows(flow, FramePair(frames[:5], None))
    assert unknown is None
    np.testing.assert_allclose(early, first, atol=1e-5)


def test_a_network_on_frames_serves_any_flow(tmp_path: Path) -> None:
    trained, other = load_flow("lk"), load_flow("tvl1")
    for name in ("fdp", "slstt"):
        checkpoint = Checkpoint(name, ("one", "two"), ("AU4",), "lk", dict(trained.parameters))
        save_checkpoint(tmp_path / name, checkpoint, checkpoint.network().state_dict())
    assert load_classifier(tmp_path / "fdp", flow=other).inputs == "frames"
    with pytest.raises(CheckpointError, match=r"'lk'.*'tvl1'"):
        load_classifier(tmp_path / "slstt", flow=other)


def faces(times_s: list[float], tracks: list[int] | None = None) -> list[AlignedFace]:
    """Faces whose crop is as grey as their number."""
    made = []
    for number, time_s in enumerate(times_s):
        crop: ImageU8 = np.full((8, 8), number, np.uint8)
        track = 0 if tracks is None else tracks[number]
        points = np.zeros((468, 2), np.float32)
        made.append(AlignedFace(Stamp(number, time_s), crop, points, np.eye(2, 3), track))
    return made


def greys(shown: list[AlignedFace], start: int, end: int) -> list[float]:
    found = frames_between(shown, shown[start].stamp, shown[end].stamp)
    assert found.dtype == np.float32
    assert found.shape == (PHASE_FRAMES, 8, 8)
    return [float(frame[0, 0]) for frame in found]


def test_frames_of_a_phase_are_evenly_spaced_in_time() -> None:
    at_30_hz = faces([index / 30 for index in range(20)])
    assert greys(at_30_hz, 3, 11) == [3, 5, 7, 9, 11]
    assert greys(at_30_hz, 3, 5) == [3, 3, 4, 4, 5]
    uneven = faces([0.0, 0.03, 0.06, 0.20, 0.23, 0.40])
    assert greys(uneven, 0, 5) == [0, 2, 3, 4, 5]


def test_frames_close_in_time_are_averaged() -> None:
    times_s = [index / 180 for index in range(60)]
    assert greys(faces(times_s), 10, 50) == pytest.approx([10, 20, 30, 40, 50])
    torn = faces(times_s, [0] * 30 + [1] * 30)
    assert greys(torn, 28, 29)[-1] == pytest.approx((26 + 27 + 28 + 29) / 4)


def test_a_phase_keeps_to_one_track() -> None:
    lost = faces([index / 30 for index in range(9)], [0] * 6 + [1] * 3)
    assert greys(lost, 0, 8)[-1] == 5


def test_a_phase_without_its_first_face_is_refused() -> None:
    shown = faces([0.1, 0.2, 0.3])
    with pytest.raises(InputError, match=r"no face found at 0\.050 s"):
        frames_between(shown, Stamp(9, 0.05), shown[2].stamp)
