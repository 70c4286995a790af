/* <sla-badge data-state data-due data-fraction>: counts a running promise on, in words and ring.
   The server draws it first; from then on only changed text is written. */
import { everySecond } from "./ticker.js";
import { minutesInWords, say } from "./words.js";

const MINUTE = 60_000;
const SOON = 60 * MINUTE;
const WARN = 30 * MINUTE;
const CLASSES = { running: "", half: "", soon: "soon", warn: "warn", past: "bad" };

function wordsFor(left) {
  if (left < 0) return say("over", { time: minutesInWords(Math.max(1, Math.floor(-left / MINUTE))) });
  const minutes = Math.ceil(left / MINUTE);
  if (minutes <= SOON / MINUTE) return say("left", { time: minutesInWords(minutes) });
  return minutesInWords(minutes);
}

function stateFor(left, fraction) {
  if (left < 0) return "past";
  if (left <= WARN) return "warn";
  if (left <= SOON) return "soon";
  return fraction >= 0.5 ? "half" : "running";
}

class SlaBadge extends HTMLElement {
  static observedAttributes = ["data-due", "data-fraction", "data-state"];

  connectedCallback() {
    this.stop = everySecond((now) => this.draw(now));
  }

  disconnectedCallback() {
    this.stop?.();
  }

  attributeChangedCallback() {
    if (!this.drawing) this.base = null; // the server sent newer figures
  }

  draw(now) {
    const due = Date.parse(this.dataset.due || "");
    if (Number.isNaN(due)) return;
    const fraction = Number(this.dataset.fraction) || 0;
    // The whole promise follows from what was left when this fraction was true.
    this.base ??= { at: now, left: due - now, fraction };
    const left = due - now;
    const used =
      this.base.left > 0
        ? Math.min(1, 1 - (1 - this.base.fraction) * (left / this.base.left))
        : this.base.fraction;
    const state = stateFor(left, used);
    const text = this.querySelector(":scope > span");
    const words = wordsFor(left);
    if (text && text.textContent !== words) text.textContent = words;
    const arc = this.querySelector(".ring circle:last-child");
    const dash = `${Math.round(used * 100)} 100`;
    if (arc && arc.getAttribute("stroke-dasharray") !== dash) arc.setAttribute("stroke-dasharray", dash);
    if (state !== this.dataset.state) {
      this.drawing = true;
      this.dataset.state = state;
      this.drawing = false;
      this.classList.remove("soon", "warn", "bad");
      if (CLASSES[state]) this.classList.add(CLASSES[state]);
    }
  }
}

customElements.define("sla-badge", SlaBadge);
