"""The face of a picture: where it is, its landmarks, and the crop in which motion is measured.

    aligner = FaceAligner()
    face = aligner.align(frame)        # an AlignedFace, or None

MediaPipe's own networks (`networks`) find faces (`detector`, `search`) and their landmarks
(`landmarks`); `aligner` follows one of them from frame to frame. `crop` is geometry alone and
needs no network.
"""
