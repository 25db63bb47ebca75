"""Review: look at a recorded session again, code it, and measure how far coders agree.

pictures      the recorded frames by their place
sound         the sound, on the time line of the pictures
motion_lanes  the motion of the face's parts over time
coding        accept, reject, relabel, move, add: append-only edits of each coder
agreement     how far two coders agree
report        one HTML file about a session
"""
