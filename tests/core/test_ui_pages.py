"""The frame around pages: gallery, areas, error pages; none of it asks the database."""

from __future__ import annotations

import gzip
import json
import re
import uuid
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache.backends.locmem import LocMemCache
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.test import Client, RequestFactory, override_settings
from django.utils import translation

from msp.core import context, nav
from msp.core.enums import UserKind
from msp.core.models import User
from msp.core.models.users import LiveGrant
from msp.core.views.gallery import gallery
from tests.factories.core import PASSWORD


def person(kind: str = UserKind.STAFF, *permissions: str) -> User:
    """Return somebody who never was in a database, with these permissions for every client."""
    user = User(pk=7, email="ines@msp.example", name="Ines <Calder>", kind=kind)
    user.__dict__["_live_grants"] = [LiveGrant("all", frozenset(), frozenset(permissions))]
    return user


def asked(path: str = "/", user: User | None = None) -> HttpRequest:
    request = RequestFactory().get(path)
    if user is not None:
        request.user = user
    return request


@pytest.fixture
def own_areas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start from no areas at all."""
    for name in ("_areas", "_actions", "_portal_areas"):
        monkeypatch.setattr(nav, name, {})
    # A cache of its own: the real one is shared with tests that run beside this one.
    monkeypatch.setattr(nav, "cache", LocMemCache(uuid.uuid4().hex, {}))


def test_the_gallery_renders_every_part_and_leaves_no_template_syntax(own_areas: None) -> None:
    answer = gallery(asked("/ui/", person()))
    page = answer.content.decode()
    assert answer.status_code == 200
    assert re.findall(r"\{%|%\}|\{\{|\}\}", page) == []
    for part in ("<sla-badge", "btn pri", "<dialog", "ev note", 'class="plot"', "<reply-composer"):
        assert part in page


def test_ids_in_the_gallery_are_unique(own_areas: None) -> None:
    page = gallery(asked("/ui/", person())).content.decode()
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


class _Balance(HTMLParser):
    VOID = {"meta", "link", "input", "br", "hr", "img", "use", "rect", "path", "circle"}

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


def test_the_gallery_closes_what_it_opens(own_areas: None) -> None:
    balance = _Balance()
    balance.feed(gallery(asked("/ui/", person())).content.decode())
    assert balance.faults == []
    assert balance.open == []


def test_the_page_carries_the_token_for_htmx_and_its_settings(own_areas: None) -> None:
    page = gallery(asked("/ui/", person())).content.decode()
    assert re.search(r"hx-headers='\{\"X-CSRFToken\": \"\w{20,}\"\}'", page)
    config = json.loads(re.search(r"name=\"htmx-config\" content='([^']+)'", page)[1])  # type: ignore[index]
    assert config["allowEval"] is False
    assert config["includeIndicatorStyles"] is False
    assert config["selfRequestsOnly"] is True
    codes = {entry["code"]: entry["swap"] for entry in config["responseHandling"]}
    assert codes["422"] is True
    assert codes["204"] is False


def test_areas_mark_the_current_one_by_the_longest_address(own_areas: None) -> None:
    nav.register_area("ui", "Gallery", "shapes", "core:gallery", 2)
    nav.register_area("ops", "Operations", "wrench", "core:operations", 1)
    shell = context.Shell(asked("/ui/deeper/", person()))
    assert [(area.key, area.current) for area in shell.areas] == [("ops", False), ("ui", True)]


def test_areas_are_hidden_without_the_permission(own_areas: None) -> None:
    nav.register_area("ui", "Gallery", "shapes", "core:gallery", 1, permission="billing.view")
    assert context.Shell(asked("/", person())).areas == []
    assert len(context.Shell(asked("/", person("staff", "billing.view"))).areas) == 1


def test_strangers_and_portal_users_get_no_areas(own_areas: None) -> None:
    nav.register_area("ui", "Gallery", "shapes", "core:gallery", 1)
    nav.register_action("new", "New", "plus", "core:gallery", 1)
    assert context.Shell(asked("/")).areas == []
    portal = context.Shell(asked("/", person(UserKind.PORTAL)))
    assert portal.areas == []
    assert portal.actions == []


def test_staff_get_no_portal_areas(own_areas: None) -> None:
    nav.register_portal_area("home", "Home", "core:gallery", 1)
    assert context.Shell(asked("/", person())).portal_areas == []
    assert len(context.Shell(asked("/", person(UserKind.PORTAL))).portal_areas) == 1


def test_a_failing_count_leaves_the_page_alone(own_areas: None) -> None:
    def broken(user: User) -> int:
        raise RuntimeError("no")

    nav.register_area("ui", "Gallery", "shapes", "core:gallery", 1, count=broken)
    assert context.Shell(asked("/", person())).areas[0].count is None


def test_a_count_is_asked_once_for_a_few_seconds(own_areas: None) -> None:
    asked_for: list[int] = []

    def count(user: User) -> int:
        asked_for.append(user.pk)
        return 8

    nav.register_area("ui", "Gallery", "shapes", "core:gallery", 1, count=count)
    for _ in range(3):
        assert context.Shell(asked("/", person())).areas[0].count == 8
    assert asked_for == [7]


def test_an_area_without_an_address_is_refused_at_start(own_areas: None) -> None:
    nav.register_area("gone", "Gone", "x", "core:no-such-page", 1)
    with pytest.raises(ImproperlyConfigured, match="gone"):
        nav.verify_areas()


def test_every_registered_area_has_an_address() -> None:
    nav.verify_areas()


def test_the_name_of_the_person_is_escaped_in_the_frame(own_areas: None) -> None:
    page = gallery(asked("/ui/", person())).content.decode()
    assert "<Calder>" not in page
    assert "Ines &lt;Calder&gt;" in page


def test_live_mark_is_drawn_for_staff_only(own_areas: None) -> None:
    assert "<live-channel" in render_to_string("base.html", {}, asked("/", person()))
    assert "<live-channel" not in render_to_string("base.html", {}, asked("/", person("portal")))


def test_the_portal_loads_no_htmx_and_no_socket(own_areas: None) -> None:
    page = render_to_string("portal/base.html", {}, asked("/portal/", person(UserKind.PORTAL)))
    assert "htmx.min.js" not in page
    assert "live-channel" not in page
    assert "data-portal" in page


def test_script_words_are_complete_json() -> None:
    words = json.loads(context.Shell(asked("/")).words_json)
    assert words["left"] == "{time} left"
    assert all(isinstance(value, str) and value for value in words.values())


@pytest.mark.parametrize("template", ["403.html", "404.html", "500.html"])
def test_error_pages_are_the_same_bytes_whoever_asks(template: str, own_areas: None) -> None:
    with translation.override("en"):
        pages = {
            render_to_string(template, {}, asked("/tickets/1/", person())),
            render_to_string(template, {}, asked("/nothing/", person(UserKind.PORTAL))),
            render_to_string(template, {}),
        }
    assert len(pages) == 1
    page = pages.pop()
    assert "csrf" not in page.lower()
    assert "Ines" not in page
    assert re.findall(r"\{%|\{\{", page) == []


@pytest.mark.django_db
def test_sign_in_takes_the_right_password_and_says_what_is_wrong(
    client: Client, technician: User
) -> None:
    page = client.get("/accounts/login/").content.decode()
    assert 'autocomplete="username"' in page
    assert re.findall(r"\{%|\{\{", page) == []
    wrong = client.post("/accounts/login/", {"login": technician.email, "password": "guess"})
    assert 'role="alert"' in wrong.content.decode()
    right = client.post("/accounts/login/", {"login": technician.email, "password": PASSWORD})
    assert right.status_code == 302
    assert client.session["_auth_user_id"] == str(technician.pk)


@pytest.mark.django_db
def test_signing_out_is_a_post_behind_a_page(client: Client, technician: User) -> None:
    client.force_login(technician)
    page = client.get("/accounts/logout/").content.decode()
    assert 'method="post"' in page
    assert "_auth_user_id" in client.session
    client.post("/accounts/logout/")
    assert "_auth_user_id" not in client.session


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["/accounts/password/change/", "/accounts/reauthenticate/", "/ui/"]
)
def test_pages_of_a_signed_in_person_open(path: str, client: Client, technician: User) -> None:
    client.force_login(technician)
    answer = client.get(path)
    assert answer.status_code == 200
    assert re.findall(r"\{%|\{\{", answer.content.decode()) == []


@pytest.mark.django_db
def test_a_mail_for_a_new_password_leads_to_the_form(
    client: Client, technician: User, mailoutbox: list[Any]
) -> None:
    answer = client.post("/accounts/password/reset/", {"email": technician.email})
    assert answer.status_code == 302
    assert "Look into your mail" in client.get(answer["Location"]).content.decode()
    (mail,) = mailoutbox
    link = re.search(r"https?://[^/]+(/accounts/password/reset/key/\S+)", mail.body)
    assert link is not None
    page = client.get(link[1], follow=True).content.decode()
    assert page.count('autocomplete="new-password"') == 2
    wrong = client.get(f"{link[1][:-6]}xxxxx/", follow=True).content.decode()
    assert "used up" in wrong


@pytest.mark.django_db
def test_the_gallery_asks_the_database_for_the_session_and_the_person_only(
    client: Client, technician: User, django_assert_max_num_queries: Any
) -> None:
    client.force_login(technician)
    with django_assert_max_num_queries(6):
        client.get("/ui/")


def test_hashed_names_reach_modules_styles_and_fonts(tmp_path: Path) -> None:
    hashed = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "msp.core.staticfiles.HashedModulesStorage"},
    }
    with override_settings(STORAGES=hashed, STATIC_ROOT=tmp_path):
        call_command("collectstatic", interactive=False, verbosity=0)
    manifest = json.loads((tmp_path / "staticfiles.json").read_text())["paths"]
    app = (tmp_path / manifest["js/app.js"]).read_text()
    assert Path(manifest["js/row-list.js"]).name in app
    assert '"./row-list.js"' not in app
    tokens = (tmp_path / manifest["css/tokens.css"]).read_text()
    assert Path(manifest["fonts/inter-latin.woff2"]).name in tokens


@pytest.mark.parametrize(("kind", "most_kb"), [("css", 25), ("js", 25)])
def test_styles_and_scripts_fit_their_budget(kind: str, most_kb: int) -> None:
    files = (settings.BASE_DIR / "msp/core/static" / kind).glob(f"*.{kind}")
    total = sum(len(gzip.compress(path.read_bytes())) for path in files)
    assert 0 < total < most_kb * 1024
