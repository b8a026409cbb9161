/** The list of what could not be processed, with the reason: to be tried again, or discarded with one. */
import { announce } from "../shared/announce.js";
import { button, el } from "../shared/dom.js";
import { shown } from "../shared/format.js";
import { formatDate } from "../shared/told.js";
import { texts } from "../texts.js";

/** @typedef {import("../api.js").Letter} Letter */

/** @param {unknown} error */
const why = (error) => (error instanceof Error ? error.message : String(error));

/** @param {Letter} letter */
function nameOf(letter) {
  return letter.keys.length ? shown(letter.keys[0]) : texts.deadNoEvent;
}

export class DeadLetters {
  #loads = 0;

  /** @param {HTMLDialogElement} dialog @param {import("../api.js").Api} api @param {() => void} onGone */
  constructor(dialog, api, onGone) {
    this.dialog = dialog;
    this.api = api;
    this.onGone = onGone;
    this.list = el("ul");
    this.note = el("p", { class: "small", role: "status" });
    this.closeButton = button({ icon: "close", label: texts.close, class: "icon-button", data: { testid: "dead-close" }, click: () => dialog.close() });
    dialog.append(
      el("div", { class: "head" }, el("h2", { id: "dead-title", text: texts.deadTitle }), this.closeButton),
      el("p", { class: "small", text: texts.deadBody }), this.list, this.note,
    );
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }

  open() {
    this.dialog.showModal();
    this.#load();
  }

  async #load() {
    const load = ++this.#loads;
    this.list.replaceChildren();
    this.note.textContent = texts.moreLoading;
    try {
      const { items, total } = await this.api.deadLetters();
      if (load !== this.#loads) return;
      this.list.append(...items.map((letter) => this.#row(letter)));
      this.note.textContent = total > items.length ? texts.deadMore(total - items.length) : items.length ? "" : texts.deadNone;
    } catch (error) {
      if (load === this.#loads) this.note.textContent = texts.rejectedFailed(why(error));
    }
  }

  /** @param {Letter} letter */
  #row(letter) {
    const name = nameOf(letter);
    const title = letter.more_keys || letter.keys.length > 1 ? texts.deadAndMore(name, letter.keys.length - 1 + letter.more_keys) : name;
    const about = [letter.receives && texts.deadTries(letter.receives), formatDate(letter.came_at)].filter(Boolean).join(" · ");
    const again = button({
      icon: "retry", text: texts.retry, label: texts.retryName(name), class: "button small", data: { testid: "dead-retry" },
      click: () => this.#act(row, () => this.api.redrive(letter.id), texts.deadRetried(name)),
    });
    const discard = button({
      text: texts.deadDiscard, label: texts.deadDiscardName(name), class: "button danger small", data: { testid: "dead-discard" },
      click: () => {
        actions.hidden = true;
        row.append(this.#form(letter, row, actions));
        row.querySelector("input").focus();
      },
    });
    const actions = el("div", { class: "actions" }, again, discard);
    const row = el("li", { data: { testid: "dead-item", id: letter.id } },
      el("div", {}, el("strong", { text: title }), el("p", { text: letter.error }), el("p", { class: "small", text: about })), actions);
    return row;
  }

  /** Asks why. @param {Letter} letter @param {HTMLElement} row @param {HTMLElement} actions */
  #form(letter, row, actions) {
    const name = nameOf(letter);
    const reason = el("input", { class: "reason", required: true, maxlength: 500, "aria-label": texts.deadReasonName(name), placeholder: texts.deadReason, data: { testid: "dead-reason" } });
    const submit = el("button", { type: "submit", class: "button danger solid small", text: texts.deadDiscard, data: { testid: "dead-confirm" } });
    const form = el("form", { on: { submit: (/** @type {Event} */ event) => {
      event.preventDefault();
      if (reason.value.trim()) this.#act(row, () => this.api.discard(letter.id, reason.value), texts.deadDiscarded(name));
    } } }, reason, submit, button({
      text: texts.cancel, class: "button small",
      click: () => {
        form.remove();
        actions.hidden = false;
        /** @type {HTMLElement} */ (actions.lastElementChild).focus();
      },
    }));
    return form;
  }

  /** @param {HTMLElement} row @param {() => Promise<any>} act @param {string} done */
  async #act(row, act, done) {
    const buttons = row.querySelectorAll("button");
    for (const each of buttons) each.disabled = true;
    try {
      await act();
      row.remove();
      announce(done);
      this.note.textContent = this.list.children.length ? done : texts.deadNone;
      this.closeButton.focus();
      this.onGone();
    } catch (error) {
      for (const each of buttons) each.disabled = false;
      this.note.textContent = texts.deadFailed(why(error));
    }
  }
}
