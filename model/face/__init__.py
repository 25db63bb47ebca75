"""Finds the face in a picture, its landmarks, and the crop in which motion is measured.

    aligner = FaceAligner()
    face = aligner.align(frame)        # an AlignedFace, or None

MediaPipe's networks (`network`, `network_files`) find faces (`detector`, `tiled_detection`) and
their landmarks (`landmarks`); `aligner` follows one face from frame to frame. `aligned_crop` is
geometry only and needs no network.
"""
