/** The search box: asks 200 ms after the last key, at once on Enter. */
import { byId, el } from "../shared/dom.js";
import { texts } from "../texts.js";

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
    byId("help").append(el("p", { text: texts.help.body }), el("dl", {}, ...texts.help.ways.flatMap(([how, what]) => [el("dt", {}, el("code", { text: how })), el("dd", { text: what })])));
  }

  /** @param {import("./query.js").Query} query */
  set({ q, like }) {
    clearTimeout(this.#timer);
    if (this.input.value.trim() !== q.trim()) this.input.value = q;
    const narrow = matchMedia("(max-width: 560px)").matches;
    const hint = narrow ? texts.searchHintShort : texts.searchHint;
    this.input.placeholder = !like ? hint : narrow ? texts.searchBesideShort : texts.searchBeside;
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
