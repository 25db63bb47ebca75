"""The face in a picture: its place, its landmarks, and the crop in which motion is measured.

    aligner = FaceAligner()
    face = aligner.align(frame)        # an AlignedFace, or None

MediaPipe's own networks (`networks`) find faces (`detector`, `search`) and their landmarks
(`landmarks`); `aligner` follows one face from frame to frame. `crop` is pure geometry and needs no
network.
"""
