// The submit page: a file goes up in parts, which can be paused and go on after a broken line; then the
// settings page shows what the cloud read from it. Also marks which settings differ from the file.
import { define, find } from "./dom";

interface Upload {
  id: string;
  size: number;
  part_size: number;
  part_count: number;
  parts_stored: number[];
  blake3: string | null;
}

interface Problem {
  detail?: string;
  fields?: { message: string }[];
}

const TRIES = 6;
const FIRST_WAIT = 800;

class Refused extends Error {}

/** `<file-drop data-token="…">`: the drop zone and, once a file is chosen, how far it is. */
class FileDrop extends HTMLElement {
  private stopper = new AbortController();
  private isPaused = false;
  private resume: (() => void) | null = null;

  connectedCallback(): void {
    const form = find(this, "form", HTMLFormElement);
    const input = find(this, "input[type=file]", HTMLInputElement);
    if (!form || !input) return;
    input.addEventListener("change", () => this.begin(input.files?.[0]));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.begin(input.files?.[0]);
    });
    for (const name of ["dragenter", "dragover"]) {
      form.addEventListener(name, (event) => {
        event.preventDefault();
        form.dataset.over = "";
      });
    }
    for (const name of ["dragleave", "drop"]) form.addEventListener(name, () => delete form.dataset.over);
    form.addEventListener("drop", (event) => {
      event.preventDefault();
      this.begin(event.dataTransfer?.files[0]);
    });
    this.piece(".sending__pause").addEventListener("click", () => this.togglePause());
    this.piece(".sending__stop").addEventListener("click", () => this.stop());
  }

  private piece(selector: string): HTMLElement {
    return find(this, selector, HTMLElement) ?? document.createElement("span");
  }

  private begin(file: File | undefined): void {
    if (!file) return;
    this.piece("form").hidden = true;
    this.piece(".sending").hidden = false;
    this.show(".sending__error", false);
    this.piece(".sending__name").textContent = file.name;
    this.stopper = new AbortController();
    this.send(file).catch((error: unknown) => {
      if (!this.stopper.signal.aborted)
        this.fail(error instanceof Error ? error.message : "The upload failed.");
    });
  }

  private async send(file: File): Promise<void> {
    this.say("Preparing…");
    let upload = await this.started(file);
    const stored = new Set(upload.parts_stored);
    let sent = [...stored].length * upload.part_size;
    const began = performance.now();
    const sentBefore = sent;
    for (let number = 0; number < upload.part_count && !upload.blake3; number += 1) {
      if (stored.has(number)) continue;
      await this.whilePaused();
      const part = file.slice(number * upload.part_size, (number + 1) * upload.part_size);
      await this.call("PUT", `/api/v1/uploads/${upload.id}/parts/${number}`, part);
      sent += part.size;
      this.progress(
        Math.min(sent, file.size),
        file.size,
        (sent - sentBefore) / ((performance.now() - began) / 1000),
      );
    }
    this.say("Reading the scene…");
    while (!upload.blake3) {
      upload = await this.call<Upload>("POST", `/api/v1/uploads/${upload.id}/complete`, "{}");
      if (!upload.blake3) await new Promise((done) => setTimeout(done, 2000));
    }
    location.assign(`/jobs/new?file=${upload.blake3 ?? ""}`);
  }

  /** The upload of this file that an earlier visit left unfinished, else a new one. */
  private async started(file: File): Promise<Upload> {
    const key = `upload:${file.name}:${file.size}:${file.lastModified}`;
    const known = localStorage.getItem(key);
    if (known) {
      const found = await this.once<Upload>("GET", `/api/v1/uploads/${known}`).catch(() => null);
      if (found) return found;
    }
    const body = JSON.stringify({ file_name: file.name, size: file.size });
    const upload = await this.call<Upload>("POST", "/api/v1/uploads", body);
    localStorage.setItem(key, upload.id);
    return upload;
  }

  /** One request, tried again over a bad line; what the cloud refuses is not tried again. */
  private async call<T>(method: string, path: string, body: BodyInit): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.once<T>(method, path, body);
      } catch (error) {
        if (error instanceof Refused || this.stopper.signal.aborted || attempt >= TRIES) throw error;
        this.say("The line is bad. Trying again…");
        await new Promise((done) => setTimeout(done, FIRST_WAIT * 2 ** (attempt - 1)));
      }
    }
  }

  private async once<T>(method: string, path: string, body: BodyInit | null = null): Promise<T> {
    const type = typeof body === "string" ? "application/json" : "application/octet-stream";
    const headers = {
      "Content-Type": type,
      "X-CSRF-Token": this.dataset.token ?? "",
      Accept: "application/json",
    };
    const answer = await fetch(path, { method, body, headers, signal: this.stopper.signal });
    if (answer.ok) return (await answer.json()) as T;
    const problem = (await answer.json().catch(() => ({}))) as Problem;
    const words = capital(
      problem.fields?.[0]?.message ?? problem.detail ?? `The cloud answered ${answer.status}.`,
    );
    throw answer.status >= 500 || answer.status === 429 ? new Error(words) : new Refused(words);
  }

  private async whilePaused(): Promise<void> {
    if (this.isPaused) await new Promise<void>((done) => (this.resume = done));
  }

  private togglePause(): void {
    this.isPaused = !this.isPaused;
    this.piece(".sending__pause").textContent = this.isPaused ? "Go on" : "Pause";
    if (this.isPaused) this.say("Paused. What was sent is kept.");
    else this.resume?.();
  }

  private stop(): void {
    this.stopper.abort();
    this.isPaused = false;
    this.piece(".sending").hidden = true;
    this.piece("form").hidden = false;
  }

  private progress(sent: number, size: number, speed: number): void {
    const bar = find(this, "progress", HTMLProgressElement);
    if (bar) bar.value = (sent / Math.max(size, 1)) * 100;
    if (!this.isPaused) this.say(`${bytes(sent)} of ${bytes(size)}`);
    const left = speed > 0 ? Math.ceil((size - sent) / speed) : 0;
    this.piece(".sending__speed").textContent = `${bytes(speed)}/s${left > 1 ? `, ${left} s left` : ""}`;
  }

  private say(words: string): void {
    this.piece(".sending__words").textContent = words;
  }

  private fail(words: string): void {
    this.piece(".sending__reason").textContent = words;
    this.show(".sending__error", true);
    this.piece("form").hidden = false;
    const input = find(this, "input[type=file]", HTMLInputElement);
    // The same file may be chosen again once it was mended.
    if (input) input.value = "";
  }

  /** The refusal takes the place of the progress, and the other way round. */
  private show(error: string, isRefused: boolean): void {
    this.piece(error).hidden = !isRefused;
    for (const part of [".sending .actions", ".sending progress", ".sending__line"])
      this.piece(part).hidden = isRefused;
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit + 1 < units.length) {
    value /= 1024;
    unit += 1;
  }
  return `${unit ? value.toPrecision(3) : Math.round(value)} ${units[unit] ?? ""}`;
}

/** `<origin-mark for="ID" data-file="…">`: "from file", or "overridden" once the field differs from it. */
class OriginMark extends HTMLElement {
  connectedCallback(): void {
    const field = document.getElementById(this.getAttribute("for") ?? "");
    if (!(field instanceof HTMLInputElement || field instanceof HTMLSelectElement)) return;
    const tell = (): void => {
      const isSame = field.value.trim() === (this.dataset.file ?? "").trim();
      this.toggleAttribute("data-overridden", !isSame);
      this.textContent = isSame ? "from file" : "overridden";
    };
    field.addEventListener("input", tell);
    tell();
  }
}

define("file-drop", FileDrop);
define("origin-mark", OriginMark);
