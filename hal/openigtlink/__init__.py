"""OpenIGTLink: any tracker behind PLUS or 3D Slicer coming in, target and state going out."""
