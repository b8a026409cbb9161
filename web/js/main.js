/** Starts the page: reads where the API is, asks people to sign in where they must. */
import { Api } from "./api.js";
import { Page } from "./page.js";
import { fillTexts } from "./shared/dom.js";

/** @returns {Promise<{api: string, sign_in?: import("./people/oidc.js").SignInConfig}>} */
async function readConfig() {
  try {
    const response = await fetch("config.json");
    return { api: "api", ...(response.ok ? await response.json() : {}) };
  } catch {
    return { api: "api" };
  }
}

async function start() {
  fillTexts();
  const { api: base, sign_in } = await readConfig();
  const api = new Api(base);
  if (!sign_in) return void new Page(api);
  const { showAccount, startSession } = await import("./people/people.js");
  if (!startSession(api, sign_in) || !api.session) return;
  showAccount(api.session, new Page(api));
}

start();
