/**
 * What a search is made of where it is more than words: each picture, or part of one, the words, and
 * what to keep away from. Each can be turned round, taken out, and be made to count more or less.
 */
import { button, byId, el, icon } from "../shared/dom.js";
import { nameOf, safeUrl } from "../shared/format.js";
import { AWAY, hundredths, likeOf, piecesOf, sent } from "./query.js";
import { texts } from "../texts.js";
import { Weight } from "./weight.js";

/**
 * @typedef {import("../api.js").Image} Image
 * @typedef {import("./query.js").Piece} Piece
 * @typedef {import("./query.js").Query} Query
 */

/** `-word` and `-"two words"` in the box. */
const MINUS = /(^|\s)-("[^"]+"|[^\s"-][^\s"]*)/g;

export class Chips {
  #drawn = "";
  /** @type {Piece[]} */
  #pieces = [];

  /** @param {(change: Partial<Query>, step: "push"|"replace") => void} onChange @param {(id: string) => Promise<Image|undefined>} imageOf */
  constructor(onChange, imageOf) {
    this.onChange = onChange;
    this.imageOf = imageOf;
    this.list = byId("chips");
    this.weight = new Weight();
  }

  /** @param {Query} query */
  set(query) {
    const pieces = piecesOf(query);
    const composed = pieces.some(({ box }) => !box);
    this.#pieces = pieces;
    const left = [...query.q.matchAll(MINUS)].map(([whole, , words]) => ({ whole, words: words.replaceAll('"', "") }));
    // A chip is the same whatever it counts: a slider that is being moved stays where it is.
    const shown = JSON.stringify([composed && pieces.map(({ weight, ...piece }) => [piece, weight < 0]), left]);
    this.list.hidden = !composed && !left.length;
    if (shown !== this.#drawn) {
      this.#drawn = shown;
      this.weight.close();
      this.list.replaceChildren(...(composed ? pieces.map((_, i) => this.#chip(i)) : []), ...left.map((each) => this.#offer(each)));
    }
    for (const each of this.list.querySelectorAll("[data-counts]")) this.#drawCount(each);
  }

  /** @param {number} i */
  #chip(i) {
    const piece = this.#pieces[i];
    const without = piece.weight < 0;
    const kind = piece.text ? (without ? texts.without : texts.with) : without ? texts.unlike : texts.like;
    const name = el("span", { class: "of", text: piece.text ? texts.quoted(piece.text) : "" });
    const thumb = !piece.text && this.#thumb(piece, name);
    // Something to look for must be left.
    const turns = without || this.#pieces.filter(({ weight }) => weight > 0).length > 1;
    const label = turns ? texts.turn(kind, without) : null;
    const way = turns
      ? el("button", { type: "button", class: "way", title: label, "aria-label": label, data: { testid: "chip-turn" }, on: { click: () => this.#turn(i) } }, kind)
      : el("span", { class: "way", text: kind });
    const counts = this.#pieces.length > 1 && el("button", { type: "button", class: "counts", data: { testid: "chip-weight", counts: i }, on: { click: (/** @type {Event} */ event) => this.#weigh(i, /** @type {HTMLElement} */ (event.currentTarget)) } }, el("span", { class: "meter" }, el("i")));
    const keep = piece.box && button({ icon: "plus", label: texts.chipKeep, class: "icon-button", data: { testid: "chip-keep" }, click: () => this.#change(i, { box: false }, byId("search")) });
    const remove = button({ icon: "close", label: texts.chipRemove, class: "icon-button", data: { testid: "chip-remove" }, click: () => this.#change(i, null) });
    return el("li", { class: without ? "chip without" : "chip", data: { testid: "chip" } }, thumb, way, name, counts, keep, remove);
  }

  /** @param {Piece} piece @param {HTMLElement} name */
  #thumb({ id = "", region = null }, name) {
    const thumb = el("span", { class: "thumb" });
    const preview = sent.get(id)?.preview;
    if (preview) thumb.append(el("img", { src: preview, alt: "" }));
    if (!/^[0-9a-f]{32}$/.test(id)) {
      name.textContent = texts.sentPicture;
      if (!preview) thumb.append(icon("picture"));
      return thumb;
    }
    name.textContent = region ? texts.partOf("") : texts.unnamed;
    this.imageOf(id).then((image) => {
      if (!image) return;
      name.textContent = region ? texts.partOf(nameOf(image)) : nameOf(image);
      drawThumb(thumb, image, region);
    });
    return thumb;
  }

  /** Words that the box leaves out, to be made a chip of. @param {{whole: string, words: string}} left */
  #offer({ whole, words }) {
    const make = () => {
      const pieces = this.#pieces.map((piece) => (piece.box ? { ...piece, text: piece.text?.replace(whole, "").trim() } : piece));
      this.#ask([...pieces.filter(({ text, id }) => text || id), { text: words, weight: AWAY }], byId("search"));
    };
    return el("li", { class: "chip offer" }, button({ text: texts.chipMake(words), label: texts.chipMakeLabel(words), class: "way", data: { testid: "chip-make" }, click: make }));
  }

  /* Changes */

  /** @param {number} i */
  #turn(i) {
    const { weight } = this.#pieces[i];
    const box = weight < 0 && Boolean(this.#pieces[i].text) && !this.#pieces.some((piece) => piece.box);
    this.#change(i, { weight: weight < 0 ? 1 : AWAY, box });
  }

  /** @param {number} i @param {Partial<Piece>|null} change null: it goes @param {HTMLElement} [focus] */
  #change(i, change, focus) {
    const testid = change ? "chip-turn" : "chip-remove";
    this.#ask(this.#pieces.flatMap((piece, at) => (at !== i ? [piece] : change ? [{ ...piece, ...change }] : [])), focus);
    if (focus) return;
    const same = /** @type {NodeListOf<HTMLElement>} */ (this.list.querySelectorAll(`[data-testid="${testid}"]`));
    (same[Math.min(i, same.length - 1)] ?? byId("search")).focus();
  }

  /** @param {Piece[]} pieces @param {HTMLElement} [focus] @param {"push"|"replace"} [step] */
  #ask(pieces, focus, step = "push") {
    const box = pieces.find((piece) => piece.box);
    const lines = (/** @type {boolean} */ wanted) => pieces.filter(({ text, weight, box }) => text && !box && weight > 0 === wanted).map(lineOf).join("\n");
    const change = { q: box?.text ?? "", weight: box ? hundredths(box.weight) : "", and: lines(true), not: lines(false), like: likeOf(pieces.filter(({ id }) => id)) };
    this.onChange(change, step);
    focus?.focus();
  }

  /* What each counts */

  /** @param {number} i @param {HTMLElement} at */
  #weigh(i, at) {
    const { text, weight } = this.#pieces[i];
    this.weight.open(at, text ? texts.quoted(text) : texts.picture, Math.abs(weight), (counts, first) => {
      const pieces = this.#pieces.map((piece, n) => (n === i ? { ...piece, weight: Math.sign(piece.weight) * counts } : piece));
      this.#ask(pieces, undefined, first ? "push" : "replace");
    });
  }

  /** @param {HTMLElement} at */
  #drawCount(at) {
    const { weight } = this.#pieces[Number(at.dataset.counts)];
    const percent = Math.round(Math.abs(weight) * 100);
    const label = texts.counts(percent);
    at.title = label;
    at.setAttribute("aria-label", label);
    /** @type {HTMLElement} */ (at.querySelector("i")).style.width = `${percent}%`;
  }
}

/** A text as it stands in the address; one that ends as a weight does says its own. @param {Piece} piece */
function lineOf({ text = "", weight }) {
  const counts = hundredths(weight) || (/~\d{1,3}$/.test(text) ? String(Math.abs(weight) * 100) : "");
  return counts ? `${text}~${counts}` : text;
}

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
