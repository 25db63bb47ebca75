"""TODO realtime/stream"""
