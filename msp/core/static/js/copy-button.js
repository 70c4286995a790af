/* <copy-button data-text="…"><button hidden>: copies and says so. */
import { say } from "./words.js";

const SAID_MS = 2000;

class CopyButton extends HTMLElement {
  connectedCallback() {
    const button = this.querySelector("button");
    if (!button) return;
    button.hidden = false;
    button.addEventListener("click", () => this.copy(button));
  }

  async copy(button) {
    const label = button.querySelector("span") || button;
    this.words ??= label.textContent;
    try {
      await navigator.clipboard.writeText(this.dataset.text);
      label.textContent = say("copied");
    } catch {
      label.textContent = say("notCopied"); // no permission, or not a secure address
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (label.textContent = this.words), SAID_MS);
  }
}

customElements.define("copy-button", CopyButton);
