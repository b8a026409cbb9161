/** Copying, also where the browser lets no page at the clipboard. */
import { el } from "../shared/dom.js";

/** @param {string} text @param {HTMLElement} within the open dialog, outside of which nothing can be selected @returns {Promise<boolean>} whether it is copied */
export async function copyText(text, within) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = el("textarea", { class: "vh", readonly: true });
    field.value = text;
    within.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    return copied;
  }
}
