/* <reply-composer draft="ticket-42">: around the form that answers.

   Ctrl Enter sends, Esc leaves the text (it is kept), so that single keys work again. What is typed is kept in this browser and comes back after reload or crash; it
   is dropped when the server has taken it. Works for a plain form as well as for one with hx-post:
   a plain one is marked as sent, and the next page that has no text of its own drops the draft. */
import { AFTER_REQUEST } from "./htmx-events.js";
import { say } from "./words.js";

const SAVE_MS = 400;

class ReplyComposer extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form") || this.closest("form");
    this.text = this.querySelector("textarea");
    if (!this.form || !this.text) return;
    this.key = `msp.draft.${this.getAttribute("draft")}`;
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    this.text.addEventListener("input", () => this.saveSoon(), { signal });
    this.text.addEventListener("keydown", (event) => this.keydown(event), { signal });
    this.form.addEventListener("submit", () => this.sending(), { signal });
    this.form.addEventListener(AFTER_REQUEST, (event) => this.answered(event), { signal });
    addEventListener("pagehide", () => this.save(), { signal });
    this.restore();
  }

  disconnectedCallback() {
    this.listeners?.abort();
    clearTimeout(this.timer);
  }

  keydown(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.form.requestSubmit(this.form.querySelector("[data-default-send]") || undefined);
    } else if (event.key === "Escape" && !event.isComposing) {
      this.save();
      this.text.blur();
    }
  }

  read() {
    try {
      return JSON.parse(localStorage.getItem(this.key) || "null");
    } catch {
      return null;
    }
  }

  write(value) {
    try {
      if (value === null) localStorage.removeItem(this.key);
      else localStorage.setItem(this.key, JSON.stringify(value));
    } catch {
      /* storage is full or off: the text stays on the page only */
    }
  }

  restore() {
    const kept = this.read();
    if (!kept) return;
    if (kept.sent && !this.text.value && !this.hasAttribute("data-refused")) return this.write(null);
    if (!this.text.value && kept.text) {
      this.text.value = kept.text;
      this.mark();
    }
  }

  saveSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), SAVE_MS);
  }

  save() {
    clearTimeout(this.timer);
    if (this.isSending) return;
    const text = this.text.value;
    this.write(text.trim() ? { text } : null);
    if (text.trim()) this.mark();
  }

  sending() {
    clearTimeout(this.timer);
    this.isSending = true;
    this.write({ text: this.text.value, sent: true });
  }

  answered(event) {
    if (event.detail.elt !== this.form) return;
    this.isSending = false;
    const status = event.detail.xhr.status;
    if (status >= 200 && status < 400) {
      this.write(null);
      this.text.value = "";
      this.mark("");
    } else {
      this.write({ text: this.text.value });
    }
  }

  mark(words = say("draftSaved")) {
    const place = this.querySelector("[data-draft-state]");
    if (place) place.textContent = words;
  }
}

customElements.define("reply-composer", ReplyComposer);
