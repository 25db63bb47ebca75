"""TODO realtime/spotting"""
