/** Who is signed in, and the way out: a small menu in the corner. */
import { byId, el } from "./dom.js";
import { texts } from "./texts.js";

/**
 * @param {import("./session.js").Session} session
 * @param {() => boolean} busy whether signing out would end what is under way
 */
export function showAccount(session, busy) {
  const opener = byId("account");
  const menu = byId("account-menu");
  const name = el("strong", { text: session.name });
  const may = el("p", { class: "small", text: texts.mayDo(session.may("upload"), session.may("admin")) });
  const out = el("button", { type: "button", class: "button", data: { testid: "sign-out" }, text: texts.signOut });
  let sure = false;
  out.addEventListener("click", () => {
    if (busy() && !sure) {
      sure = true;
      out.textContent = texts.signOutSure;
      out.classList.add("danger");
      return;
    }
    out.disabled = true;
    session.signOut();
  });
  menu.replaceChildren(name, may, out);
  opener.querySelector("span").textContent = [...session.name][0] ?? "?";
  opener.setAttribute("aria-label", texts.accountOf(session.name));
  opener.title = session.name;
  opener.hidden = false;
}
