/* Buttons with `data-opens="id"` open a <dialog>; focus returns to them when it closes. A dialog
   with `data-open-now` (the server found a fault in its form) opens at once. */

/** Open a dialog by its id. */
export function openDialog(id, from = document.activeElement) {
  const dialog = document.getElementById(id);
  if (!(dialog instanceof HTMLDialogElement) || dialog.open) return;
  dialog.dispatchEvent(new CustomEvent("dialog:open", { bubbles: true }));
  dialog.showModal();
  dialog.addEventListener("close", () => from?.isConnected && from.focus(), { once: true });
}

export function start() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-opens]");
    const jump = event.target.closest?.('[popover] a[href^="#"]');
    if (jump) jump.closest("[popover]").hidePopover();
    if (button) {
      button.closest("[popover]")?.hidePopover?.();
      openDialog(button.dataset.opens, button);
    } else if (event.target instanceof HTMLDialogElement && event.target.open) {
      // A click on the scrim has the dialog itself as its target, outside the box.
      const box = event.target.getBoundingClientRect();
      const inside =
        event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
      if (!inside && event.detail > 0) event.target.close();
    }
  });
  for (const dialog of document.querySelectorAll("dialog[data-open-now]")) openDialog(dialog.id);
}
