"""Cameras OpenCV can open: USB (UVC), files, network streams."""
