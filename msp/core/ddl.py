"""What Django's migrations cannot say: composite foreign keys, append-only tables, partitions.

The helpers return operations without state, so `makemigrations --check` stays clean.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import migrations


def composite_fk(
    table: str,
    column: str,
    parent: str,
    *,
    client_column: str = "client_id",
    parent_client: str = "client_id",
) -> migrations.RunSQL:
    """Tie `(client_id, column)` to the parent's `(client_id, id)`: raw SQL cannot cross clients.

    NOT DEFERRABLE: a deferrable key raises only at commit, far from the mistake. A NULL column is
    free, as with any foreign key.
    """
    name = f"{table}_{column}_same_client"[:63]
    return migrations.RunSQL(
        f'ALTER TABLE "{table}" ADD CONSTRAINT "{name}" '
        f'FOREIGN KEY ("{client_column}", "{column}") '
        f'REFERENCES "{parent}" ("{parent_client}", id) NOT DEFERRABLE',
        f'ALTER TABLE "{table}" DROP CONSTRAINT "{name}"',
    )


def append_only(table: str, *, columns_that_may_change: Sequence[str] = ()) -> migrations.RunSQL:
    """Refuse UPDATE, DELETE and TRUNCATE on a table by triggers.

    `columns_that_may_change` are left open to UPDATE (a seal, a sent mark). Transactional tests
    flush by TRUNCATE: `tests/conftest.py` drops triggers named `*_no_truncate` from its databases.
    """
    frozen = "{" + ",".join(columns_that_may_change) + "}"
    return migrations.RunSQL(
        f'CREATE TRIGGER "{table}_no_change" BEFORE UPDATE OR DELETE ON "{table}" '
        f"FOR EACH ROW EXECUTE FUNCTION msp_refuse_change('{frozen}');"
        f'CREATE TRIGGER "{table}_no_truncate" BEFORE TRUNCATE ON "{table}" '
        f"FOR EACH STATEMENT EXECUTE FUNCTION msp_refuse_truncate();",
        f'DROP TRIGGER "{table}_no_change" ON "{table}";'
        f'DROP TRIGGER "{table}_no_truncate" ON "{table}";',
    )


#: Shared by all append-only tables; made by core's second migration.
REFUSE_FUNCTIONS = migrations.RunSQL(
    """
    CREATE FUNCTION msp_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        free text[] := TG_ARGV[0]::text[];
    BEGIN
        IF TG_OP = 'UPDATE' AND (to_jsonb(NEW) - free) = (to_jsonb(OLD) - free) THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION '% rows are only added: % refused', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'restrict_violation';
    END $$;
    CREATE FUNCTION msp_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% rows are only added: TRUNCATE refused', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END $$;
    """,
    "DROP FUNCTION msp_refuse_truncate(); DROP FUNCTION msp_refuse_change();",
)
