"""Rows of one client stay with it; posted documents add up and never change."""

from django.db import migrations

from msp.core.ddl import append_only, composite_fk

#: What may still happen to a posted document: its PDF is made, once.
AFTER_POSTING = "{pdf_id,pdf_problem,pdf_tried_at}"

GUARDS = migrations.RunSQL(
    """
    -- A document is born a draft, adds up when it is posted, and never changes after that.
    -- Arguments: the table of its lines, their column for it, what may change after posting.
    CREATE FUNCTION billing_guard_document() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        free text[] := TG_ARGV[2]::text[];
        lines bigint;
        rates bigint;
        net numeric;
        tax numeric;
    BEGIN
        IF TG_OP = 'INSERT' THEN
            IF NEW.state = 'posted' THEN
                RAISE EXCEPTION '% is born a draft', TG_TABLE_NAME
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        END IF;
        IF OLD.state = 'posted' THEN
            IF TG_OP = 'UPDATE' AND (to_jsonb(NEW) - free) = (to_jsonb(OLD) - free)
               AND (OLD.pdf_id IS NULL OR NEW.pdf_id = OLD.pdf_id) THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION '% % is posted: % refused', TG_TABLE_NAME, OLD.number, TG_OP
                USING ERRCODE = 'restrict_violation';
        END IF;
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        IF NEW.state = 'posted' THEN
            EXECUTE format(
                'SELECT count(*), count(DISTINCT tax_ratio), coalesce(sum(amount), 0), '
                'coalesce(sum(amount * tax_ratio), 0) FROM %I WHERE %I = $1',
                TG_ARGV[0], TG_ARGV[1]
            ) INTO lines, rates, net, tax USING NEW.id;
            IF lines = 0 THEN
                RAISE EXCEPTION '% has no lines', TG_TABLE_NAME USING ERRCODE = 'check_violation';
            END IF;
            IF net <> NEW.net OR NEW.net + NEW.tax <> NEW.total THEN
                RAISE EXCEPTION '% does not add up: lines %, net %, tax %, total %',
                    TG_TABLE_NAME, net, NEW.net, NEW.tax, NEW.total
                    USING ERRCODE = 'check_violation';
            END IF;
            -- Tax is rounded once for each rate, so it is off by half a smallest unit at most.
            IF abs(tax - NEW.tax) > 0.5 * rates * power(10::numeric, -NEW.currency_places) THEN
                RAISE EXCEPTION '% has a wrong tax: % where the lines say %',
                    TG_TABLE_NAME, NEW.tax, tax USING ERRCODE = 'check_violation';
            END IF;
        END IF;
        RETURN NEW;
    END $$;

    -- Lines join a document only while it is a draft. Arguments: the document's table, the column.
    CREATE FUNCTION billing_guard_line() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        parent bigint := (to_jsonb(NEW) ->> TG_ARGV[1])::bigint;
        state text;
    BEGIN
        -- The lock waits for a posting under way, and lets none begin before this line is there.
        EXECUTE format('SELECT state FROM %I WHERE id = $1 FOR SHARE', TG_ARGV[0])
            INTO state USING parent;
        IF state = 'posted' THEN
            RAISE EXCEPTION '% %: posted, no line is added', TG_ARGV[0], parent
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$;

    -- No invoice line is given back more than once over, whoever credits at the same time.
    CREATE FUNCTION billing_guard_credit() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        owed numeric;
        given numeric;
        line_invoice bigint;
        note_invoice bigint;
    BEGIN
        SELECT invoice_id, amount INTO line_invoice, owed
            FROM billing_invoiceline WHERE id = NEW.invoice_line_id;
        SELECT invoice_id INTO note_invoice
            FROM billing_creditnote WHERE id = NEW.credit_note_id;
        IF line_invoice <> note_invoice THEN
            RAISE EXCEPTION 'a credit note gives back lines of its own invoice'
                USING ERRCODE = 'check_violation';
        END IF;
        PERFORM 1 FROM billing_invoice WHERE id = line_invoice FOR UPDATE;
        SELECT coalesce(sum(amount), 0) INTO given
            FROM billing_creditnoteline WHERE invoice_line_id = NEW.invoice_line_id;
        IF given + NEW.amount > owed THEN
            RAISE EXCEPTION 'line % is worth %, % was given back, % more is too much',
                NEW.invoice_line_id, owed, given, NEW.amount USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END $$;

    -- What an invoice has been made of stays as it was.
    CREATE FUNCTION billing_guard_draft_line() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.state = 'invoiced' THEN
            RAISE EXCEPTION 'draft line % is invoiced: % refused', OLD.id, TG_OP
                USING ERRCODE = 'restrict_violation';
        END IF;
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        RETURN NEW;
    END $$;
    """,
    """
    DROP FUNCTION billing_guard_draft_line();
    DROP FUNCTION billing_guard_credit();
    DROP FUNCTION billing_guard_line();
    DROP FUNCTION billing_guard_document();
    """,
)


def guard_document(table: str, lines: str, column: str) -> migrations.RunSQL:
    """Freeze a document once it is posted, and its lines from the beginning."""
    return migrations.RunSQL(
        f"""
        CREATE TRIGGER "{table}_guard" BEFORE INSERT OR UPDATE OR DELETE ON "{table}"
            FOR EACH ROW EXECUTE FUNCTION
            billing_guard_document('{lines}', '{column}', '{AFTER_POSTING}');
        CREATE TRIGGER "{table}_no_truncate" BEFORE TRUNCATE ON "{table}"
            FOR EACH STATEMENT EXECUTE FUNCTION msp_refuse_truncate();
        CREATE TRIGGER "{lines}_guard" BEFORE INSERT ON "{lines}"
            FOR EACH ROW EXECUTE FUNCTION billing_guard_line('{table}', '{column}');
        """,
        f"""
        DROP TRIGGER "{lines}_guard" ON "{lines}";
        DROP TRIGGER "{table}_no_truncate" ON "{table}";
        DROP TRIGGER "{table}_guard" ON "{table}";
        """,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0001_prices_lines_and_invoices"),
        ("clients", "0002_same_client_and_append_only"),
        ("core", "0002_append_only_and_roles"),
        ("tickets", "0002_same_client_and_append_only"),
    ]

    operations = [
        composite_fk("billing_contractline", "contract_id", "clients_contract"),
        composite_fk("billing_draftline", "contract_id", "clients_contract"),
        composite_fk("billing_draftline", "contract_line_id", "billing_contractline"),
        composite_fk("billing_draftline", "time_entry_id", "tickets_timeentry"),
        composite_fk("billing_draftline", "invoice_id", "billing_invoice"),
        composite_fk("billing_invoiceline", "invoice_id", "billing_invoice"),
        composite_fk("billing_invoiceline", "draft_line_id", "billing_draftline"),
        composite_fk("billing_creditnote", "invoice_id", "billing_invoice"),
        composite_fk("billing_creditnoteline", "credit_note_id", "billing_creditnote"),
        composite_fk("billing_creditnoteline", "invoice_line_id", "billing_invoiceline"),
        append_only("billing_priceversion", columns_that_may_change=["withdrawn_at"]),
        append_only("billing_clientprice", columns_that_may_change=["ends_on", "withdrawn_at"]),
        append_only("billing_contractline", columns_that_may_change=["ends_on", "withdrawn_at"]),
        append_only("billing_invoiceline"),
        append_only("billing_creditnoteline"),
        GUARDS,
        guard_document("billing_invoice", "billing_invoiceline", "invoice_id"),
        guard_document("billing_creditnote", "billing_creditnoteline", "credit_note_id"),
        migrations.RunSQL(
            """
            CREATE TRIGGER billing_creditnoteline_limit BEFORE INSERT ON billing_creditnoteline
                FOR EACH ROW EXECUTE FUNCTION billing_guard_credit();
            CREATE TRIGGER billing_draftline_guard BEFORE UPDATE OR DELETE ON billing_draftline
                FOR EACH ROW EXECUTE FUNCTION billing_guard_draft_line();
            """,
            """
            DROP TRIGGER billing_draftline_guard ON billing_draftline;
            DROP TRIGGER billing_creditnoteline_limit ON billing_creditnoteline;
            """,
        ),
    ]
