"""Demos of the course: pure functions ``demo(parameters) -> Figure`` that a notebook calls once and then lets you move.

One module per chapter; every demo is importable from here.
"""
