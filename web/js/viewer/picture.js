/** The picture in the larger view: the thumbnail at once, the file over it when it has come. */
import { el } from "../shared/dom.js";
import { nameOf, safeUrl } from "../shared/format.js";
import { texts } from "../texts.js";

/** @typedef {import("../api.js").Image} Image */

/** Formats that most browsers cannot show. */
const PREVIEW_ONLY = new Set(["tiff", "heif", "jxl", "dng", "cr2", "cr3", "nef", "arw", "orf", "rw2", "raf", "pef", "raw"]);

export class Picture {
  /** @type {Image|null} */
  #image = null;
  frame = el("div", { class: "frame" });
  note = el("p", { class: "note", hidden: true });

  /** @param {Image} image */
  show(image) {
    this.#image = image;
    const ratio = image.width > 0 && image.height > 0 ? image.width / image.height : 1.5;
    this.frame.style.setProperty("--ratio", String(ratio));
    this.frame.style.setProperty("--width", String(image.width || 512));
    this.frame.replaceChildren();
    this.note.hidden = true;
    const small = safeUrl(image.thumbnail_url);
    const large = PREVIEW_ONLY.has(image.format) ? "" : safeUrl(image.url);
    const preview = small && el("img", { class: "small", alt: large ? "" : nameOf(image), src: small, draggable: "false" });
    if (preview) this.frame.append(preview);
    if (large) this.#showFile(image, large, preview);
    else this.#say(image, small ? texts.previewOnly(image.format.toUpperCase()) : texts.notShown);
  }

  clear() {
    this.#image = null;
    this.frame.replaceChildren();
  }

  /** @param {Image} image @param {string} src @param {HTMLImageElement|""} preview */
  #showFile(image, src, preview) {
    const full = el("img", { class: "large", alt: nameOf(image), decoding: "async", draggable: "false", data: { testid: "viewer-image" } });
    full.addEventListener("load", () => full.classList.add("loaded"));
    full.addEventListener("error", () => {
      full.remove();
      if (preview) preview.alt = nameOf(image);
      this.#say(image, preview ? texts.previewOnly(image.format.toUpperCase()) : texts.notShown);
    });
    full.src = src;
    this.frame.append(full);
  }

  /** @param {Image} image @param {string} text */
  #say(image, text) {
    if (this.#image !== image) return;
    this.note.textContent = text;
    this.note.hidden = false;
  }
}
