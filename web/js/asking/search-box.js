/** The search box: asks 200 ms after the last key, at once on Enter. */
import { byId } from "../shared/dom.js";

const WAIT_MS = 200;

export class SearchBox {
  #timer = 0;

  /** @param {(text: string, typing: boolean) => void} onAsk */
  constructor(onAsk) {
    this.onAsk = onAsk;
    /** @type {HTMLInputElement} */
    this.input = byId("search");
    this.clear = byId("search-clear");
    this.input.addEventListener("input", (event) => this.#typed(/** @type {InputEvent} */ (event).isComposing));
    this.input.addEventListener("compositionend", () => this.#typed(false));
    byId("search-form").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#ask(false);
    });
    this.clear.addEventListener("click", () => {
      this.input.value = "";
      this.input.focus();
      this.#ask(false);
    });
    document.addEventListener("keydown", (event) => this.#shortcut(event));
  }

  /** @param {string} text */
  set(text) {
    clearTimeout(this.#timer);
    if (this.input.value.trim() !== text.trim()) this.input.value = text;
    this.clear.hidden = !this.input.value;
  }

  /** @param {boolean} composing */
  #typed(composing) {
    this.clear.hidden = !this.input.value;
    clearTimeout(this.#timer);
    if (!composing) this.#timer = setTimeout(() => this.#ask(true), WAIT_MS);
  }

  /** @param {boolean} typing */
  #ask(typing) {
    clearTimeout(this.#timer);
    this.clear.hidden = !this.input.value;
    this.onAsk(this.input.value, typing);
  }

  /** "/" goes to the box from anywhere but another field. @param {KeyboardEvent} event */
  #shortcut(event) {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]") || /** @type {Element} */ (event.target).closest?.("input, select, textarea")) return;
    event.preventDefault();
    this.input.focus();
    this.input.select();
  }
}
