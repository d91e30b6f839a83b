// Every page of a running cloud in Chromium: light and dark, 1280 and 390 pixels.
//
//   cd templates/web && npm ci --ignore-scripts
//   PICTOR_URL=http://127.0.0.1:PORT PICTOR_EMAIL=… PICTOR_PASSWORD=… node tests/pages.mjs
//
// PICTOR_URL       address of a running cloud; it has an account with the roles provider and creator.
// PICTOR_EMAIL, PICTOR_PASSWORD   that account.
// PICTOR_CHROMIUM  the browser; /usr/bin/chromium unless said.
// PICTOR_SHOTS     where screenshots go; none are written without it.
// PICTOR_NEEDS     states of jobs that must be among what is walked over: “running completed failed”.
// PICTOR_SCENE     a small .blend file, submitted once without scripts.
//
// It signs in, makes a worker by keyboard, walks over every page that it finds (workers, a job of each
// state, frames), and fails (exit 1) on an accessibility violation, a policy violation, a console error, a
// request to another host or a page that scrolls sideways; then it does the main steps without scripts.
import {
  THEMES,
  WIDTHS,
  axe,
  context,
  launch,
  settled,
  shooter,
  sideways,
  signIn,
  watch,
} from "./browser.mjs";

const { PICTOR_URL, PICTOR_EMAIL, PICTOR_PASSWORD, PICTOR_SCENE } = process.env;
if (!PICTOR_URL || !PICTOR_EMAIL || !PICTOR_PASSWORD) {
  console.error("set PICTOR_URL, PICTOR_EMAIL and PICTOR_PASSWORD; the head of this file says how");
  process.exit(2);
}
const base = new URL(PICTOR_URL).origin;
const needs = (process.env.PICTOR_NEEDS ?? "").split(/\s+/).filter(Boolean);
const shoot = await shooter(process.env.PICTOR_SHOTS);
const STATES = ["running", "completed", "failed", "cancelled", "paused", "waiting"];
const failures = [];
const fail = (words) => {
  failures.push(words);
  console.error(words);
};

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
  return new URL(page.url()).pathname;
}

/** Workers that were seen: one that is online, if there is one, else any. */
async function aWorker(page) {
  await page.goto(`${base}/workers?sort=status`);
  const rows = await page.$$eval("#workers tbody tr", (rows) =>
    rows.map((row) => [row.dataset.word, new URL(row.querySelector("a.table__name").href).pathname]),
  );
  const seen = rows.filter(([word]) => !/set.?up|never/i.test(word));
  return (seen[0] ?? rows[0])?.[1];
}

/** The newest job of each state: `{ running: "/jobs/job_…", … }`. */
async function aJobOfEach(page) {
  await page.goto(`${base}/jobs`);
  const rows = await page.$$eval("#jobs tbody tr", (rows) =>
    rows.map((row) => [
      row.dataset.word.toLowerCase(),
      new URL(row.querySelector("a.table__name").href).pathname,
    ]),
  );
  const found = {};
  for (const [word, path] of rows) if (STATES.includes(word)) found[word] ??= path;
  for (const word of needs) if (!found[word]) fail(`no job is ${word}: ${JSON.stringify(rows)}`);
  return found;
}

/** Every path to look at, with a name for its picture. */
async function paths(page) {
  const list = { workers: "/workers", "worker-new": "/workers/new", jobs: "/jobs", submit: "/jobs/new" };
  list["worker-set-up"] = await workerByKeyboard(page);
  const worker = await aWorker(page);
  if (worker) Object.assign(list, { worker, "worker-settings": `${worker}?tab=settings` });
  const jobs = await aJobOfEach(page);
  for (const [word, path] of Object.entries(jobs)) list[`job-${word}`] = path;
  const whole = jobs.completed ?? Object.values(jobs)[0];
  if (whole) for (const tab of ["tasks", "log", "settings"]) list[`job-${tab}`] = `${whole}?tab=${tab}`;
  if (jobs.completed) {
    await page.goto(base + jobs.completed);
    list.frame = new URL(
      await page
        .locator("a.frame")
        .first()
        .evaluate((link) => link.href),
    ).pathname;
  }
  return { ...list, "no-such-job": "/jobs/job_00000000000000000000000000", account: "/account" };
}

async function check(page, path, name, label) {
  const wrong = watch(page, base);
  const isMissing = name.startsWith("no-such");
  const answer = await page.goto(base + path, { waitUntil: "load" });
  if (answer?.ok() === isMissing) fail(`${label}: ${path} answered ${answer?.status()}`);
  if (await page.locator("live-mark").count()) await page.waitForSelector("live-mark[data-state=live]");
  await settled(page);
  // The browser itself logs that the missing page is missing.
  const said = wrong.filter((words) => !(isMissing && words.includes("404")));
  for (const words of [...said, ...(await axe(page))]) fail(`${label} ${path}: ${words}`);
  const wider = await sideways(page);
  if (wider > 0) fail(`${label} ${path}: ${wider} pixels wider than the window`);
  await shoot(page, `${name}-${label}`);
}

/** Frames by arrow keys: from one to the next in the grid, then large, and back to where it began. */
async function framesByKeyboard(page, path) {
  await page.goto(base + path);
  await page.locator("a.frame").first().focus();
  await page.keyboard.press("ArrowRight");
  const second = await page.evaluate(() => document.activeElement?.closest("li")?.id);
  await page.keyboard.press("Enter");
  const large = page.locator("dialog.viewer-box[open] img");
  await large.waitFor();
  for (const words of await axe(page)) fail(`a frame large: ${words}`);
  await shoot(page, "frame-large");
  const source = await large.getAttribute("src");
  await page.keyboard.press("ArrowLeft");
  await page.waitForFunction(
    (before) => document.querySelector("dialog.viewer-box img")?.getAttribute("src") !== before,
    source,
  );
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog.viewer-box[open]", { state: "detached" });
  const back = await page.evaluate(() => document.activeElement?.closest("li")?.id);
  if (back !== second) fail(`closing the large frame leads to ${back} instead of ${second}`);
}

/** A file that is no scene is refused in words, and another can be chosen at once. */
async function refusedFile(page) {
  await page.goto(`${base}/jobs/new`);
  const file = { name: "broken.zip", mimeType: "application/zip", buffer: Buffer.from("no zip at all") };
  await page.setInputFiles("#file", file);
  const refusal = page.locator(".sending__error:not([hidden])");
  await refusal.waitFor();
  if (!/not a zip/.test(await refusal.textContent())) fail(`refused: ${await refusal.textContent()}`);
  if (!(await page.locator("form.drop").isVisible())) fail("refused: no other file can be chosen");
  for (const words of await axe(page)) fail(`a refused file: ${words}`);
  await shoot(page, "submit-refused");
}

/** The main steps where scripts are off. */
async function withoutScripts(browser) {
  const plain = await context(browser, { width: 1280, theme: "light", script: false });
  const tab = await plain.newPage();
  await signIn(tab, base, PICTOR_EMAIL, PICTOR_PASSWORD);
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
  if (PICTOR_SCENE) await submitWithoutScripts(tab);
  await plain.close();
}

async function submitWithoutScripts(tab) {
  await tab.goto(`${base}/jobs/new`);
  await tab.setInputFiles("#file", PICTOR_SCENE);
  await tab.click("button:has-text('Send the file')");
  if (!/\/jobs\/new\?file=/.test(tab.url())) return fail(`without scripts: ${tab.url()} after the file`);
  await tab.check("[name=paused]");
  await tab.click("button:has-text('Submit the job')");
  if (!/\/jobs\/job_/.test(tab.url())) fail(`without scripts: ${tab.url()} instead of the job`);
}

const browser = await launch();
const first = await context(browser, { width: 1280, theme: "light" });
const page = await first.newPage();
await signIn(page, base, PICTOR_EMAIL, PICTOR_PASSWORD);
const list = await paths(page);
if (list["job-completed"]) await framesByKeyboard(page, list["job-completed"]);
await refusedFile(page);
const state = await first.storageState();
await first.close();

for (const theme of THEMES) {
  for (const width of WIDTHS) {
    const label = `${theme}-${width}`;
    const signedIn = await context(browser, { width, theme, state });
    for (const [name, path] of Object.entries(list)) {
      const tab = await signedIn.newPage();
      await check(tab, path, name, label);
      await tab.close();
    }
    await signedIn.close();
    const nobody = await context(browser, { width, theme });
    await check(await nobody.newPage(), "/sign-in", "sign-in", label);
    await nobody.close();
  }
}
await withoutScripts(browser);
await browser.close();
const count = Object.keys(list).length + 1;
console.log(failures.length ? `${failures.length} failures` : `${count} pages, both themes and widths: fine`);
process.exit(failures.length ? 1 : 0);
