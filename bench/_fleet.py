"""Make devices with keys in the database that the environment names; print them as JSON.

Runs as a process of its own: a benchmark's database is not known when Django reads its settings.
"""

import json
import sys

import django

django.setup()

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402

from agents.models import Device, DeviceKey  # noqa: E402
from clients.models import Client, Site  # noqa: E402
from msp.core.scope import SystemPrincipal, acting_as  # noqa: E402


def main() -> None:
    """Print `[[key id, private key in hex], …]` for as many devices as the argument says."""
    with acting_as(SystemPrincipal("bench")):
        client = Client.objects.create(name="Bench")
        site = Site.objects.create(client=client, name="Rack")
        devices = Device.objects.bulk_create(
            Device(client=client, site=site, name=f"B-{n:05}", role="server")
            for n in range(int(sys.argv[1]))
        )
        keys = [Ed25519PrivateKey.generate() for _ in devices]
        rows = DeviceKey.objects.bulk_create(
            DeviceKey(client=client, device=device, public_key=key.public_key().public_bytes_raw())
            for device, key in zip(devices, keys, strict=True)
        )
    print(
        json.dumps(
            [
                [str(row.key_id), key.private_bytes_raw().hex()]
                for row, key in zip(rows, keys, strict=True)
            ]
        )
    )


if __name__ == "__main__":
    main()
