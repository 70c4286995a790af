/* Short messages at the foot of the screen. Those of the server are there already; a response may
   also carry `HX-Trigger: {"toast": {"text": "…", "tone": "success"}}`. Errors stay until closed. */
import { RESPONSE_ERROR, SEND_ERROR } from "./htmx-events.js";
import { say } from "./words.js";

const SHOWN_MS = 8000;

function leaveLater(element) {
  if (element.classList.contains("error")) return;
  let timer = setTimeout(() => element.remove(), SHOWN_MS);
  const hold = () => clearTimeout(timer);
  const resume = () => (timer = setTimeout(() => element.remove(), SHOWN_MS / 2));
  element.addEventListener("pointerenter", hold);
  element.addEventListener("focusin", hold);
  element.addEventListener("pointerleave", resume);
  element.addEventListener("focusout", resume);
}

/** Show a message. `tone`: "", success, warning, error. */
export function toast(text, tone = "") {
  const region = document.getElementById("toasts");
  const template = document.getElementById("toast-template");
  if (!region || !template) return;
  const element = template.content.firstElementChild.cloneNode(true);
  if (tone) element.classList.add(tone);
  element.querySelector("span").textContent = text;
  region.append(element);
  leaveLater(element);
}

export function start() {
  for (const element of document.querySelectorAll("[data-toast]")) leaveLater(element);
  document.addEventListener("click", (event) => {
    event.target.closest?.("[data-toast-close]")?.closest("[data-toast]")?.remove();
  });
  document.body.addEventListener("toast", (event) => toast(event.detail.text ?? event.detail.value, event.detail.tone));
  document.body.addEventListener(SEND_ERROR, (event) => {
    // A background refresh may fail quietly; the live mark already says that we are offline.
    if (event.detail.requestConfig?.verb !== "get") toast(say("unreachable"), "error");
  });
  document.body.addEventListener(RESPONSE_ERROR, (event) => {
    if (event.detail.requestConfig?.verb === "get") return;
    const id = event.detail.xhr.getResponseHeader("X-Request-Id");
    toast(id ? `${say("refused")} ${say("requestId", { id })}` : say("refused"), "error");
  });
}
