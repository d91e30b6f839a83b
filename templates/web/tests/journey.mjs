// A person's first hour, in Chromium with the real programs: signs in, makes a worker, downloads its
// configuration file, starts pictor-worker with it and watches the set-up page tick; submits a scene, watches
// its frames arrive and downloads one of them and all of them.
//
// PICTOR_URL, PICTOR_EMAIL, PICTOR_PASSWORD   a running cloud and an account (provider, creator), no worker.
// PICTOR_WORKER_PROGRAM   the program pictor-worker.
// PICTOR_WORKER_DATA      folder for that worker; may hold `probes` already.
// PICTOR_SCENE            a .blend file with a few frames.
// PICTOR_SHOTS            where screenshots go; none are written without it.
//
// It fails (exit 1) on the first thing that is not as it should be. Every wait is for a state and is bounded.
import { execFile, spawn } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { axe, context, launch, signIn, shooter, sideways, watch } from "./browser.mjs";
import { zipEntries } from "./zip.mjs";

const names = ["URL", "EMAIL", "PASSWORD", "WORKER_PROGRAM", "WORKER_DATA", "SCENE"];
const said = Object.fromEntries(names.map((name) => [name, process.env[`PICTOR_${name}`]]));
const missing = names.filter((name) => !said[name]);
if (missing.length) {
  console.error(`set ${missing.map((name) => `PICTOR_${name}`).join(", ")}; the head of this file says how`);
  process.exit(2);
}
const base = new URL(said.URL).origin;
const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
// A worker looks for software first, and a frame is rendered by a real Blender on a shared machine.
const LONG = 150_000;
const shoot = await shooter(process.env.PICTOR_SHOTS);
const run = promisify(execFile);
let worker = null;

function expect(is, words) {
  if (!is) throw new Error(words);
}

/** Remembers this document, so that a page that was loaded anew is told from one that changed by itself. */
async function pin(page) {
  await page.evaluate(() => (document.documentElement.dataset.pinned = "yes"));
}

async function stillPinned(page, where) {
  const is = await page.evaluate(() => document.documentElement.dataset.pinned === "yes");
  expect(is, `${where}: the page was loaded anew instead of changing by itself`);
}

async function saved(page, press) {
  const [download] = await Promise.all([page.waitForEvent("download"), press()]);
  expect(!(await download.failure()), `the download failed: ${await download.failure()}`);
  return {
    name: download.suggestedFilename(),
    path: await download.path(),
    save: (to) => download.saveAs(to),
  };
}

async function sound(page, where) {
  for (const words of await axe(page)) throw new Error(`${where}: ${words}`);
  const wider = await sideways(page);
  expect(wider <= 0, `${where}: ${wider} pixels wider than the window`);
  await shoot(page, where);
}

/** Names a worker, imports its file on this machine and watches the steps up to the first heartbeat. */
async function setUpWorker(page) {
  await page.goto(`${base}/workers`);
  await sound(page, "1 no worker");
  await page.click("text=Add your first worker");
  await page.fill("[name=name]", "journey-rig");
  await page.click("button:has-text('Create the worker')");
  await page.waitForURL(/\/set-up$/);
  await pin(page);
  await page.waitForSelector("live-mark[data-state=live]");
  await sound(page, "2 set-up begins");
  const file = await saved(page, () => page.click("#download"));
  expect(file.name === "journey-rig.pictor", `the configuration file is called ${file.name}`);
  await mkdir(said.WORKER_DATA, { recursive: true });
  const configuration = join(said.WORKER_DATA, "..", file.name);
  await file.save(configuration);
  await run(said.WORKER_PROGRAM, ["import", configuration, "--data", said.WORKER_DATA]);
  await page.waitForSelector(".step--done:has-text('Configuration file imported')");
  await sound(page, "3 file imported");
  worker = spawn(said.WORKER_PROGRAM, ["run", "--data", said.WORKER_DATA], { stdio: "ignore" });
  await page.waitForSelector(".step--done:has-text('Ready for work')", { timeout: LONG });
  const done = await page.locator(".step--done").count();
  expect(done === 4, `${done} of 4 steps are done although the worker is ready`);
  await stillPinned(page, "set-up");
  await sound(page, "4 worker ready");
  await problemsShown(page, configuration);
  await page.click("text=Open journey-rig");
  await page.waitForSelector("#worker-facts >> text=Blender");
  await sound(page, "5 worker page");
}

/** The same file on a second machine is refused there, and this page says so without being loaded anew. */
async function problemsShown(page, configuration) {
  const second = join(said.WORKER_DATA, "..", "second-machine");
  const refused = await run(said.WORKER_PROGRAM, ["import", configuration, "--data", second]).then(
    () => null,
    (error) => error.stderr,
  );
  expect(refused?.includes("used already"), `the second machine heard: ${refused}`);
  await page.waitForSelector("#set-up-steps [role=alert]");
  await stillPinned(page, "second machine");
  await sound(page, "4b second machine");
}

/** Sends the scene, checks what was read from it, submits; gives how many frames it has. */
async function submit(page) {
  await page.goto(`${base}/jobs/new`);
  await sound(page, "6 choose a file");
  const bars = page.waitForSelector(".sending progress", { state: "visible" });
  await page.setInputFiles("#file", said.SCENE);
  await bars;
  await page.waitForURL(/\/jobs\/new\?file=/);
  const frames = await page.inputValue("[name=frames]");
  const [, last] = /^1-(\d+)$/.exec(frames) ?? [];
  expect(last, `the frames read back are “${frames}”`);
  const stem = basename(said.SCENE, ".blend");
  expect((await page.inputValue("[name=name]")) === stem, "the job's name is not the file's");
  expect((await page.inputValue("[name=width]")) === "160", "the width was not read from the file");
  expect((await page.inputValue("[name=samples]")) === "40", "the samples were not read from the file");
  await page.fill("[name=samples]", "41");
  await page.waitForSelector("origin-mark[for=field-samples][data-overridden]");
  await page.fill("[name=samples]", "40");
  await page.waitForSelector("origin-mark[for=field-samples]:not([data-overridden])");
  await sound(page, "7 settings read back");
  await page.click("button:has-text('Submit the job')");
  await page.waitForURL(/\/jobs\/job_/);
  return Number(last);
}

/** Sees each frame come in without loading the page, up to the job's end. */
async function watchFrames(page, frames) {
  await pin(page);
  await page.waitForSelector("live-mark[data-state=live]");
  await sound(page, "8 job begins");
  await page.waitForSelector("a.frame", { timeout: LONG });
  await shoot(page, "9 first frame");
  const seen = new Set();
  while (seen.size < frames) {
    await page.waitForFunction((known) => document.querySelectorAll("a.frame").length > known, seen.size, {
      timeout: LONG,
    });
    for (const label of await page.locator("a.frame .frame__number").allTextContents()) seen.add(label);
  }
  await page.waitForSelector("#job-state :text-is('Completed')", { timeout: LONG });
  await page.waitForFunction(() =>
    [...document.querySelectorAll("a.frame img")].every((img) => img.complete && img.naturalWidth > 0),
  );
  await stillPinned(page, "job");
  await sound(page, "10 completed");
}

/** One frame large and saved, then all of them. */
async function download(page, frames) {
  const all = await saved(page, () => page.click("text=Download frames"));
  const entries = zipEntries(await readFile(all.path));
  expect(entries.length === frames, `${entries.length} files in the zip instead of ${frames}`);
  for (const { name, bytes } of entries) {
    expect(bytes.subarray(0, 8).equals(PNG), `${name} in the zip is no PNG`);
  }
  await page.click("a.frame >> nth=0");
  const large = "dialog.viewer-box[open]";
  await page.waitForFunction((box) => document.querySelector(`${box} img`)?.naturalWidth > 0, large);
  await page.keyboard.press("ArrowRight");
  await page.waitForSelector(`${large} h2:text-is('Frame 2')`);
  await sound(page, "11 frame large");
  const one = await saved(page, () => page.click(`${large} a[download]`));
  const bytes = await readFile(one.path);
  expect(bytes.subarray(0, 8).equals(PNG), `${one.name} is no PNG`);
  const [twin] = entries.filter((entry) => entry.name.endsWith(one.name));
  expect(twin?.bytes.equals(bytes), `${one.name} differs from the one in the zip`);
  await page.click(`${large} >> text=Details`);
  await page.waitForFunction(() => document.querySelector(".picture img")?.naturalWidth > 0);
  await page.keyboard.press("ArrowLeft");
  await page.waitForURL(/\/frames\/1$/);
  await sound(page, "12 frame page");
}

async function stop(child) {
  if (!child || child.exitCode !== null) return;
  const ended = new Promise((done) => child.once("exit", done));
  child.kill("SIGTERM");
  await ended;
}

const browser = await launch();
let failure = null;
try {
  const person = await context(browser, { width: 1280, theme: "light" });
  const page = await person.newPage();
  const wrong = watch(page, base);
  try {
    await signIn(page, base, said.EMAIL, said.PASSWORD);
    await setUpWorker(page);
    const frames = await submit(page);
    await watchFrames(page, frames);
    await download(page, frames);
    expect(!wrong.length, wrong.join("\n"));
    console.log(`worker set up, ${frames} frames watched and downloaded`);
  } catch (error) {
    await shoot(page, "failed").catch(() => {});
    throw new Error(`${page.url()}: ${error.message}\n${wrong.join("\n")}`);
  }
} catch (error) {
  failure = error;
} finally {
  await browser.close();
  await stop(worker);
}
if (failure) console.error(failure.message);
process.exit(failure ? 1 : 0);
