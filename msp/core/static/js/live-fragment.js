/* <live-fragment topic="tickets" ids="PUBLIC-ID" url="/tickets/42/thread">: a part of a page that
   fetches itself when a hint names one of its ids, and after a gap. Without `ids` every hint counts. */
import { fetchInto } from "./htmx-events.js";
import { wantTopic } from "./live-channel.js";

const LEAST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 900;

class LiveFragment extends HTMLElement {
  connectedCallback() {
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    const topic = this.getAttribute("topic");
    wantTopic(topic);
    document.addEventListener(`live:${topic}`, (event) => this.hinted(event.detail.ids), { signal });
    document.addEventListener("live:resync", () => this.later(), { signal });
  }

  disconnectedCallback() {
    this.listeners.abort();
    clearTimeout(this.timer);
    this.timer = 0;
  }

  hinted(ids) {
    const own = (this.getAttribute("ids") || "").split(/[\s,]+/).filter(Boolean);
    if (!own.length || ids.some((id) => own.includes(id))) this.later();
  }

  later() {
    if (this.timer) return;
    const wait = LEAST_WAIT_MS + Math.random() * (LONGEST_WAIT_MS - LEAST_WAIT_MS);
    this.timer = setTimeout(() => {
      this.timer = 0;
      fetchInto(this.getAttribute("url"), this, "morph:innerHTML");
    }, wait);
  }
}

customElements.define("live-fragment", LiveFragment);
