/** The list of files that could not be read as images, with the reason and a way to delete each. */
import { announce } from "../shared/announce.js";
import { button, el } from "../shared/dom.js";
import { formatBytes, nameOf } from "../shared/format.js";
import { formatDate } from "../shared/told.js";
import { texts } from "../texts.js";

/** @typedef {import("../api.js").Image} Image */

export class Rejected {
  /** @type {string|null} */
  #cursor = null;

  /** @param {HTMLDialogElement} dialog @param {import("../api.js").Api} api @param {() => void} onDeleted */
  constructor(dialog, api, onDeleted) {
    this.dialog = dialog;
    this.api = api;
    this.onDeleted = onDeleted;
    this.list = el("ul");
    this.note = el("p", { class: "small", role: "status" });
    this.more = button({ text: texts.more, click: () => this.#load() });
    this.closeButton = button({ icon: "close", label: texts.close, class: "icon-button", click: () => dialog.close() });
    dialog.append(
      el("div", { class: "head" }, el("h2", { id: "rejected-title", text: texts.rejectedTitle }), this.closeButton),
      el("p", { class: "small", text: texts.rejectedBody }), this.list, this.note, this.more,
    );
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }

  open() {
    this.#cursor = null;
    this.list.replaceChildren();
    this.dialog.showModal();
    this.#load();
  }

  async #load() {
    this.more.hidden = true;
    this.note.textContent = texts.moreLoading;
    try {
      const page = await this.api.rejected(this.#cursor);
      this.#cursor = page.next_cursor;
      this.list.append(...page.items.map((image) => this.#row(image)));
      this.note.textContent = this.list.children.length ? "" : texts.rejectedNone;
      this.more.hidden = !this.#cursor;
    } catch (error) {
      this.note.textContent = texts.rejectedFailed(error instanceof Error ? error.message : String(error));
      this.more.hidden = false;
    }
  }

  /** @param {Image} image */
  #row(image) {
    const about = [formatBytes(image.bytes), formatDate(image.uploaded_at)].filter(Boolean).join(" · ");
    const entry = el("div", {}, el("strong", { text: nameOf(image) }), el("p", { text: image.reason }), el("p", { class: "small", text: about }));
    let sure = false;
    const remove = button({
      text: texts.delete,
      label: texts.deleteName(nameOf(image)),
      class: "button danger small",
      data: { testid: "rejected-delete" },
      click: async () => {
        if (!sure) {
          sure = true;
          remove.setAttribute("aria-label", `${texts.deleteSure} ${nameOf(image)}`);
          remove.textContent = texts.deleteSure;
          remove.classList.add("solid");
          return;
        }
        remove.disabled = true;
        try {
          await this.api.remove(image.id);
          row.remove();
          announce(texts.deleteAnnounce(nameOf(image)));
          if (!this.list.children.length) this.note.textContent = texts.rejectedNone;
          this.closeButton.focus();
          this.onDeleted();
        } catch (error) {
          remove.disabled = false;
          this.note.textContent = texts.deleteFailed(error instanceof Error ? error.message : String(error));
        }
      },
    });
    remove.addEventListener("blur", () => {
      sure = false;
      remove.textContent = texts.delete;
      remove.setAttribute("aria-label", texts.deleteName(nameOf(image)));
      remove.classList.remove("solid");
    });
    const row = el("li", { data: { testid: "rejected-item", id: image.id } }, entry, this.api.mayDelete(image) && remove);
    return row;
  }
}
