/**
 * Who is signed in, and the access token that says so to the API. The token is in memory only; the
 * refresh token is in this tab's sessionStorage. While nobody is signed in, whoever asks for the
 * token waits until someone is.
 *
 * @typedef {import("./oidc.js").Asked} Asked
 * @typedef {import("./oidc.js").Answer} Answer
 * @typedef {import("./oidc.js").Tokens} Tokens
 * @typedef {"read"|"upload"|"admin"} Right
 * @typedef {object} Listener
 * @property {() => void} entered a token is there, the pictures' cookies are set, rights are known
 * @property {() => void} leaving this page is about to be left for good
 */
import { Gate, Unreachable } from "./gate.js";
import { answerIn, claimsOf, Provider, Refused } from "./oidc.js";
import { texts } from "../texts.js";

const REFRESH = "refresh-token";
const ASKED = "sign-in";
/** Set in localStorage while signed in, so that another tab asks the service without a click. */
const KNOWN = "signed-in";
/** Before the state of a sign-in in a window of its own. */
const WINDOW = "w.";
const AHEAD_MS = 5 * 60_000;
const AGAIN_MS = 4000;
const TIMEOUT_MS = 15_000;
/** How long a token is taken to be good for where the service does not say. */
const UNSAID_S = 300;
const GOODBYE_MS = 3000;
const CLOCKS_MS = 2 * 60_000;
const HANDED_MS = 2000;

export class Session {
  /** @type {Set<Right>} */
  rights = new Set();
  name = "";
  /** Who this is to the API: the owner of what they upload. */
  subject = "";
  /** Settled once the cookies of the newest token are set, or could not be. @type {Promise<void>} */
  admitted = Promise.resolve();
  #token = "";
  /** Once true, there is something on the page to keep. */
  #entered = false;
  #signedOut = false;
  #expires = 0;
  #renewAt = 0;
  #timer = 0;
  /** @type {Promise<void>|null} */
  #renewing = null;
  #gate = new Gate();
  /** A sign-in in another window, ready to be opened. @type {Asked|null} */
  #asked = null;

  /**
   * @param {import("./oidc.js").SignInConfig} config
   * @param {URL} api
   * @param {import("./sign-in.js").SignInScreen} screen
   */
  constructor(config, api, screen) {
    this.provider = new Provider(config);
    this.api = api;
    this.screen = screen;
    /** @type {Listener} */
    this.listener = { entered: () => {}, leaving: () => {} };
    this.channel = new BroadcastChannel("sign-in");
    this.channel.addEventListener("message", ({ data }) => this.#heard(data));
    document.addEventListener("visibilitychange", () => this.#renewInTime());
    addEventListener("online", () => this.#renewInTime());
  }

  /** @param {Right} right */
  may(right) {
    return this.rights.has(right);
  }

  /** Takes up what is there: an answer of the service, or an earlier session of this tab. False: this window has done its part. */
  start() {
    const answer = answerIn(location.search);
    if (answer?.state.startsWith(WINDOW)) {
      this.#handOver(answer);
      return false;
    }
    if (!cookiesWork()) this.#leave(texts.signIn.noCookies);
    else if (answer) this.#returned(answer);
    else if (sessionStorage.getItem(REFRESH)) this.#renew().catch(() => {});
    else if (localStorage.getItem(KNOWN)) this.#goAway("replace");
    else this.#leave();
    return true;
  }

  /** A token that the API takes, as soon as there is one. Throws `Unreachable`. */
  async token() {
    for (;;) {
      if (this.#gate.wait) await this.#gate.wait;
      else if (this.#token && Date.now() < this.#expires) return this.#token;
      else await this.#renew();
    }
  }

  /** Another one than `refused`, which the API did not take. @param {string} refused */
  renewed(refused) {
    if (refused === this.#token) this.#expires = 0;
    return this.token();
  }

  async signOut() {
    const token = this.#token;
    this.#signedOut = true;
    const refresh = this.#forget();
    this.channel.postMessage({ out: true });
    this.listener.leaving();
    const goodbyes = [this.#tell("DELETE", token), refresh && this.provider.revoke(refresh)];
    await Promise.race([Promise.allSettled(goodbyes), new Promise((resolve) => setTimeout(resolve, GOODBYE_MS))]);
    location.assign(this.provider.logoutAddress);
  }

  /* Coming in */

  /** @param {Answer} answer */
  #returned(answer) {
    const asked = JSON.parse(sessionStorage.getItem(ASKED) ?? "null");
    sessionStorage.removeItem(ASKED);
    history.replaceState(null, "", asked?.page ?? this.provider.home);
    if (asked?.state !== answer.state) this.#leave(texts.signIn.mismatch);
    else this.#redeem(answer, asked);
  }

  /** @param {Answer} answer @param {Asked} asked */
  #redeem(answer, asked) {
    if (!answer.code) return this.#leave(texts.signIn.refused(answer.description || answer.error));
    this.#renewing = this.provider.exchange(answer.code, asked.verifier)
      .then((tokens) => this.#take(tokens), (error) => this.#leave(error instanceof Refused ? texts.signIn.spent : texts.signIn.offline))
      .finally(() => (this.#renewing = null));
  }

  /** One renewal at a time, however many ask for it. @returns {Promise<void>} */
  #renew() {
    const kept = sessionStorage.getItem(REFRESH);
    const ended = () => sessionStorage.getItem(REFRESH) !== kept; // meanwhile
    this.#renewing ??= this.provider.refresh(kept ?? "")
      .then((tokens) => (ended() ? this.#revoke(tokens.refresh_token) : this.#take(tokens)), (error) => {
        if (!(error instanceof Refused)) throw new Unreachable(texts.signIn.offline, { cause: error });
        this.#leave();
      })
      .finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  /** Ahead of its end, though not for a tab that nobody looks at. */
  #renewInTime() {
    if (!document.hidden && this.#token && Date.now() >= this.#renewAt) this.#renew().catch(() => {});
  }

  /** @param {Tokens} tokens */
  #take(tokens) {
    if (this.#signedOut) return this.#revoke(tokens.refresh_token); // it came too late
    const { sub = "", username = "" } = claimsOf(tokens.access_token);
    if (tokens.refresh_token) sessionStorage.setItem(REFRESH, tokens.refresh_token);
    localStorage.setItem(KNOWN, "yes");
    if (this.subject && sub !== this.subject) {
      // Someone else: what waits here is not theirs to do.
      this.listener.leaving();
      return location.reload();
    }
    const about = claimsOf(tokens.id_token);
    this.subject = sub;
    this.name = about.email || about["cognito:username"] || username || this.name;
    this.#token = tokens.access_token;
    const lasts = (tokens.expires_in || UNSAID_S) * 1000;
    this.#expires = Date.now() + lasts * 0.95; // it was made a moment ago, and has a way to go
    this.#renewAt = Date.now() + lasts - Math.min(AHEAD_MS, lasts / 4);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#renewInTime(), this.#renewAt - Date.now());
    this.#open();
  }

  /** Has the pictures' cookies set, and learns what this person may do. */
  #open() {
    this.admitted = this.#admit(this.#token);
    this.#gate.open();
    this.#asked = null;
    this.screen.hide();
  }

  /** @param {string} token */
  async #admit(token) {
    try {
      const response = await this.#tell("POST", token);
      if (response.status === 429 || response.status >= 500) throw new Error(String(response.status));
      const said = await response.json();
      if (token !== this.#token) return;
      if (response.status === 401) return this.#leave(notTaken(said.error?.message ?? "", token));
      this.rights = new Set(said.scopes ?? []);
      this.#entered = true;
      this.listener.entered();
    } catch {
      setTimeout(() => token === this.#token && (this.admitted = this.#admit(token)), AGAIN_MS);
    }
  }

  /** @param {"POST"|"DELETE"} method @param {string} token */
  #tell(method, token) {
    const headers = { accept: "application/json", authorization: `Bearer ${token}` };
    return fetch(new URL("session", this.api), { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  }

  /* Going out */

  /** Nobody is signed in any more: shows why, and how to go on. @param {string} [problem] */
  #leave(problem = "") {
    this.#forget();
    if (!this.#entered) return this.screen.show({ problem, act: () => this.#goAway() });
    // Pressed before there is an address, the button would say that the window was blocked.
    this.#prepare().finally(() => this.screen.show({ problem, over: true, act: () => this.#goAside(), instead: () => this.#goAway() }));
  }

  /** Drops the tokens of this tab; returns the refresh token. */
  #forget() {
    this.#gate.shut();
    clearTimeout(this.#timer);
    this.#token = "";
    this.#expires = 0;
    if (!cookiesWork()) return "";
    const refresh = sessionStorage.getItem(REFRESH) ?? "";
    sessionStorage.removeItem(REFRESH);
    localStorage.removeItem(KNOWN);
    return refresh;
  }

  /** To the service in this window, and back to where we are. @param {"assign"|"replace"} [step] */
  async #goAway(step = "assign") {
    if (!cookiesWork()) return location.reload();
    this.#gate.shut();
    const { address, ...asked } = await this.provider.ask();
    sessionStorage.setItem(ASKED, JSON.stringify({ ...asked, page: location.href }));
    location[step](address);
  }

  async #prepare() {
    this.#asked = await this.provider.ask(WINDOW); // before the click: browsers block windows opened after a wait
  }

  /** To the service in a window of its own: this page stays as it is, files to upload and all. */
  #goAside() {
    return Boolean(this.#asked && window.open(this.#asked.address, "sign-in", "popup,width=480,height=700"));
  }

  /** @param {string|undefined} refresh */
  #revoke(refresh) {
    if (refresh) this.provider.revoke(refresh).catch(() => {});
  }

  /* Other windows */

  /** @param {{answer?: Answer, out?: boolean}} message */
  #heard({ answer, out }) {
    if (out) {
      this.#signedOut = true;
      this.#revoke(this.#forget());
      this.listener.leaving();
      location.reload();
    } else if (answer && this.#asked && answer.state === this.#asked.state) {
      const asked = this.#asked;
      this.channel.postMessage({ taken: answer.state });
      this.#redeem(answer, asked);
    }
  }

  /** Gives what the service said to the page that asked for it. @param {Answer} answer */
  #handOver(answer) {
    const home = () => location.replace(this.provider.home);
    const late = setTimeout(() => this.screen.show({ problem: texts.signIn.nobodyWaits, act: home }), HANDED_MS);
    this.channel.addEventListener("message", ({ data }) => {
      if (data.taken !== answer.state) return;
      clearTimeout(late);
      window.close();
      this.screen.show({ problem: "", body: texts.signIn.closeWindow, act: null });
    });
    this.channel.postMessage({ answer });
  }
}

/** Whether this browser keeps anything for us; where it keeps nothing even asking throws. */
function cookiesWork() {
  try {
    return navigator.cookieEnabled && Boolean(sessionStorage) && Boolean(localStorage);
  } catch {
    return false;
  }
}

/** Why the API does not take a token that is a moment old. @param {string} message @param {string} token */
function notTaken(message, token) {
  const apart = Date.now() - claimsOf(token).iat * 1000;
  return Math.abs(apart) > CLOCKS_MS ? texts.signIn.clock(Math.round(Math.abs(apart) / 60_000)) : texts.signIn.notTaken(message);
}
