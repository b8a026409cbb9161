/**
 * What a search is made of where it is more than words: each picture, or part of one, the words
 * beside them, and what to keep away from. Each can be turned round, or taken out.
 */
import { button, byId, el } from "../shared/dom.js";
import { nameOf, safeUrl } from "../shared/format.js";
import { likeOf, picturesOf } from "./query.js";
import { texts } from "../texts.js";

/**
 * @typedef {import("../api.js").Image} Image
 * @typedef {import("./query.js").Picture} Picture
 * @typedef {import("./query.js").Query} Query
 */

export class Chips {
  #drawn = "";

  /** @param {(change: Partial<Query>) => void} onChange @param {(id: string) => Promise<Image|undefined>} imageOf */
  constructor(onChange, imageOf) {
    this.onChange = onChange;
    this.imageOf = imageOf;
    this.list = byId("chips");
  }

  /** @param {Query} query */
  set(query) {
    const pictures = picturesOf(query);
    const [q, not] = [query.q.trim(), query.not.trim()];
    const shown = pictures.length || not ? [query.like, q, not] : [];
    if (JSON.stringify(shown) === this.#drawn) return;
    this.#drawn = JSON.stringify(shown);
    this.list.hidden = !shown.length;
    if (!shown.length) return this.list.replaceChildren();
    // Something to be like must be left.
    const likes = pictures.filter(({ without }) => !without).length + (q ? 1 : 0);
    this.list.replaceChildren(
      ...pictures.map((picture, i) => this.#picture(picture, pictures, i, likes > 1)),
      ...(q ? [this.#words(q, false, likes > 1, { q: "", not: joined(not, q) }, { q: "" })] : []),
      ...(not ? [this.#words(not, true, true, { q: joined(q, not), not: "" }, { not: "" })] : []),
    );
  }

  /** @param {Picture} picture @param {Picture[]} pictures @param {number} i @param {boolean} turns */
  #picture(picture, pictures, i, turns) {
    const { id, without, region } = picture;
    const thumb = el("span", { class: "thumb" });
    const name = el("span", { class: "of", text: region ? texts.partOf("") : texts.unnamed });
    this.imageOf(id).then((image) => {
      if (!image) return;
      name.textContent = region ? texts.partOf(nameOf(image)) : nameOf(image);
      drawThumb(thumb, image, region);
    });
    const turned = pictures.map((each, at) => (at === i ? { ...each, without: !without } : each));
    const left = pictures.filter((_, at) => at !== i);
    return this.#chip([thumb], without ? texts.unlike : texts.like, name, without, without || turns, { like: likeOf(turned) }, { like: likeOf(left) });
  }

  /** @param {string} words @param {boolean} without @param {boolean} turns @param {Partial<Query>} turned @param {Partial<Query>} gone */
  #words(words, without, turns, turned, gone) {
    return this.#chip([], without ? texts.without : texts.with, el("span", { class: "of", text: texts.quoted(words) }), without, turns, turned, gone);
  }

  /** @param {Node[]} before @param {string} kind @param {HTMLElement} name @param {boolean} without @param {boolean} turns @param {Partial<Query>} turned @param {Partial<Query>} gone */
  #chip(before, kind, name, without, turns, turned, gone) {
    const label = turns ? texts.turn(kind, without) : null;
    const way = turns
      ? el("button", { type: "button", class: "way", title: label, "aria-label": label, data: { testid: "chip-turn" }, on: { click: () => this.#change(turned) } }, kind)
      : el("span", { class: "way", text: kind });
    const remove = button({ icon: "close", label: texts.chipRemove, class: "icon-button", data: { testid: "chip-remove" }, click: () => this.#change(gone) });
    return el("li", { class: without ? "chip without" : "chip", data: { testid: "chip" } }, ...before, way, name, remove);
  }

  /** @param {Partial<Query>} change */
  #change(change) {
    this.onChange(change);
    const left = /** @type {HTMLElement|null} */ (this.list.querySelector("button"));
    (left ?? byId("search")).focus();
  }
}

/** @param {string} a @param {string} b */
const joined = (a, b) => [a, b].filter(Boolean).join(" ");

/** @param {HTMLElement} thumb @param {Image} image @param {import("./query.js").Region|null} region */
function drawThumb(thumb, image, region) {
  const src = safeUrl(image.thumbnail_url);
  if (!src) return;
  const picture = el("img", { src, alt: "" });
  thumb.append(picture);
  if (!region) return;
  const [x, y, width, height] = region;
  const ratio = (width * image.width) / (height * image.height) || 1;
  thumb.style.aspectRatio = String(Math.min(2, Math.max(0.5, ratio)));
  Object.assign(picture.style, { width: `${100 / width}%`, height: `${100 / height}%`, left: `${(-100 * x) / width}%`, top: `${(-100 * y) / height}%` });
}
