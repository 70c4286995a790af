/* Names of the events of htmx 2, in one place: version 4 renames them. */
export const BEFORE_SWAP = "htmx:beforeSwap";
export const AFTER_SWAP = "htmx:afterSwap";
export const AFTER_SETTLE = "htmx:afterSettle";
export const AFTER_REQUEST = "htmx:afterRequest";
export const RESPONSE_ERROR = "htmx:responseError";
export const SEND_ERROR = "htmx:sendError";

/** Fetch with htmx and resolve when the answer is in place. */
export function fetchInto(url, target, swap) {
  return globalThis.htmx.ajax("GET", url, { source: target, target, swap });
}
