/** Copying, also where the browser lets no page at the clipboard. */
import { el } from "../shared/dom.js";

/** @param {string} text @param {HTMLElement} within the open dialog, outside of which nothing can be selected */
export async function copyText(text, within) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = el("textarea", { class: "vh", readonly: true });
    field.value = text;
    within.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}
