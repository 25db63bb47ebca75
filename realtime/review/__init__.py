"""Review: look at a recorded session again, code it, and measure how far coders agree.

recorded_frames  the recorded frames by their place
session_sound    the sound, on the time line of the pictures
motion_lanes     the motion of the face's parts over time
coding           accept, reject, relabel, move, add: append-only edits of each coder
agreement        how far two coders agree
session_report   one HTML file about a session
"""
