"""TODO realtime/perception"""
