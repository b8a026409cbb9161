/** The text in the picture of the larger view: all of it, to be read, selected and copied. */
import { announce } from "../shared/announce.js";
import { button, el } from "../shared/dom.js";
import { copyText } from "./clipboard.js";
import { marked } from "../shared/marks.js";
import { texts } from "../texts.js";

/** @typedef {import("../api.js").Image} Image */

export class Reading {
  /** @type {AbortController|null} */
  #asked = null;
  text = el("p", { class: "text", tabindex: "0", role: "group", "aria-label": texts.textTitle, data: { testid: "picture-text" } });
  copy = button({ icon: "copy", label: texts.textCopy, class: "icon-button", data: { testid: "copy-text" }, click: () => this.#copy() });
  section = el("section", { class: "reading", data: { testid: "reading" }, hidden: true }, el("h3", { text: texts.textTitle }), this.copy, this.text);

  /** @param {(id: string, signal: AbortSignal) => Promise<Image>} ask an answer of a search has the part with the words only */
  constructor(ask) {
    this.ask = ask;
  }

  /** @param {Image} image */
  async show(image) {
    this.hide();
    if (image.state !== "ready" || image.text === "") return;
    const words = image.words?.text;
    if (image.text) this.#draw(image.text, words);
    const asked = (this.#asked = new AbortController());
    const { text } = await this.ask(image.id, asked.signal).catch(() => image); // the picture is shown either way
    if (asked === this.#asked && text) this.#draw(text, words);
  }

  hide() {
    this.#asked?.abort();
    this.#asked = null;
    this.section.hidden = true;
  }

  /** @param {string} text @param {string[]} [words] */
  #draw(text, words) {
    this.text.replaceChildren(...marked(text, words));
    this.section.hidden = false;
    this.text.querySelector("mark")?.scrollIntoView({ block: "nearest" });
  }

  async #copy() {
    const copied = await copyText(this.text.textContent ?? "", this.section);
    if (!copied) getSelection()?.selectAllChildren(this.text);
    if (!copied) return announce(texts.copyByHand);
    this.copy.focus();
    announce(texts.textCopied);
    this.copy.title = texts.textCopied;
  }
}
