/* Colours and row height, chosen per browser. A classic script in the head, so that the page is
   never drawn once in the wrong colours; it also wires the switches of the account menu. */
(() => {
  const root = document.documentElement;
  const kinds = {
    theme: { key: "msp.theme", values: ["light", "dark"], fallback: "system" },
    density: { key: "msp.density", values: ["compact"], fallback: "roomy" },
  };

  function read(kind) {
    try {
      return localStorage.getItem(kinds[kind].key) || kinds[kind].fallback;
    } catch {
      return kinds[kind].fallback; // storage may be switched off
    }
  }

  function apply(kind, value) {
    if (kinds[kind].values.includes(value)) root.dataset[kind] = value;
    else delete root.dataset[kind];
    for (const button of document.querySelectorAll(`[data-${kind}-set]`)) {
      button.setAttribute("aria-pressed", String(button.dataset[`${kind}Set`] === value));
    }
  }

  function choose(kind, value) {
    try {
      localStorage.setItem(kinds[kind].key, value);
    } catch {
      /* then it holds for this page only */
    }
    apply(kind, value);
  }

  root.classList.add("js");
  for (const kind of Object.keys(kinds)) apply(kind, read(kind));
  document.addEventListener("DOMContentLoaded", () => {
    for (const kind of Object.keys(kinds)) apply(kind, read(kind));
  });
  document.addEventListener("click", (event) => {
    for (const kind of Object.keys(kinds)) {
      const button = event.target.closest?.(`[data-${kind}-set]`);
      if (button) choose(kind, button.dataset[`${kind}Set`]);
    }
  });
  // Another tab changed it.
  addEventListener("storage", (event) => {
    for (const kind of Object.keys(kinds)) if (event.key === kinds[kind].key) apply(kind, read(kind));
  });
})();
