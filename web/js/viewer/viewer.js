/** The larger view of one image: a modal dialog over the grid. */
import { announce } from "../shared/announce.js";
import { Copies } from "./copies.js";
import { copyText } from "./clipboard.js";
import { button, el, icon } from "../shared/dom.js";
import { nameOf } from "../shared/format.js";
import { downloadUrl } from "../shared/told.js";
import { Facts } from "./facts.js";
import { PartOfPicture } from "./region.js";
import { Picture } from "./picture.js";
import { Reading } from "./reading.js";
import { texts } from "../texts.js";

/**
 * @typedef {import("../api.js").Image} Image
 * @typedef {object} Host what the page does for the viewer
 * @property {() => Image[]} items the images to walk through
 * @property {() => number|null} total
 * @property {() => Promise<void>} more loads more of them
 * @property {(id: string) => void} shown
 * @property {(id: string) => void} closed
 * @property {(image: Image, region: import("../asking/query.js").Region|null, add: boolean) => void} like searches by it; `add`: in the search that is under way
 * @property {() => boolean} searching whether one is
 * @property {(id: string, signal: AbortSignal) => Promise<Image>} whole with all of its text
 * @property {(id: string) => Promise<void>} remove
 * @property {(image: Image) => boolean} mayRemove
 * @property {(id: string, signal: AbortSignal) => Promise<Image[]>} copies
 * @property {(image: Image) => void} open
 * @property {(id: string) => string} link
 */

export class Viewer {
  /** @type {Image|null} */
  image = null;
  closeButton = button({ icon: "close", label: texts.close, class: "round", data: { testid: "viewer-close" }, click: () => this.close() });
  back = button({ icon: "previous", label: texts.previous, class: "round previous", data: { testid: "viewer-previous" }, click: () => this.#step(-1) });
  forth = button({ icon: "next", label: texts.next, class: "round next", data: { testid: "viewer-next" }, click: () => this.#step(1) });
  copy = button({ icon: "link", text: texts.copyLink, data: { testid: "copy-link" }, click: () => this.#copyLink() });
  deleteButton = button({ icon: "delete", text: texts.delete, class: "button danger", data: { testid: "delete" }, click: () => this.#askDelete(true) });
  partButton = button({ icon: "part", text: texts.part, data: { testid: "search-part" }, click: () => this.part.open() });
  addButton = button({ icon: "plus", text: texts.addToSearch, data: { testid: "add-to-search" }, click: () => this.#like(null, true) });
  confirm = button({ text: texts.delete, class: "button danger solid", data: { testid: "confirm-delete" }, click: () => this.#delete() });

  picture = new Picture();
  part = new PartOfPicture(this.picture.frame, (region, add) => this.#like(region, add), () => this.host.searching());
  facts = new Facts();
  reading = new Reading((id, signal) => this.host.whole(id, signal));
  copies = new Copies((id, signal) => this.host.copies(id, signal), (id) => this.host.link(id), (image) => this.host.open(image));
  position = el("p", { class: "position" });
  download = el("a", { class: "button", data: { testid: "download" } }, icon("download"), el("span", { text: texts.download }));
  problem = el("p", { class: "problem", role: "alert" });
  ask = el("div", { class: "ask", role: "group", "aria-label": texts.deleteAsk, hidden: true },
    el("p", { text: texts.deleteAsk }),
    el("div", {}, button({ text: texts.cancel, data: { testid: "cancel-delete" }, click: () => this.#askDelete(false) }), this.confirm),
    this.problem);
  panel = el("div", { class: "panel", tabindex: "-1" });

  /** @param {HTMLDialogElement} dialog @param {Host} host */
  constructor(dialog, host) {
    this.dialog = dialog;
    this.host = host;
    this.#build();
    dialog.addEventListener("keydown", (event) => this.#pressed(event));
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      if (this.part.on) this.part.close();
      else if (this.ask.hidden) this.close();
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
    this.picture.show(image);
    this.part.reset(image);
    this.facts.show(image);
    this.#drawActions(image);
    this.reading.show(image);
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
    this.part.onClose = () => this.open && this.partButton.focus();
    const stage = el("div", { class: "stage" }, el("div", { class: "room" }, this.picture.frame), this.picture.note, this.back, this.forth,
      el("div", { class: "bar" }, this.closeButton, this.position, this.part.bar));
    swipes(stage, (step) => this.part.on || this.#step(step));
    this.panel.append(el("div", { class: "title" }, this.facts.name, this.facts.match),
      el("div", { class: "actions" },
        button({ icon: "like", text: texts.moreLikeThis, class: "button primary", data: { testid: "more-like-this" }, click: () => this.#like(null, false) }),
        this.addButton, this.partButton, this.download, this.copy, this.deleteButton),
      this.ask, this.reading.section, this.copies.section, this.facts.list);
    this.dialog.append(stage, this.panel);
  }

  /** @param {import("../asking/query.js").Region|null} region @param {boolean} add */
  #like(region, add) {
    if (this.image) this.host.like(this.image, region, add);
  }

  /** @param {Image} image */
  #drawActions(image) {
    setText(this.copy, texts.copyLink);
    const ready = image.state === "ready";
    this.partButton.hidden = !ready;
    this.addButton.hidden = !ready || !this.host.searching();
    const href = downloadUrl(image.url);
    if (href) this.download.href = href;
    else this.download.removeAttribute("href");
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
    await copyText(this.host.link(this.image.id), this.dialog);
    this.copy.focus();
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
    this.part.close();
    this.picture.clear();
    this.reading.hide();
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
