"""Device registry, enrolment and credentials, inventory, the server side of jobs.

Owns which machines exist and how they prove who they are. Does not own samples or alerts (that is
`monitoring`). `agents/endpoint` is the program on the device and not part of this package.
"""
