// Every page of a running cloud in Chromium: light and dark, 1280 and 390 pixels.
//
//   cd templates/web && npm ci --ignore-scripts
//   PICTOR_URL=http://127.0.0.1:PORT PICTOR_EMAIL=… PICTOR_PASSWORD=… node tests/pages.mjs [FOLDER]
//
// PICTOR_URL       address of a running cloud; it has an account with the roles provider and creator.
// PICTOR_EMAIL, PICTOR_PASSWORD   that account.
// PICTOR_CHROMIUM  the browser; /usr/bin/chromium unless said.
// FOLDER           where screenshots go; none are written without it.
//
// It signs in, makes a worker by keyboard, walks over every page that it finds (workers, jobs and frames
// there are), and fails (exit 1) on an accessibility violation, a policy violation, a console error, a
// request to another host or a page that scrolls sideways; then it does the same set-up without scripts.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { THEMES, WIDTHS, axe, context, launch, sideways, watch } from "./browser.mjs";

const { PICTOR_URL, PICTOR_EMAIL, PICTOR_PASSWORD } = process.env;
if (!PICTOR_URL || !PICTOR_EMAIL || !PICTOR_PASSWORD) {
  console.error("set PICTOR_URL, PICTOR_EMAIL and PICTOR_PASSWORD; the head of this file says how");
  process.exit(2);
}
const base = new URL(PICTOR_URL).origin;
const folder = process.argv[2];
if (folder) await mkdir(folder, { recursive: true });
const failures = [];
const fail = (words) => {
  failures.push(words);
  console.error(words);
};

async function signIn(page) {
  await page.goto(`${base}/sign-in`);
  await page.fill("[name=email]", PICTOR_EMAIL);
  await page.fill("[name=password]", PICTOR_PASSWORD);
  await page.click("button:has-text('Sign in')");
  await page.waitForURL((url) => !url.pathname.startsWith("/sign-in"));
}

/** A worker named, its page of set-up reached and its file downloaded, by keyboard alone. */
async function workerByKeyboard(page) {
  await page.goto(`${base}/workers/new`);
  await page.focus("[name=name]");
  const name = `keys-${Date.now().toString(36)}`;
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.type(name);
  await page.keyboard.press("Enter");
  await page.waitForURL(/set-up$/);
  await page.focus("#download");
  const download = page.waitForEvent("download");
  await page.keyboard.press("Enter");
  if ((await download).suggestedFilename() !== `${name}.pictor`)
    fail("the configuration file has another name");
  return page.url();
}

async function linksOn(page, path, selector) {
  await page.goto(base + path);
  return page.$$eval(selector, (links) => links.slice(0, 2).map((link) => new URL(link.href).pathname));
}

async function check(page, path, name, label) {
  const wrong = watch(page, base);
  const answer = await page.goto(base + path, { waitUntil: "load" });
  if (!answer?.ok()) fail(`${label}: ${path} answered ${answer?.status()}`);
  await page.waitForTimeout(200);
  for (const words of [...wrong, ...(await axe(page))]) fail(`${label} ${path}: ${words}`);
  const wider = await sideways(page);
  if (wider > 0) fail(`${label} ${path}: ${wider} pixels wider than the window`);
  if (folder) await page.screenshot({ path: join(folder, `${name}-${label}.png`), fullPage: true });
}

const browser = await launch();
const first = await context(browser, { width: 1280, theme: "light" });
const page = await first.newPage();
await signIn(page);
const setUp = new URL(await workerByKeyboard(page)).pathname;
const workers = await linksOn(page, "/workers", "a.table__name");
const jobs = await linksOn(page, "/jobs", "a.table__name");
const frames = jobs[0] ? await linksOn(page, jobs[0], "a.frame") : [];
const state = await first.storageState();
await first.close();

const paths = ["/workers", "/workers/new", setUp, "/jobs", "/jobs/new", "/account"];
paths.push(...workers, ...workers.slice(0, 1).map((path) => `${path}?tab=settings`), ...frames.slice(0, 1));
for (const job of jobs) paths.push(job, ...["tasks", "log", "settings"].map((tab) => `${job}?tab=${tab}`));
for (const theme of THEMES) {
  for (const width of WIDTHS) {
    const label = `${theme}-${width}`;
    const signedIn = await context(browser, { width, theme, state });
    for (const [number, path] of paths.entries()) {
      const tab = await signedIn.newPage();
      await check(tab, path, `${number}-${path.split("/")[1].replace(/\W/g, "-")}`, label);
      await tab.close();
    }
    await signedIn.close();
    const nobody = await context(browser, { width, theme });
    await check(await nobody.newPage(), "/sign-in", "sign-in", label);
    await nobody.close();
  }
}

const plain = await context(browser, { width: 1280, theme: "light", script: false });
const tab = await plain.newPage();
await signIn(tab);
await tab.goto(`${base}/workers/new`);
await tab.fill("[name=name]", `plain-${Date.now().toString(36)}`);
await tab.click("button:has-text('Create the worker')");
if (!tab.url().endsWith("/set-up")) fail(`without scripts: ${tab.url()} instead of the set-up page`);
const saved = tab.waitForEvent("download");
await tab.click("#download");
await saved;
await tab.goto(`${base}/workers`);
await tab.click("button[value=dark]");
if ((await tab.getAttribute("html", "data-theme")) !== "dark")
  fail("without scripts: the theme did not change");
await plain.close();
await browser.close();
console.log(
  failures.length ? `${failures.length} failures` : `${paths.length + 1} pages, both themes and widths: fine`,
);
process.exit(failures.length ? 1 : 0);
