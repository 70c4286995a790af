"""Make devices with session keys in the database that the environment names; print them as JSON.

Runs as a process of its own: a benchmark's database is not known when Django reads its settings.
"""

import json
import secrets
import sys
from datetime import timedelta
from uuid import uuid4

import django

django.setup()

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402

from agents.models import Device, DeviceKey, SessionKey  # noqa: E402
from agents.services.credentials import SESSION_PURPOSE  # noqa: E402
from clients.models import Client, Site  # noqa: E402
from msp.core import clock, sealing  # noqa: E402
from msp.core.scope import SystemPrincipal, acting_as  # noqa: E402


def main() -> None:
    """Print `[[session key id, secret in hex], …]` for as many devices as the argument says."""
    fleet = []
    with acting_as(SystemPrincipal("bench")):
        client = Client.objects.create(name="Bench")
        site = Site.objects.create(client=client, name="Rack")
        devices = Device.objects.bulk_create(
            Device(client=client, site=site, name=f"B-{n:05}", role="server")
            for n in range(int(sys.argv[1]))
        )
        keys = DeviceKey.objects.bulk_create(
            DeviceKey(
                client=client,
                device=device,
                public_key=Ed25519PrivateKey.generate().public_key().public_bytes_raw(),
            )
            for device in devices
        )
        rows = []
        for key in keys:
            name, secret = uuid4(), secrets.token_bytes(32)
            fleet.append([str(name), secret.hex()])
            rows.append(
                SessionKey(
                    key_id=name,
                    client=client,
                    device_id=key.device_id,
                    device_key=key,
                    sealed_secret=sealing.seal(secret, purpose=SESSION_PURPOSE, owner=name.bytes),
                    expires_at=clock.now() + timedelta(hours=24),
                )
            )
        SessionKey.objects.bulk_create(rows)
    print(json.dumps(fleet))


if __name__ == "__main__":
    main()
