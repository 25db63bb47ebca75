"""Options that cannot work are refused in one line that names option, value and choices."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import InputError
from realtime.config import LiveConfig, device_name, is_loopback
from realtime.password_options import parse_auth


def test_the_defaults_work() -> None:
    config = LiveConfig()
    assert (config.source, config.flow, config.classifier) == ("auto", "lk", "fmanet")
    assert is_loopback(config.host)


def test_a_network_stands_for_its_weights_for_the_flow(tmp_path: Path) -> None:
    assert LiveConfig(flow="tvl1").classifier == "fmanet-tvl1"
    assert LiveConfig(flow="tvl1", classifier="fmanet-tvl1").classifier == "fmanet-tvl1"
    assert LiveConfig(flow="dis").classifier == "fmanet"  # is refused when it is loaded
    own = tmp_path / "own.safetensors"
    own.touch()
    assert LiveConfig(flow="tvl1", classifier=str(own)).classifier == str(own)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"width": 8}, ("--size 8x480", "16")),
        ({"height": 100_000}, ("--size 640x100000", "8192")),
        ({"fps": 0.0}, ("--fps 0",)),
        ({"fps": float("nan")}, ("--fps nan",)),
        ({"fps": 5000.0}, ("--fps 5000", "1000")),
        ({"seconds": -1.0}, ("--seconds -1",)),
        ({"seconds": float("inf")}, ("--seconds inf",)),
        ({"seed": -1}, ("--seed -1",)),
        ({"rotate": 45}, ("--rotate 45", "0, 90, 180, 270")),
        ({"rotate": -90}, ("--rotate -90", "0, 90, 180, 270")),
        ({"rotate": 360}, ("--rotate 360", "0, 90, 180, 270")),
        ({"flow": "raft"}, ("--flow raft", "lk", "tvl1")),
        ({"classifier": "resnet"}, ("--classifier resnet", "fmanet", "path")),
        ({"port": 70_000}, ("--port 70000", "65535")),
        ({"allow_hosts": ["https://hub.example"]}, ("--allow-host https://hub.example", "only")),
        ({"root_path": "proxy/"}, ("--root-path proxy/", "/proxy/7860")),
        ({"host": "0.0.0.0"}, ("--host 0.0.0.0", "--auth")),
        ({"host": "example.org"}, ("--host example.org", "--auth")),
        ({"tls_cert": Path("no.pem")}, ("--tls-cert no.pem", "no such file")),
        ({"tls_key": Path(__file__)}, ("--tls-cert and --tls-key", "both")),
        ({"tls_cert": Path(__file__)}, ("--tls-cert and --tls-key", "both")),
        ({"tls_cert": Path(__file__), "tls_key": Path(__file__)}, ("does not work", "PEM")),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        LiveConfig(**options)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_others_may_look_with_a_password() -> None:
    assert LiveConfig(host="0.0.0.0", auth=("a", "b")).auth == ("a", "b")


def test_the_password_is_not_in_what_is_printed() -> None:
    assert "secret" not in repr(LiveConfig(auth=("user", "secret")))
    with pytest.raises(InputError) as caught:
        parse_auth("secret")
    assert "secret" not in str(caught.value)


@given(st.text(min_size=1).filter(lambda user: ":" not in user), st.text(min_size=1))
def test_auth_is_split_at_the_first_colon(user: str, password: str) -> None:
    assert parse_auth(f"{user}:{password}") == (user, password)


@pytest.mark.parametrize("text", ["", "user", ":", "user:", ":password"])
def test_half_an_auth_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="user:password"):
        parse_auth(text)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org", ""])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_a_device_has_a_name() -> None:
    assert device_name("cpu").startswith("cpu (")
