"""The token with which this machine's own agent joins our own office."""

from __future__ import annotations

from pathlib import Path

from agents import services as agents
from agents.models import EnrolmentToken
from clients.models import Site
from msp.core import clock
from msp.core.scope import Principal
from msp.demo.cast import OWN_NAME
from msp.embedded.secret_files import write_private

LABEL = "This machine"
VALID_DAYS = 90


def hand_out_token(path: Path, *, by: Principal) -> bool:
    """Write a token for this machine's agent, unless it has joined or has a token; tell whether.

    The agent deletes the file once it has joined. A file that is gone before that, or a token that
    ran out meanwhile, is replaced by a new one.
    """
    site = Site.objects.visible_to(by).filter(client__name=OWN_NAME).first()
    if site is None:  # an installation without the demo: its people make tokens themselves
        return False
    tokens = EnrolmentToken.objects.visible_to(by).filter(site=site, label=LABEL)
    waiting = tokens.filter(revoked_at__isnull=True, expires_at__gt=clock.now())
    if tokens.filter(uses__gt=0).exists() or (path.exists() and waiting.exists()):
        return False
    for token in tokens.filter(revoked_at__isnull=True):
        agents.revoke_enrolment_token(token.public_id, by=by)
    _token, secret = agents.make_enrolment_token(
        by=by, site_id=site.pk, label=LABEL, days=VALID_DAYS
    )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, f"{secret}\n")
    return True
