"""What hangs on a ticket is of the ticket's client; thread and ledger are only added to."""

from django.db import migrations

from msp.core.ddl import append_only, composite_fk


def add_counter(apps, schema_editor):
    apps.get_model("tickets", "TicketCounter").objects.get_or_create(name="ticket")


class Migration(migrations.Migration):
    dependencies = [
        ("tickets", "0001_tickets_and_clocks"),
        ("agents", "0002_same_client_and_stored_ranges"),
    ]

    operations = [
        composite_fk("tickets_ticket", "site_id", "clients_site"),
        composite_fk("tickets_ticket", "contact_id", "clients_contact"),
        composite_fk("tickets_ticket", "device_id", "agents_device"),
        composite_fk("tickets_ticket", "contract_id", "clients_contract"),
        composite_fk("tickets_ticket", "parent_id", "tickets_ticket"),
        # `moved_from` alone may cross: moving to another client is a copy with a link.
        composite_fk("tickets_message", "ticket_id", "tickets_ticket"),
        composite_fk("tickets_message", "author_contact_id", "clients_contact"),
        composite_fk("tickets_clockevent", "ticket_id", "tickets_ticket"),
        composite_fk("tickets_clock", "ticket_id", "tickets_ticket"),
        composite_fk("tickets_timeentry", "ticket_id", "tickets_ticket"),
        append_only("tickets_message"),
        append_only("tickets_clockevent"),
        migrations.RunPython(add_counter, migrations.RunPython.noop),
    ]
