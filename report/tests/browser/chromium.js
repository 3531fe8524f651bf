// Debian's Chromium without a window, spoken to through a pipe: no driver, no port, no browser download.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
  "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
  "--force-color-profile=srgb", "--remote-debugging-pipe"];
const PATIENCE_MS = 30_000;

export class Chromium {
  static async launch(executable = process.env.CHROMIUM ?? "chromium") {
    const profile = await mkdtemp(join(tmpdir(), "veilbench-chromium-"));
    const child = spawn(executable, [...FLAGS, `--user-data-dir=${profile}`], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    return new Chromium(child, profile);
  }

  constructor(child, profile) {
    Object.assign(this, { child, profile, next: 1, waiting: new Map(), pages: new Map() });
    this.ended = new Promise((resolve) => child.once("exit", resolve));
    child.once("error", (error) => this.#fail(error));
    child.once("exit", (code) => this.#fail(new Error(`chromium ended with ${code}`)));
    let rest = "";
    child.stdio[4].setEncoding("utf8").on("data", (text) => {
      const messages = (rest + text).split("\0");
      rest = messages.pop();
      for (const message of messages) this.#receive(JSON.parse(message));
    });
  }

  #fail(error) {
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }

  #receive({ id, result, error, method, params, sessionId }) {
    if (id === undefined) return this.pages.get(sessionId)?.heard(method, params);
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (error) waiting?.reject(new Error(error.message));
    else waiting?.resolve(result);
  }

  send(method, params = {}, sessionId = undefined) {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      const clock = setTimeout(() => reject(new Error(`${method}: no answer within ${PATIENCE_MS} ms`)), PATIENCE_MS);
      const settled = (settle) => (value) => {
        clearTimeout(clock);
        settle(value);
      };
      this.waiting.set(id, { resolve: settled(resolve), reject: settled(reject) });
      this.child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  /** A new tab of this size, in light or dark. */
  async page({ width = 1280, height = 900, scheme = "light", mobile = false } = {}) {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, sessionId, targetId);
    this.pages.set(sessionId, page);
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await page.send(`${domain}.enable`);
    await page.resize(width, height, mobile);
    await page.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
    return page;
  }

  async close() {
    await this.send("Browser.close").catch(() => {});
    await this.ended;
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

class Page {
  constructor(browser, session, target) {
    Object.assign(this, { browser, session, target, errors: [], requests: [] });
  }

  send(method, params) {
    return this.browser.send(method, params, this.session);
  }

  heard(method, params) {
    if (method === "Runtime.exceptionThrown") this.errors.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === "Runtime.consoleAPICalled" && ["error", "warning", "assert"].includes(params.type)) {
      this.errors.push(params.args.map((value) => value.value ?? value.description).join(" "));
    }
    if (method === "Log.entryAdded" && params.entry.level === "error") this.errors.push(params.entry.text);
    if (method === "Network.requestWillBeSent") this.requests.push(params.request.url);
  }

  resize(width, height, mobile = false) {
    return this.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile });
  }

  /** Opens an address and waits until the page's script has drawn its view. */
  async open(url) {
    await this.send("Page.navigate", { url: "about:blank" });
    await this.until("location.href === 'about:blank'");
    await this.send("Page.navigate", { url });
    await this.until("document.documentElement.dataset.ready !== undefined");
  }

  /** The value of an expression, or of what it promises. */
  async eval(expression) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  async until(condition) {
    const end = Date.now() + PATIENCE_MS;
    while (Date.now() < end) {
      if (await this.eval(`Boolean(${condition})`).catch(() => false)) return;
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    throw new Error(`never true: ${condition}`);
  }

  async press(key, { code = key, keyCode, text } = {}) {
    const event = { key, code, windowsVirtualKeyCode: keyCode, nativeVirtualKeyCode: keyCode };
    await this.send("Input.dispatchKeyEvent", { type: text ? "keyDown" : "rawKeyDown", text, ...event });
    await this.send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  }

  type(text) {
    return this.send("Input.insertText", { text });
  }

  async screenshot(full = false) {
    const { data } = await this.send("Page.captureScreenshot", { format: "png", captureBeyondViewport: full });
    return Buffer.from(data, "base64");
  }

  close() {
    this.browser.pages.delete(this.session);
    return this.browser.send("Target.closeTarget", { targetId: this.target });
  }
}
