/** The copies of the image in the larger view: what they are, and the way to each. */
import { el } from "../shared/dom.js";
import { formatBytes, nameOf, safeUrl } from "../shared/format.js";
import { texts } from "../texts.js";

/** @typedef {import("../api.js").Image} Image */

export class Copies {
  /** @type {AbortController|null} */
  #asked = null;
  title = el("h3");
  list = el("ul");
  section = el("section", { class: "copies-of", data: { testid: "copies" }, hidden: true }, this.title, this.list);

  /**
   * @param {(id: string, signal: AbortSignal) => Promise<Image[]>} ask
   * @param {(id: string) => string} address
   * @param {(image: Image) => void} onOpen
   */
  constructor(ask, address, onOpen) {
    this.ask = ask;
    this.address = address;
    this.onOpen = onOpen;
  }

  /** Asks for those of `image`; until they have come there is nothing to see. @param {Image} image */
  async show(image) {
    this.hide();
    if (image.state !== "ready") return;
    const asked = (this.#asked = new AbortController());
    const copies = await this.ask(image.id, asked.signal).catch(() => []); // the picture is shown either way
    if (asked === this.#asked) this.#draw(copies);
  }

  hide() {
    this.#asked?.abort();
    this.#asked = null;
    this.section.hidden = true;
    this.list.replaceChildren();
  }

  /** @param {Image[]} copies */
  #draw(copies) {
    const exact = copies.filter(({ copy }) => copy === "exact").length;
    this.title.textContent = texts.copies(exact, copies.length - exact);
    this.list.replaceChildren(...copies.map((copy) => el("li", {}, this.#link(copy))));
    this.section.hidden = !copies.length;
  }

  /** @param {Image} image */
  #link(image) {
    const src = safeUrl(image.thumbnail_url);
    const facts = [texts.copyKind[image.copy ?? "near"], image.width > 0 && texts.pixels(image.width, image.height), formatBytes(image.bytes)];
    const click = (/** @type {MouseEvent} */ event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
      event.preventDefault();
      this.onOpen(image);
    };
    return el("a", { href: this.address(image.id), data: { testid: "copy", id: image.id }, on: { click } },
      src ? el("img", { src, alt: "", loading: "lazy" }) : el("span", { class: "blank" }),
      el("span", { class: "about" }, el("span", { class: "of", text: nameOf(image) }), el("span", { class: "what", text: facts.filter(Boolean).join(" · ") })));
  }
}
