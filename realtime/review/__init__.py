"""Review: a recorded session looked at again, coded by people, and their agreement.

pictures    the recorded frames by their place
sound       what was heard, on the time line of the pictures
lanes       the motion of the face's parts over time
coding      accept, reject, relabel, move, add: append-only edits, by coder
agreement   how far two coders, or a coder and the program, say the same
"""
