/* <live-channel topics="tickets alerts">: the one WebSocket of a tab.

   The server sends hints, never data. A hint becomes the event `live:<topic>` on the document, with
   `detail.ids`; after a gap `live:resync` says that anything may have changed. A hidden tab ignores
   hints and asks once when it is shown again. After three failures the page polls by resync. */
import { say } from "./words.js";

const PATH = "/ws/live/";
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 60_000;
const JITTER = 0.3;
const FAILURES_BEFORE_POLLING = 3;
const POLL_MS = 20_000;
const PING_MS = 25_000;
const CLOSE_RESTART = 1012;
const CLOSE_SIGNED_OUT = 4401;

const topics = new Set();
let channel = null;

/** Ask for hints about a topic, on whatever channel this page has or will have. */
export function wantTopic(topic) {
  if (!topic || topics.has(topic)) return;
  topics.add(topic);
  channel?.subscribe([topic]);
}

function emit(name, detail = {}) {
  document.dispatchEvent(new CustomEvent(`live:${name}`, { detail }));
}

class LiveChannel extends HTMLElement {
  connectedCallback() {
    channel = this;
    this.failures = 0;
    this.lost = false; // a gap lies behind us: resync when the channel is back
    this.missed = false; // hints came while the tab was hidden
    for (const topic of (this.getAttribute("topics") || "").split(/\s+/)) if (topic) topics.add(topic);
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    document.addEventListener("visibilitychange", () => this.shown(), { signal });
    addEventListener("online", () => this.connect(), { signal });
    addEventListener("offline", () => this.show("offline"), { signal });
    addEventListener("pagehide", () => this.close(), { signal });
    addEventListener("pageshow", (event) => event.persisted && this.connect(), { signal });
    this.connect();
  }

  disconnectedCallback() {
    this.listeners.abort();
    this.close();
    if (channel === this) channel = null;
  }

  connect() {
    clearTimeout(this.retry);
    if (this.socket && this.socket.readyState <= WebSocket.OPEN) return;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${PATH}`);
    this.socket = socket;
    socket.addEventListener("open", () => this.opened(socket));
    socket.addEventListener("message", (event) => this.received(event.data));
    socket.addEventListener("close", (event) => this.closed(socket, event.code));
  }

  close() {
    clearTimeout(this.retry);
    clearInterval(this.poll);
    clearInterval(this.ping);
    const socket = this.socket;
    this.socket = null; // so that `closed` knows this was wanted
    socket?.close(1000);
  }

  opened(socket) {
    if (socket !== this.socket) return;
    this.failures = 0;
    clearInterval(this.poll);
    this.poll = 0;
    this.subscribe([...topics]);
    clearInterval(this.ping);
    this.ping = setInterval(() => this.send({ t: "ping" }), PING_MS);
    this.show("live");
    if (this.lost) this.resync();
    this.lost = false;
  }

  subscribe(wanted) {
    if (wanted.length) this.send({ t: "sub", topics: wanted });
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  received(data) {
    const message = JSON.parse(data);
    if (message.t === "hint") {
      if (document.hidden) this.missed = true;
      else emit(message.topic, { ids: message.ids.map(String), v: message.v });
    } else if (message.t === "restart") {
      this.restarting = true;
    }
  }

  closed(socket, code) {
    if (socket !== this.socket) return;
    clearInterval(this.ping);
    this.lost = true;
    if (code === CLOSE_SIGNED_OUT) {
      this.show("offline");
      emit("signed-out");
      return;
    }
    this.failures += 1;
    this.show(navigator.onLine === false ? "offline" : "reconnecting");
    if (this.failures >= FAILURES_BEFORE_POLLING && !this.poll) {
      this.show("offline");
      this.poll = setInterval(() => this.resync(), POLL_MS);
    }
    this.retry = setTimeout(() => this.connect(), this.wait(code));
  }

  wait(code) {
    if (code === CLOSE_RESTART || this.restarting) {
      this.restarting = false;
      return 1000 + Math.random() * 9000; // not everybody at once after a restart
    }
    const base = Math.min(FIRST_WAIT_MS * 2 ** (this.failures - 1), LONGEST_WAIT_MS);
    return base * (1 - JITTER + Math.random() * 2 * JITTER);
  }

  resync() {
    if (document.hidden) this.missed = true;
    else emit("resync");
  }

  shown() {
    if (document.hidden) return;
    if (this.missed) {
      this.missed = false;
      emit("resync");
    }
    this.connect();
  }

  show(state) {
    if (this.dataset.state === state) return;
    this.dataset.state = state;
    this.textContent = say(state);
  }
}

customElements.define("live-channel", LiveChannel);
