"""A small RTSP camera on the loopback: H.264 over RTP, interleaved in the RTSP connection.

RFC 2326 (RTSP 1.0), 10.12 for the interleaving; RFC 3550 for RTP; RFC 6184, 5.6: one NAL unit per
packet.
"""

import socketserver
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction

import av

from model.records import ImageU8

SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=0\r\n"
    "a=control:track0\r\n"
)


def h264_pictures(images: Sequence[ImageU8], aspect: Fraction) -> list[list[bytes]]:
    """The NAL units of each picture, each picture decodable by itself."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.height, encoder.width = images[0].shape[:2]
    encoder.pix_fmt = "yuv420p"
    encoder.sample_aspect_ratio = aspect
    encoder.time_base = Fraction(1, 30)
    encoder.options = {"tune": "zerolatency", "g": "1", "x264-params": "annexb=1:repeat-headers=1"}
    pictures = []
    for i, image in enumerate(images):
        frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuv420p")
        frame.pts = i
        data = b"".join(bytes(packet) for packet in encoder.encode(frame))
        data = data.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01")
        pictures.append([nal for nal in data.split(b"\x00\x00\x01") if nal])
    return pictures


@contextmanager
def rtsp_camera(images: Sequence[ImageU8], aspect: Fraction = Fraction(1)) -> Iterator[str]:
    """The address of a camera that shows these pictures to each client once and hangs up; `aspect`:
    of a pixel's sides."""
    pictures = h264_pictures(images, aspect)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(ConnectionError):
                self.talk()

        def talk(self) -> None:
            while request := self.rfile.readline().decode().split():
                headers = {}
                while line := self.rfile.readline().decode().strip():
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                self.answer(request[0], request[1], headers)
                if request[0] == "PLAY":
                    self.play()
                    return

        def answer(self, method: str, address: str, headers: dict[str, str]) -> None:
            body, extra = "", ""
            if method == "OPTIONS":
                extra = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
            elif method == "DESCRIBE":
                body = SDP
                extra = (
                    f"Content-Type: application/sdp\r\nContent-Base: {address}/\r\n"
                    f"Content-Length: {len(body)}\r\n"
                )
            elif method == "SETUP":
                extra = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
            elif method == "PLAY":
                extra = "Session: 1\r\n"
            self.wfile.write(
                f"RTSP/1.0 200 OK\r\nCSeq: {headers['cseq']}\r\n{extra}\r\n{body}".encode()
            )

        def play(self) -> None:
            sequence = 0
            for i, picture in enumerate(pictures):
                for nal in picture:
                    last = nal is picture[-1]
                    header = struct.pack(
                        ">BBHII", 0x80, 96 | (0x80 if last else 0), sequence, 3000 * i, 0x5EED
                    )
                    packet = header + nal
                    self.wfile.write(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
                    sequence += 1

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"rtsp://127.0.0.1:{server.server_address[1]}/live"
        finally:
            server.shutdown()
            thread.join()
