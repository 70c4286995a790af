"""The program on a managed device.

It makes its own key, enrols with one token, samples the machine, keeps every sample in a spool
on disk and deletes it only after the server says that it is stored. It knows nothing about the
server's code: the two share a protocol, not a module.
"""

__version__ = "0.1.0"
