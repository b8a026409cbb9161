/** Sign-in, where there is any: fetched only there. */
import { Account } from "./account.js";
import { byId } from "../shared/dom.js";
import { Session } from "./session.js";
import { SignInScreen } from "./sign-in.js";

/** @param {import("../api.js").Api} api @param {import("./oidc.js").SignInConfig} config @returns {boolean} whether this window is a page, not one that only brings back a sign-in */
export function startSession(api, config) {
  api.session = new Session(config, api.base, new SignInScreen(byId("sign-in")));
  return api.session.start();
}

/** The account in the corner, and what the page does when someone comes in or goes. @param {Session} session @param {import("../page.js").Page} page */
export function showAccount(session, page) {
  const account = new Account(session, () => page.busy());
  session.listener = {
    entered: () => {
      page.entered();
      account.draw();
    },
    leaving: () => page.leaving(),
  };
}
