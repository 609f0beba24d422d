"""The test "internet": hosts in network namespaces of this machine, under our control.

`Internet` (internet.py) makes it: servers behind addresses that look public, private and
special ones, a resolver that logs every question, and a counter of every packet that arrived.
The executor reaches it by routes of this machine to these addresses alone; nothing that is
sent to them leaves the machine. Needs root and iproute2.
"""
