"""The network of a run: each connection judged, dialled and carried from outside the sandbox.

docs/network.md tells what is enforced where; docs/adr/0007 why it is done this way. Nothing
here is imported for a run without a network.
"""
