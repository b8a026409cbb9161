/**
 * The picture in the larger view: the thumbnail at once, and the file over it where the thumbnail
 * has fewer pixels than are to be shown.
 */
import { button, el } from "../shared/dom.js";
import { nameOf, safeUrl } from "../shared/format.js";
import { askedAgain } from "../shared/pictures.js";
import { formatTaken } from "../shared/told.js";
import { texts } from "../texts.js";

/** @typedef {import("../api.js").Image} Image */

/** Formats that most browsers cannot show. */
const PREVIEW_ONLY = new Set(["tiff", "heif", "jxl", "dng", "cr2", "cr3", "nef", "arw", "orf", "rw2", "raf", "pef", "raw"]);
/** Larger files are fetched when they are looked at, not before; bytes. */
const AHEAD_BYTES = 8_000_000;
/** So much larger than it has pixels nobody sees. */
const BLUR = 1.05;

/** Whether whoever is here asked for little to be fetched. */
const sparing = () => Boolean(/** @type {any} */ (navigator).connection?.saveData);

/** @param {Image} image */
const fileOf = (image) => (PREVIEW_ONLY.has(image.format) ? "" : safeUrl(image.url));

/** Its name, or what else is known of it. @param {Image} image */
function altOf(image) {
  if (image.name) return nameOf(image);
  return [nameOf(image), image.collection, image.taken_at && formatTaken(image.taken_at), image.camera].filter(Boolean).join(", ");
}

export class Picture {
  /** @type {Image|null} */
  #image = null;
  /** @type {HTMLImageElement|null} */
  #small = null;
  /** @type {HTMLImageElement|null} */
  #large = null;
  #scale = 1;
  /** @type {HTMLImageElement[]} */
  #ahead = [];
  /** Those beside it. @type {Image[]} */
  #beside = [];
  frame = el("div", { class: "frame", tabindex: "-1" });
  note = el("p", { class: "note", role: "status", hidden: true });

  constructor() {
    addEventListener("online", () => this.#large?.dataset.failed && this.#again());
  }

  /** @param {Image} image */
  show(image) {
    this.clear();
    this.#image = image;
    this.#scale = 1;
    const ratio = image.width > 0 && image.height > 0 ? image.width / image.height : 1.5;
    this.frame.style.setProperty("--ratio", String(ratio));
    this.frame.style.setProperty("--width", String(image.width || 512));
    const src = safeUrl(image.thumbnail_url);
    if (src) this.#showThumbnail(image, src);
    else this.#fetchFile();
    if (!fileOf(image)) this.#say(src ? texts.previewOnly(image.format.toUpperCase()) : texts.notShown);
  }

  clear() {
    this.#image = null;
    for (const picture of [this.#large, ...this.#ahead]) picture?.removeAttribute("src"); // fetched no further
    this.#large = this.#small = null;
    this.#ahead = [];
    this.#beside = [];
    this.note.hidden = true;
    this.frame.replaceChildren();
  }

  /** It is shown so much larger than as a whole. @param {number} scale */
  zoomed(scale) {
    this.#scale = scale;
    if (this.#small?.naturalWidth) this.#fetchIfSeen();
  }

  /** What may be looked at next comes ahead: thumbnails at once, the next one's file after this one's. @param {(Image|undefined)[]} images */
  beside(images) {
    this.#beside = images.filter((image) => image !== undefined);
    for (const image of this.#beside) this.#fetchAhead(safeUrl(image.thumbnail_url));
    if (this.#large?.classList.contains("loaded")) this.#fetchNextFile();
  }

  #fetchNextFile() {
    const [next] = this.#beside;
    if (next && next.bytes < AHEAD_BYTES && !sparing()) this.#fetchAhead(fileOf(next));
  }

  /** @param {string} src */
  #fetchAhead(src) {
    if (!src || this.#ahead.some((picture) => picture.src === src)) return;
    const picture = new Image();
    picture.fetchPriority = "low";
    picture.src = src;
    this.#ahead.push(picture);
  }

  /** @param {Image} image @param {string} src */
  #showThumbnail(image, src) {
    const small = (this.#small = el("img", { class: "small", alt: altOf(image), draggable: "false" }));
    small.addEventListener("load", () => this.#small === small && this.#fetchIfSeen());
    askedAgain(small, () => this.#small === small && this.#fetchFile());
    small.src = src;
    this.frame.append(small);
  }

  /** Where the thumbnail is shown larger than it is, the file is fetched. */
  #fetchIfSeen() {
    const has = Math.max(this.#small?.naturalWidth ?? 0, 1);
    const shown = this.frame.offsetWidth * this.#scale * devicePixelRatio;
    if (shown > has * BLUR && (this.#scale > 1 || !sparing())) this.#fetchFile();
  }

  #fetchFile() {
    const image = this.#image;
    const src = image && fileOf(image);
    if (!src || this.#large) return;
    const large = (this.#large = el("img", { class: "large", alt: altOf(image), decoding: "async", draggable: "false", data: { testid: "viewer-image" } }));
    large.addEventListener("load", () => {
      if (this.#large !== large) return;
      large.classList.add("loaded");
      if (this.#small) this.#small.alt = ""; // one of the two is enough to hear of
      this.#fetchNextFile();
    });
    askedAgain(large, () => this.#large === large && this.#failed(large));
    large.src = src;
    this.#small ? this.#small.after(large) : this.frame.prepend(large);
  }

  /** @param {HTMLImageElement} large */
  #failed(large) {
    large.remove();
    large.dataset.failed = "yes";
    this.#say(this.#small?.naturalWidth ? texts.fileLate : texts.notShown, button({ text: texts.retry, class: "text-button", data: { testid: "file-retry" }, click: () => this.#again() }));
  }

  #again() {
    this.#large = null;
    if (this.note.contains(document.activeElement)) this.frame.focus({ preventScroll: true });
    this.note.hidden = true;
    this.#fetchFile();
  }

  /** @param {string} text @param {HTMLElement} [way] */
  #say(text, way) {
    this.note.replaceChildren(text, ...(way ? [" ", way] : []));
    this.note.hidden = false;
  }
}
