/** The row of filters: hidden until wanted, shown while one is set. */
import { byId, el } from "../shared/dom.js";
import { FILTERS, hasFilters } from "./query.js";
import { texts } from "../texts.js";

/** @typedef {import("./query.js").Query} Query */

const FORMATS = ["jpeg", "png", "webp", "gif", "bmp", "tiff", "heif", "avif", "jxl",
  "dng", "cr2", "cr3", "nef", "arw", "orf", "rw2", "raf", "pef", "raw"];

/** Filters whose values are offered as they are met. */
const LEARNT = /** @type {const} */ (["collection", "camera"]);

export class Filters {
  #known = new Set();
  #quiet = false;

  /** @param {(filters: Partial<Query>) => void} onChange */
  constructor(onChange) {
    /** @type {HTMLFormElement} */
    this.form = byId("filters");
    this.toggle = byId("filters-toggle");
    this.field("format").append(el("option", { value: "", text: texts.any }), ...FORMATS.map((name) => el("option", { value: name, text: name.toUpperCase() })));
    const changed = () => onChange(Object.fromEntries(FILTERS.map((name) => [name, this.field(name).value.trim()])));
    this.form.addEventListener("change", changed);
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("reset", (event) => {
      event.preventDefault();
      for (const name of FILTERS) this.field(name).value = "";
      changed();
    });
    this.toggle.addEventListener("click", () => this.open(this.form.hidden, true));
  }

  /** @param {string} name @returns {any} */
  field(name) {
    return this.form.elements.namedItem(name);
  }

  /** @param {boolean} open @param {boolean} [focus] */
  open(open, focus = false) {
    this.form.hidden = !open;
    this.toggle.setAttribute("aria-expanded", String(open));
    if (open && focus) this.field("collection").focus();
  }

  /** @param {Query} query */
  set(query) {
    for (const name of FILTERS) if (this.field(name).value !== query[name]) this.field(name).value = query[name];
    const active = hasFilters(query);
    this.toggle.classList.toggle("active", active);
    this.form.classList.toggle("active", active);
    if (active && !this.#quiet) this.open(true);
  }

  /** A change of filters that opens nothing: it is to be seen elsewhere. @param {() => void} change */
  quietly(change) {
    this.#quiet = true;
    change();
    this.#quiet = false;
  }

  /** Offers the collections and cameras of these images. @param {import("../api.js").Image[]} images */
  learn(images) {
    for (const image of images) for (const name of LEARNT) {
      const value = image[name];
      if (!value || this.#known.has(`${name}:${value}`)) continue;
      this.#known.add(`${name}:${value}`);
      byId(`${name}s`).append(el("option", { value }));
    }
  }
}
