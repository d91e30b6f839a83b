// What the browser tests share: one Chromium, pages in both themes and widths, and the checks that every page
// must pass (axe, Content-Security-Policy, console, sideways scroll).
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

const axePath = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
export const WIDTHS = [1280, 390];
export const THEMES = ["light", "dark"];
const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export async function launch() {
  const { existsSync } = await import("node:fs");
  const executablePath = process.env.PICTOR_CHROMIUM ?? PLACES.find((path) => existsSync(path));
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

/** A context with nothing in it; `state` is a storage state to begin with. */
export async function context(browser, { width, theme, script = true, state }) {
  return browser.newContext({
    viewport: { width, height: width < 500 ? 844 : 860 },
    colorScheme: theme,
    javaScriptEnabled: script,
    acceptDownloads: true,
    storageState: state,
    bypassCSP: false,
  });
}

/** Collects what went wrong: console errors, page errors, policy violations, requests to other hosts. */
export function watch(page, origin) {
  const wrong = [];
  page.on("console", (message) => {
    if (message.type() === "error" || /Content Security Policy/i.test(message.text())) {
      wrong.push(`console: ${message.text()} (${message.location().url})`);
    }
  });
  page.on("pageerror", (error) => wrong.push(`script: ${error.message}`));
  page.on("request", (request) => {
    const url = request.url();
    if (/^https?:/.test(url) && !url.startsWith(origin)) wrong.push(`another host: ${url}`);
  });
  return wrong;
}

/** Violations of the accessibility rules, in words. Runs in an isolated world, so the page's policy holds. */
export async function axe(page) {
  const source = await readFile(axePath, "utf8");
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send("Page.getFrameTree");
  const { executionContextId } = await session.send("Page.createIsolatedWorld", {
    frameId: frameTree.frame.id,
  });
  const run = async (expression, awaitPromise) => {
    const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
      expression,
      contextId: executionContextId,
      awaitPromise,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  await run(`${source};0`, false);
  const violations = await run(
    `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations.map((v) => {
      const nodes = v.nodes.slice(0, 4);
      const places = nodes.map((n) => n.target.join(" ") + " [" + (n.any[0]?.message ?? "") + "]");
      return v.id + ": " + v.help + " " + places.join("; ");
    }))`,
    true,
  );
  await session.detach();
  return violations;
}

/** How many pixels the page is wider than the window. */
export async function sideways(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

/** Signs in as a person does. */
export async function signIn(page, base, email, password) {
  await page.goto(`${base}/sign-in`);
  await page.fill("[name=email]", email);
  await page.fill("[name=password]", password);
  await page.click("button:has-text('Sign in')");
  await page.waitForURL((url) => !url.pathname.startsWith("/sign-in"));
}

/** Writes pictures of whole pages into a folder; does nothing without one. */
export async function shooter(folder) {
  if (folder) await mkdir(folder, { recursive: true });
  return async (page, name) => {
    if (!folder) return;
    const file = `${name.replace(/[^\w-]+/g, "-")}.png`;
    await page.screenshot({ path: join(folder, file), fullPage: true });
  };
}

/** Once nothing more will move by itself: fonts are there, pictures in sight are drawn. */
export async function settled(page) {
  await page.evaluate(() => document.fonts.ready.then(() => true));
  await page.waitForFunction(() =>
    [...document.images].every((image) => {
      const box = image.getBoundingClientRect();
      const isInSight = box.top < innerHeight && box.bottom > 0 && box.width > 0;
      return !isInSight || image.complete;
    }),
  );
}
