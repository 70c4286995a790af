/* <time data-ago datetime>: keeps "3 min ago" true without asking the server. */
import { everySecond } from "./ticker.js";
import { say } from "./words.js";

const EVERY_MS = 15_000;
let last = 0;

function agoInWords(seconds) {
  const distance = Math.abs(seconds);
  if (distance < 45) return say("justNow");
  const [n, unit] =
    distance < 59.5 * 60
      ? [distance / 60, "min"]
      : distance < 23.5 * 3600
        ? [distance / 3600, "h"]
        : [distance / 86_400, "d"];
  return say(seconds >= 0 ? "ago" : "inTime", { n: Math.max(1, Math.round(n)), unit: say(unit) });
}

export function start() {
  everySecond((now) => {
    if (now - last < EVERY_MS) return;
    last = now;
    for (const element of document.querySelectorAll("time[data-ago]")) {
      const words = agoInWords((now - Date.parse(element.dateTime)) / 1000);
      if (element.textContent !== words) element.textContent = words;
    }
  });
}
