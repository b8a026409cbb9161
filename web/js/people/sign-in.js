/** The screen that asks people to sign in: all there is at first, over the page when a session has ended. */
import { button, el } from "../shared/dom.js";
import { texts } from "../texts.js";

/**
 * @typedef {object} Asking
 * @property {string} problem why it is asked, where there is more to say than that it is
 * @property {string} [body] in place of the usual sentence
 * @property {boolean} [over] the page below is kept and goes on afterwards
 * @property {(() => unknown)|null} act signs in; false: the window for it was blocked
 * @property {() => unknown} [instead] signs in without one
 */

export class SignInScreen {
  /** @type {Asking|null} */
  #asking = null;
  /** Where the focus was, and the caret in it: closing a dialog brings back the one, not the other. @type {any} */
  #from = null;
  /** @type {[number, number]|null} */
  #caret = null;

  /** @param {HTMLDialogElement} dialog */
  constructor(dialog) {
    this.dialog = dialog;
    this.title = el("h2", { id: "sign-in-title" });
    this.body = el("p");
    this.problem = el("p", { class: "problem", role: "alert", data: { testid: "sign-in-problem" } });
    this.button = button({ text: texts.signIn.button, class: "button primary", data: { testid: "sign-in-button" }, click: () => this.#act() });
    this.instead = button({ text: texts.signIn.instead, class: "text-button", data: { testid: "sign-in-instead" }, click: () => this.#asking?.instead?.() });
    dialog.append(el("div", {}, el("img", { src: "favicon.svg", alt: "", width: 52, height: 52 }), this.title, this.body, this.problem, this.button, this.instead));
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", () => this.#asking && this.#open()); // a browser may close it all the same
  }

  /** @param {Asking} asking */
  show(asking) {
    this.#asking = asking;
    const { problem, body, over = false, act } = asking;
    this.title.textContent = over ? texts.signIn.endedTitle : texts.title;
    this.body.textContent = body ?? (over ? texts.signIn.endedBody : texts.signIn.body);
    this.#say(problem);
    this.button.hidden = !act;
    this.instead.hidden = true;
    this.dialog.classList.toggle("over", over);
    this.#open();
  }

  hide() {
    if (!this.#asking) return;
    this.#asking = null;
    this.dialog.close();
    if (this.#caret && document.activeElement === this.#from) this.#from.setSelectionRange(...this.#caret);
  }

  #open() {
    if (!this.dialog.open) {
      this.#from = document.activeElement;
      const { selectionStart: start = null, selectionEnd: end } = this.#from;
      this.#caret = start === null ? null : [start, end];
      this.dialog.showModal();
    }
    this.button.focus();
  }

  /** @param {string} problem */
  #say(problem) {
    this.problem.textContent = problem;
    this.problem.hidden = !problem;
  }

  #act() {
    if (this.#asking?.act?.() !== false) return;
    this.#say(texts.signIn.blocked);
    this.instead.hidden = false;
  }
}
