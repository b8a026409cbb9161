/** Who is signed in, and the way out: a small menu in the corner. */
import { byId, el } from "../shared/dom.js";
import { texts } from "../texts.js";

export class Account {
  name = el("strong");
  rights = el("p", { class: "small" });
  out = el("button", { type: "button", class: "button", data: { testid: "sign-out" }, on: { click: () => this.#pressed() } });

  /** @param {import("./session.js").Session} session @param {() => boolean} busy whether signing out would end what is under way */
  constructor(session, busy) {
    this.session = session;
    this.busy = busy;
    this.opener = byId("account");
    const menu = byId("account-menu");
    menu.append(this.name, this.rights, this.out);
    menu.addEventListener("toggle", () => this.#ask(false));
    this.#ask(false);
  }

  /** Shows who is here by now. */
  draw() {
    const { session } = this;
    this.name.textContent = session.name;
    this.rights.textContent = texts.mayDo(session.may("upload"), session.may("admin"));
    this.opener.querySelector("span").textContent = [...session.name][0] ?? "?";
    this.opener.setAttribute("aria-label", texts.accountOf(session.name));
    this.opener.title = session.name;
    this.opener.hidden = false;
  }

  /** @param {boolean} sure whether to ask once more */
  #ask(sure) {
    this.sure = sure;
    this.out.textContent = sure ? texts.signOutSure : texts.signOut;
    this.out.classList.toggle("danger", sure);
  }

  #pressed() {
    if (this.busy() && !this.sure) return this.#ask(true);
    this.out.disabled = true;
    this.session.signOut();
  }
}
