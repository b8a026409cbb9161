/** Copying the link of the picture; where the browser copies nothing, it is there to be copied by hand. */
import { announce } from "../shared/announce.js";
import { button, el } from "../shared/dom.js";
import { copyText } from "./clipboard.js";
import { texts } from "../texts.js";

export class LinkOf {
  #address = "";
  button = button({ icon: "link", text: texts.copyLink, data: { testid: "copy-link" }, click: () => this.#copy() });
  field = el("input", { class: "link", readonly: true, hidden: true, "aria-label": texts.copyByHand, data: { testid: "link" } });

  /** @param {HTMLElement} within the open dialog */
  constructor(within) {
    this.within = within;
  }

  /** @param {string} address */
  reset(address) {
    this.#address = address;
    this.field.hidden = true;
    this.#say(texts.copyLink);
  }

  async #copy() {
    const copied = await copyText(this.#address, this.within);
    announce(copied ? texts.copied : texts.copyByHand);
    if (copied) {
      this.button.focus();
      return this.#say(texts.copied);
    }
    this.field.hidden = false;
    this.field.value = this.#address;
    this.field.select();
  }

  /** @param {string} text */
  #say(text) {
    /** @type {HTMLElement} */ (this.button.querySelector("span")).textContent = text;
  }
}
