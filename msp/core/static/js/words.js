/* The few words scripts write themselves, in the reader's language, from <meta name="ui-words">. */
const words = JSON.parse(document.querySelector('meta[name="ui-words"]')?.content || "{}");

/** Return the sentence for a key with its {names} filled in. */
export function say(key, values = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** Return minutes as words, as `duration_minutes(days=True)` does on the server. */
export function minutesInWords(total) {
  if (total < 60) return `${total} ${say("min")}`;
  let hours = Math.floor(total / 60);
  const rest = total % 60;
  if (hours >= 24) {
    const days = Math.floor(hours / 24);
    hours %= 24;
    return hours ? `${days} ${say("d")} ${hours} ${say("h")}` : `${days} ${say("d")}`;
  }
  return rest ? `${hours} ${say("h")} ${String(rest).padStart(2, "0")} ${say("min")}` : `${hours} ${say("h")}`;
}
