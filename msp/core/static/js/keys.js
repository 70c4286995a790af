/* Single keys. Any element with `data-key` is pressed by its key ("c", "?"), or by two in a row
   ("g q"); a text field is focused. `?` lists what this page offers. They can be turned off, since
   speech input presses keys by accident (WCAG 2.1.4). */
import { toast } from "./toast.js";
import { say } from "./words.js";

const STORE = "msp.keys";
const PREFIX_MS = 1500;
let prefix = "";
let prefixAt = 0;

function turnedOn() {
  try {
    return localStorage.getItem(STORE) !== "off";
  } catch {
    return true;
  }
}

function isTyping(target) {
  return Boolean(target.closest?.('input:not([type="checkbox"]):not([type="radio"]), textarea, select, [contenteditable]'));
}

/** Return whether a key press is a shortcut: keys on, no modifier, nobody typing, no dialog open. */
export function keysAreOn(event) {
  return (
    !event.defaultPrevented &&
    !event.ctrlKey &&
    !event.metaKey &&
    !event.altKey &&
    !isTyping(event.target) &&
    !document.querySelector("dialog[open]") &&
    turnedOn()
  );
}

function isShown(element) {
  return element.closest("[popover]") || element.checkVisibility?.() !== false;
}

function find(keys) {
  return [...document.querySelectorAll("[data-key]")].find(
    (element) => element.dataset.key.toLowerCase() === keys && isShown(element),
  );
}

function press(element) {
  if (element.matches('[type="radio"], [type="checkbox"]')) {
    element.click();
    // Reply and note are radio buttons: who chose one wants to write.
    element.closest("reply-composer")?.querySelector("textarea")?.focus();
  } else if (element.matches("textarea, select, input")) {
    element.focus();
  } else {
    // Who opens a menu by its key goes on by keyboard: into it, and by Esc back to its button.
    const menu = element.popoverTargetElement;
    if (menu) element.focus();
    element.click();
    if (menu?.matches(":popover-open")) itemsOf(menu)[0]?.focus();
  }
}

function itemsOf(menu) {
  return [...menu.querySelectorAll('a[href], button, input:not([type="hidden"]), select')].filter(isShown);
}

/** Up and down move within an open menu; in a field they keep their own meaning. */
function onArrow(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const menu = step && event.target.closest?.(".menu[popover]");
  if (!menu || event.target.matches("input, select")) return;
  event.preventDefault();
  const items = itemsOf(menu);
  items[(items.indexOf(event.target) + step + items.length) % items.length]?.focus();
}

function onKey(event) {
  if (event.key === "Shift" || !keysAreOn(event)) return;
  const key = event.key.toLowerCase();
  const joined = prefix && Date.now() - prefixAt < PREFIX_MS ? `${prefix} ${key}` : key;
  prefix = "";
  const element = find(joined);
  if (element) {
    event.preventDefault();
    press(element);
  } else if (key === "g") {
    prefix = key;
    prefixAt = Date.now();
  }
}

function nameOf(element) {
  const words = element.dataset.keyLabel || element.getAttribute("aria-label") || element.title;
  if (words) return words;
  const copy = element.cloneNode(true);
  for (const extra of copy.querySelectorAll("kbd, .n, svg")) extra.remove();
  return copy.textContent.trim();
}

function fillHelp() {
  const list = document.querySelector("[data-keys-list]");
  if (!list) return;
  list.replaceChildren();
  const seen = new Set();
  for (const element of document.querySelectorAll("[data-key]")) {
    const key = element.dataset.key;
    if (!key || seen.has(key) || !isShown(element)) continue;
    seen.add(key);
    const term = document.createElement("dt");
    for (const part of key.split(" ")) {
      const cap = document.createElement("kbd");
      cap.textContent = part.toUpperCase();
      term.append(cap);
    }
    const words = document.createElement("dd");
    words.textContent = nameOf(element);
    list.append(term, words);
  }
}

function showToggle() {
  document.querySelector("[data-keys-toggle]")?.setAttribute("aria-pressed", String(turnedOn()));
}

export function start() {
  document.addEventListener("keydown", onKey);
  document.addEventListener("keydown", onArrow);
  document.addEventListener("dialog:open", (event) => {
    if (event.target.id === "keys-help") {
      fillHelp();
      showToggle();
    }
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-keys-toggle]")) return;
    try {
      localStorage.setItem(STORE, turnedOn() ? "off" : "on");
    } catch {
      return;
    }
    showToggle();
    toast(say(turnedOn() ? "keysOn" : "keysOff"));
  });
}

