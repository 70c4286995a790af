/* <row-list topic="tickets" url="/tickets/rows">: a list that stays true without moving.

   Inside lies one element with `data-rows` (a <tbody>); its rows carry `data-id`, an element id, and
   a link. `url` answers twice: with `?ids=…` one `<template>` for each matching row, holding the row
   with `hx-swap-oob="morph"` (and others for counts, and a <title>, if they change too); without `ids` what belongs inside `data-rows`. The filter in the
   page's address is sent along, so that the server decides which rows belong to this list.

   Rows on screen change in place. A row that no longer belongs is dimmed. New rows wait behind the
   button `data-new-rows`, unless the list is idle and at its top. Keys: J, K, X; Enter follows. */
import { BEFORE_SWAP, fetchInto } from "./htmx-events.js";
import { keysAreOn } from "./keys.js";
import { wantTopic } from "./live-channel.js";
import { say } from "./words.js";

const LEAST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 900;
const MOST_IDS = 50;
const IDLE_MS = 5000;
const TOP_PX = 4;

class RowList extends HTMLElement {
  connectedCallback() {
    this.waiting = new Set();
    this.fresh = new Set();
    this.asked = [];
    this.touchedAt = 0;
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    const topic = this.getAttribute("topic");
    wantTopic(topic);
    document.addEventListener(`live:${topic}`, (event) => this.hinted(event.detail.ids), { signal });
    document.addEventListener("live:resync", () => this.resync(), { signal });
    document.addEventListener("keydown", (event) => this.key(event), { signal });
    for (const kind of ["pointermove", "pointerdown", "wheel", "keydown"]) {
      this.addEventListener(kind, () => (this.touchedAt = Date.now()), { signal, passive: true });
    }
    this.addEventListener(BEFORE_SWAP, (event) => this.beforeSwap(event), { signal });
    this.addEventListener("change", (event) => this.checked(event.target), { signal });
    this.addEventListener("click", (event) => this.clicked(event), { signal });
  }

  disconnectedCallback() {
    this.listeners.abort();
    clearTimeout(this.timer);
    this.timer = 0;
  }

  get rows() {
    return [...this.querySelectorAll("[data-rows] [data-id]")];
  }

  row(id) {
    return this.querySelector(`[data-rows] [data-id="${CSS.escape(id)}"]`);
  }

  hinted(ids) {
    for (const id of ids) this.waiting.add(id);
    this.later();
  }

  resync() {
    for (const row of this.rows) this.waiting.add(row.dataset.id);
    this.later();
  }

  later() {
    if (this.timer) return;
    const wait = LEAST_WAIT_MS + Math.random() * (LONGEST_WAIT_MS - LEAST_WAIT_MS);
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.ask();
    }, wait);
  }

  address(extra) {
    const url = new URL(this.getAttribute("url"), location.href);
    for (const [name, value] of new URLSearchParams(location.search)) url.searchParams.append(name, value);
    for (const [name, value] of Object.entries(extra)) url.searchParams.set(name, value);
    return url.pathname + url.search;
  }

  async ask() {
    const ids = [...this.waiting];
    this.waiting.clear();
    if (!ids.length) return this.reload();
    if (ids.length > MOST_IDS) return this.reload();
    this.asked = ids;
    await fetchInto(this.address({ ids: ids.join(",") }), this, "none");
    if (this.waiting.size) this.later();
  }

  /* The answer to `ids`: known rows go on to htmx, new ones wait. */
  beforeSwap(event) {
    if (event.detail.target !== this || !this.asked.length) return;
    const answer = document.createElement("template");
    answer.innerHTML = event.detail.serverResponse;
    const came = new Set();
    let wanted = answer.content.querySelector("title")?.outerHTML ?? "";
    for (const holder of answer.content.querySelectorAll("template")) {
      const row = holder.content.querySelector("[data-id]");
      if (!row) {
        wanted += holder.outerHTML; // what changes with the rows: counts
        continue;
      }
      came.add(row.dataset.id);
      const present = this.row(row.dataset.id);
      if (!present) {
        this.fresh.add(row.dataset.id);
        continue;
      }
      this.keepReaderState(present, row);
      wanted += holder.outerHTML;
    }
    for (const id of this.asked) {
      if (came.has(id)) continue;
      this.row(id)?.classList.add("is-gone");
      this.fresh.delete(id);
    }
    this.asked = [];
    event.detail.serverResponse = wanted;
    this.offerFresh();
  }

  keepReaderState(present, coming) {
    for (const name of ["aria-current"]) {
      if (present.hasAttribute(name)) coming.setAttribute(name, present.getAttribute(name));
    }
    const box = coming.querySelector('input[type="checkbox"]');
    if (box && present.querySelector('input[type="checkbox"]')?.checked) {
      box.setAttribute("checked", "");
      coming.classList.add("is-checked");
    }
  }

  offerFresh() {
    if (this.fresh.size && this.isIdleAtTop()) return void this.reload();
    const button = this.querySelector("[data-new-rows]");
    if (!button) return;
    button.hidden = this.fresh.size === 0;
    const text = button.querySelector("span") || button;
    if (this.fresh.size) text.textContent = say("newRows", { n: this.fresh.size });
  }

  isIdleAtTop() {
    const scroller = this.querySelector("[data-rows]")?.closest(".scroll");
    const atTop = !scroller || scroller.scrollTop <= TOP_PX;
    const picked = this.querySelector("[data-rows] input:checked, [data-rows] :focus");
    return atTop && !picked && Date.now() - this.touchedAt > IDLE_MS;
  }

  async reload() {
    const body = this.querySelector("[data-rows]");
    if (!body) return;
    await fetchInto(this.address({}), body, "morph:innerHTML");
    this.fresh.clear();
    this.offerFresh();
  }

  clicked(event) {
    if (event.target.closest("[data-new-rows]")) this.reload();
  }

  checked(box) {
    if (box.matches?.('[data-rows] input[type="checkbox"]')) {
      box.closest("[data-id]")?.classList.toggle("is-checked", box.checked);
    }
  }

  key(event) {
    if (!keysAreOn(event)) return;
    const name = event.key.toLowerCase();
    if (name === "j" || name === "k") {
      event.preventDefault();
      this.move(name === "j" ? 1 : -1);
    } else if (name === "x") {
      const box = this.currentRow()?.querySelector('input[type="checkbox"]');
      if (box) {
        event.preventDefault();
        box.click();
      }
    }
  }

  currentRow() {
    return document.activeElement?.closest?.("[data-rows] [data-id]") || null;
  }

  move(step) {
    const rows = this.rows;
    if (!rows.length) return;
    const from = rows.indexOf(this.currentRow() || this.querySelector('[data-rows] [aria-current="true"]'));
    const next = rows[from < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(from + step, 0), rows.length - 1)];
    const link = next.querySelector("a[href]") || next;
    link.focus({ focusVisible: true });
    next.scrollIntoView({ block: "nearest" });
  }
}

customElements.define("row-list", RowList);
