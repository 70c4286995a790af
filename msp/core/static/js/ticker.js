/* One timer for everything that counts, on the server's time. */
const serverAtLoad = Number(document.querySelector('meta[name="server-time"]')?.content) || Date.now();
const offset = serverAtLoad - Date.now();
const TICK_MS = 1000;
const subscribers = new Set();
let timer = 0;

/** Return the server's time in milliseconds since the epoch. */
export function serverNow() {
  return Date.now() + offset;
}

function tick() {
  const now = serverNow();
  for (const callback of subscribers) callback(now);
}

function update() {
  const wanted = subscribers.size > 0 && !document.hidden;
  if (wanted && !timer) {
    tick();
    timer = setInterval(tick, TICK_MS);
  } else if (!wanted && timer) {
    clearInterval(timer);
    timer = 0;
  }
}

/** Call back each second while the page is visible, until the returned function is called. */
export function everySecond(callback) {
  subscribers.add(callback);
  update();
  return () => {
    subscribers.delete(callback);
    update();
  };
}

document.addEventListener("visibilitychange", update);
