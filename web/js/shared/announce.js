/** Says one sentence to screen readers; the last one wins when several come at once. */
import { byId } from "./dom.js";

let timer = 0;

/** @param {string} text */
export function announce(text) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const region = byId("announce");
    region.textContent = region.textContent === text ? `${text}\u00a0` : text;
  }, 150);
}
