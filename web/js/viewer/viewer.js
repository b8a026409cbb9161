/** The larger view of one image: a modal dialog over the grid. */
import { announce } from "../shared/announce.js";
import { Copies } from "./copies.js";
import { button, el, icon } from "../shared/dom.js";
import { nameOf } from "../shared/format.js";
import { downloadUrl } from "../shared/told.js";
import { Facts } from "./facts.js";
import { Fingers } from "./fingers.js";
import { LinkOf } from "./link.js";
import { PartOfPicture } from "./region.js";
import { Picture } from "./picture.js";
import { Reading } from "./reading.js";
import { texts } from "../texts.js";
import { Zoom } from "./zoom.js";

/** How near the last of those loaded the next are asked for. */
const AHEAD = 4;

/**
 * @typedef {import("../api.js").Image} Image
 * @typedef {object} Host what the page does for the viewer
 * @property {() => Image[]} items the images to walk through
 * @property {() => number|null} total
 * @property {() => Promise<void>} more loads more of them
 * @property {(id: string) => void} shown
 * @property {(id: string) => void} closed
 * @property {(image: Image, region: import("../asking/query.js").Region|null, add: boolean) => void} like searches by it; `add`: in the search that is under way
 * @property {(place: {lat: number, lon: number}) => void} around asks for what was taken there
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
  deleteButton = button({ icon: "delete", text: texts.delete, class: "button danger", data: { testid: "delete" }, click: () => this.#askDelete(true) });
  partButton = button({ icon: "part", text: texts.part, data: { testid: "search-part" }, click: () => this.part.open() });
  addButton = button({ icon: "plus", text: texts.addToSearch, data: { testid: "add-to-search" }, click: () => this.#like(null, true) });
  confirm = button({ text: texts.delete, class: "button danger solid", data: { testid: "confirm-delete" }, click: () => this.#delete() });

  picture = new Picture();
  part = new PartOfPicture(this.picture.frame, (region, add) => this.#like(region, add), { searching: () => this.host.searching(), zoomed: () => this.zoom.on });
  room = el("div", { class: "room" }, this.picture.frame);
  stage = el("div", { class: "stage" }, this.room);
  /** @type {Zoom} */
  zoom = new Zoom(this.stage, this.room, this.picture.frame, { free: () => !this.part.on, changed: () => this.picture.zoomed(this.zoom.scale) });
  facts = new Facts((place) => this.host.around(place));
  reading = new Reading((id, signal) => this.host.whole(id, signal));
  copies = new Copies((id, signal) => this.host.copies(id, signal), (id) => this.host.link(id), (image) => this.host.open(image));
  position = el("p", { class: "position", data: { testid: "position" } });
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
    this.link = new LinkOf(dialog);
    this.#build();
    dialog.addEventListener("keydown", (event) => this.#pressed(event));
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.#leave();
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
    this.zoom.start(image.width);
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
    this.stage.append(this.picture.note, this.back, this.forth, this.part.hint, this.zoom.bar,
      el("div", { class: "bar" }, this.closeButton, this.position, this.part.bar));
    new Fingers(this.room, this.picture.frame, {
      zoom: this.zoom,
      free: () => !this.part.on,
      letGo: () => this.part.letGo(),
      step: (step) => this.#step(step),
      close: () => this.close(),
      top: () => this.dialog.scrollTop === 0,
    });
    this.panel.append(el("div", { class: "title" }, this.facts.name, this.facts.match),
      el("div", { class: "actions" },
        button({ icon: "like", text: texts.moreLikeThis, class: "button primary", data: { testid: "more-like-this" }, click: () => this.#like(null, false) }),
        this.addButton, this.partButton, this.download, this.link.button, this.link.field, this.deleteButton),
      this.ask, this.reading.section, this.copies.section, this.facts.list);
    this.dialog.append(this.stage, this.panel);
  }

  /** @param {import("../asking/query.js").Region|null} region @param {boolean} add */
  #like(region, add) {
    if (this.image) this.host.like(this.image, region, add);
  }

  /** @param {Image} image */
  #drawActions(image) {
    this.link.reset(this.host.link(image.id));
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
    if (index < 0) return;
    this.picture.beside([items[index + 1], items[index - 1]]);
    if (index + AHEAD >= items.length) this.#loadMore(items.length);
  }

  /** The next page, before it is needed. @param {number} had */
  async #loadMore(had) {
    await this.host.more();
    if (this.open && this.host.items().length > had) this.#drawSteps();
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
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.target === this.link.field && event.key !== "Escape") return; // the cursor's
    const step = { ArrowLeft: /** @type {const} */ (-1), ArrowRight: /** @type {const} */ (1) }[event.key];
    if (event.key === "Escape") this.#leave();
    else if (this.zoom.pressed(event)) return event.preventDefault();
    else if (!step || event.shiftKey) return;
    else this.#step(step);
    event.preventDefault();
  }

  /** The innermost of what is open. */
  #leave() {
    if (this.part.on) this.part.close();
    else if (!this.ask.hidden) this.#askDelete(false);
    else if (this.zoom.on) this.zoom.reset(true);
    else this.close();
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
