/** The larger view of one image: a modal dialog over the grid. */
import { announce } from "../shared/announce.js";
import { Copies } from "./copies.js";
import { button, el, icon } from "../shared/dom.js";
import { downloadUrl, formatBytes, formatDate, formatExposure, formatLocation, formatTaken, mapUrl, nameOf, safeUrl } from "../shared/format.js";
import { texts } from "../texts.js";

/**
 * @typedef {import("../api.js").Image} Image
 * @typedef {object} Host what the page does for the viewer
 * @property {() => Image[]} items the images to walk through
 * @property {() => number|null} total
 * @property {() => Promise<void>} more loads more of them
 * @property {(id: string) => void} shown
 * @property {(id: string) => void} closed
 * @property {(image: Image) => void} like
 * @property {(id: string) => Promise<void>} remove
 * @property {(image: Image) => boolean} mayRemove
 * @property {(id: string, signal: AbortSignal) => Promise<Image[]>} copies
 * @property {(image: Image) => void} open
 * @property {(id: string) => string} link
 */

/** Formats that most browsers cannot show. */
const PREVIEW_ONLY = new Set(["tiff", "heif", "jxl", "dng", "cr2", "cr3", "nef", "arw", "orf", "rw2", "raf", "pef", "raw"]);

export class Viewer {
  /** @type {Image|null} */
  image = null;
  closeButton = button({ icon: "close", label: texts.close, class: "round", data: { testid: "viewer-close" }, click: () => this.close() });
  back = button({ icon: "previous", label: texts.previous, class: "round previous", data: { testid: "viewer-previous" }, click: () => this.#step(-1) });
  forth = button({ icon: "next", label: texts.next, class: "round next", data: { testid: "viewer-next" }, click: () => this.#step(1) });
  copy = button({ icon: "link", text: texts.copyLink, data: { testid: "copy-link" }, click: () => this.#copyLink() });
  deleteButton = button({ icon: "delete", text: texts.delete, class: "button danger", data: { testid: "delete" }, click: () => this.#askDelete(true) });
  confirm = button({ text: texts.delete, class: "button danger solid", data: { testid: "confirm-delete" }, click: () => this.#delete() });

  /** @param {HTMLDialogElement} dialog @param {Host} host */
  constructor(dialog, host) {
    this.dialog = dialog;
    this.host = host;
    this.#build();
    dialog.addEventListener("keydown", (event) => this.#pressed(event));
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      if (this.ask.hidden) this.close();
      else this.#askDelete(false);
    });
    dialog.addEventListener("close", () => this.#closed());
  }

  get open() {
    return this.dialog.open;
  }

  /** @param {Image} image */
  show(image) {
    this.image = image;
    this.#askDelete(false);
    this.deleteButton.hidden = !this.host.mayRemove(image);
    this.#drawPicture(image);
    this.#drawFacts(image);
    this.copies.show(image);
    this.#drawSteps();
    this.dialog.setAttribute("aria-label", nameOf(image));
    if (!this.dialog.open) {
      this.dialog.showModal();
      this.closeButton.focus();
    }
    this.panel.scrollTop = 0;
    this.dialog.scrollTop = 0;
    this.host.shown(image.id);
  }

  close() {
    if (this.dialog.open) this.dialog.close();
  }

  #build() {
    this.frame = el("div", { class: "frame" });
    this.note = el("p", { class: "note", hidden: true });
    this.position = el("p", { class: "position" });
    const stage = el("div", { class: "stage" }, el("div", { class: "room" }, this.frame), this.note, this.back, this.forth,
      el("div", { class: "bar" }, this.closeButton, this.position));
    swipes(stage, (step) => this.#step(step));

    this.name = el("h2");
    this.download = el("a", { class: "button", data: { testid: "download" } }, icon("download"), el("span", { text: texts.download }));
    this.problem = el("p", { class: "problem", role: "alert" });
    this.ask = el("div", { class: "ask", role: "group", "aria-label": texts.deleteAsk, hidden: true },
      el("p", { text: texts.deleteAsk }),
      el("div", {}, button({ text: texts.cancel, data: { testid: "cancel-delete" }, click: () => this.#askDelete(false) }), this.confirm),
      this.problem);
    this.copies = new Copies((id, signal) => this.host.copies(id, signal), (id) => this.host.link(id), (image) => this.host.open(image));
    this.facts = el("dl", { class: "facts" });
    this.panel = el("div", { class: "panel", tabindex: "-1" }, this.name,
      el("div", { class: "actions" },
        button({ icon: "like", text: texts.moreLikeThis, class: "button primary", data: { testid: "more-like-this" }, click: () => this.image && this.host.like(this.image) }),
        this.download, this.copy, this.deleteButton),
      this.ask, this.copies.section, this.facts);
    this.dialog.append(stage, this.panel);
  }

  /** The thumbnail at once, the file over it when it has come. @param {Image} image */
  #drawPicture(image) {
    const ratio = image.width > 0 && image.height > 0 ? image.width / image.height : 1.5;
    this.frame.style.setProperty("--ratio", String(ratio));
    this.frame.style.setProperty("--width", String(image.width || 512));
    this.frame.replaceChildren();
    this.note.hidden = true;
    const small = safeUrl(image.thumbnail_url);
    const large = PREVIEW_ONLY.has(image.format) ? "" : safeUrl(image.url);
    const note = (/** @type {string} */ text) => {
      if (this.image !== image) return;
      this.note.textContent = text;
      this.note.hidden = false;
    };
    const preview = small && el("img", { class: "small", alt: large ? "" : nameOf(image), src: small });
    if (preview) this.frame.append(preview);
    if (!large) return note(small ? texts.previewOnly(image.format.toUpperCase()) : texts.notShown);
    const full = el("img", { class: "large", alt: nameOf(image), decoding: "async", data: { testid: "viewer-image" } });
    full.addEventListener("load", () => full.classList.add("loaded"));
    full.addEventListener("error", () => {
      full.remove();
      if (preview) preview.alt = nameOf(image);
      note(preview ? texts.previewOnly(image.format.toUpperCase()) : texts.notShown);
    });
    full.src = large;
    this.frame.append(full);
  }

  /** @param {Image} image */
  #drawFacts(image) {
    this.name.textContent = nameOf(image);
    setText(this.copy, texts.copyLink);
    const href = downloadUrl(image.url);
    if (href) this.download.href = href;
    else this.download.removeAttribute("href");
    const names = texts.facts;
    const place = image.location;
    const map = place && el("a", { href: mapUrl(place), target: "_blank", rel: "noopener noreferrer", text: formatLocation(place), "aria-label": texts.onMap(formatLocation(place)) });
    const file = [image.format?.toUpperCase(), image.bytes > 0 && formatBytes(image.bytes)].filter(Boolean).join(" · ");
    /** @type {[string, any][]} */
    const rows = [
      [names.size, image.width > 0 && texts.pixels(image.width, image.height)],
      [names.file, file],
      [names.taken, image.taken_at && formatTaken(image.taken_at)],
      [names.uploaded, image.uploaded_at && formatDate(image.uploaded_at)],
      [names.camera, image.camera],
      [names.lens, image.lens],
      [names.exposure, image.exposure && formatExposure(image.exposure)],
      [names.collection, image.collection],
      [names.location, map],
      [names.score, image.score !== undefined && image.score !== null && image.score.toFixed(3)],
      [names.state, image.state !== "ready" && (image.reason || image.state)],
    ];
    this.facts.replaceChildren(...rows.filter(([, value]) => value).flatMap(([name, value]) => [el("dt", { text: name }), el("dd", {}, value)]));
  }

  #drawSteps() {
    const items = this.host.items();
    const index = this.#index();
    const total = Math.max(this.host.total() ?? 0, items.length);
    this.position.textContent = index < 0 ? "" : texts.position(index + 1, total);
    // aria-disabled, not disabled: a disabled button would lose the focus.
    this.back.setAttribute("aria-disabled", String(index <= 0));
    this.forth.setAttribute("aria-disabled", String(index < 0 || index + 1 >= total));
  }

  #index() {
    return this.host.items().findIndex(({ id }) => id === this.image?.id);
  }

  /** @param {1|-1} step */
  async #step(step) {
    const index = this.#index();
    if (index < 0) return;
    const from = this.image;
    if (index + step >= this.host.items().length) await this.host.more();
    const next = this.host.items()[index + step];
    if (!next || this.image !== from || !this.open) return;
    this.show(next);
    announce(`${nameOf(next)}, ${this.position.textContent}`);
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    event.preventDefault();
    this.#step(event.key === "ArrowLeft" ? -1 : 1);
  }

  async #copyLink() {
    if (!this.image) return;
    const link = this.host.link(this.image.id);
    try {
      await navigator.clipboard.writeText(link);
    } catch {
      const field = el("textarea", { class: "vh", readonly: true });
      field.value = link;
      this.dialog.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
      this.copy.focus();
    }
    setText(this.copy, texts.copied);
    announce(texts.copied);
  }

  /** @param {boolean} on */
  #askDelete(on) {
    const was = !this.ask.hidden;
    this.ask.hidden = !on;
    this.problem.textContent = "";
    this.confirm.disabled = false;
    this.deleteButton.setAttribute("aria-expanded", String(on));
    if (on) this.confirm.focus();
    else if (was && this.dialog.open) this.deleteButton.focus();
  }

  async #delete() {
    const image = this.image;
    if (!image) return;
    const index = this.#index();
    this.confirm.disabled = true;
    try {
      await this.host.remove(image.id);
    } catch (error) {
      this.problem.textContent = texts.deleteFailed(error instanceof Error ? error.message : String(error));
      this.confirm.disabled = false;
      return;
    }
    announce(texts.deleteAnnounce(nameOf(image)));
    if (this.image !== image || !this.open) return;
    const items = this.host.items();
    const next = index < 0 ? undefined : (items[index] ?? items[index - 1]);
    if (next) {
      this.show(next);
      this.closeButton.focus();
    } else this.close();
  }

  #closed() {
    const id = this.image?.id ?? "";
    this.image = null;
    this.frame.replaceChildren();
    this.copies.hide();
    this.host.closed(id);
  }
}

/** @param {HTMLButtonElement} of @param {string} text */
function setText(of, text) {
  const span = of.querySelector("span");
  if (span) span.textContent = text;
}

/** @param {HTMLElement} stage @param {(step: 1|-1) => void} onSwipe */
function swipes(stage, onSwipe) {
  let x = 0;
  let y = 0;
  stage.addEventListener("touchstart", ({ touches }) => {
    [x, y] = touches.length === 1 ? [touches[0].clientX, touches[0].clientY] : [NaN, NaN];
  }, { passive: true });
  stage.addEventListener("touchend", ({ changedTouches: [touch] }) => {
    const [dx, dy] = [touch.clientX - x, touch.clientY - y];
    if (Math.abs(dx) > 50 && Math.abs(dx) > 2 * Math.abs(dy)) onSwipe(dx < 0 ? 1 : -1);
  });
}
