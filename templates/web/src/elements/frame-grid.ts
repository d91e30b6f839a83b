import { define, icon } from "../dom";

/** Keys that lead from one frame to another, by how many. */
const STEPS: Record<string, number> = { ArrowRight: 1, ArrowLeft: -1 };

/** The frames of a job: arrow keys walk over those that are stored, and one opens large over the page. Each
 * stays a plain link, for another tab and for browsers without scripts. */
class FrameGrid extends HTMLElement {
  private box: LargeFrame | null = null;

  connectedCallback(): void {
    this.addEventListener("keydown", (event) => {
      const here = frameAt(event.target);
      const goal = here && this.goal(event.key, here);
      if (!goal) return;
      event.preventDefault();
      goal.focus();
    });
    this.addEventListener("click", (event) => {
      const link = frameAt(event.target);
      // With a key held the browser opens another tab, as everywhere.
      if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      this.box ??= new LargeFrame(this);
      this.box.open(link);
    });
  }

  links(): HTMLAnchorElement[] {
    return [...this.querySelectorAll<HTMLAnchorElement>("a.frame")];
  }

  private goal(key: string, here: HTMLAnchorElement): HTMLElement | undefined {
    const links = this.links();
    const at = links.indexOf(here);
    const step = STEPS[key];
    if (step) return links[at + step];
    if (key === "Home") return links[0];
    if (key === "End") return links.at(-1);
    if (key !== "ArrowDown" && key !== "ArrowUp") return undefined;
    const box = here.getBoundingClientRect();
    const later = key === "ArrowDown";
    const candidates = later ? links.slice(at + 1) : links.slice(0, at).reverse();
    return candidates.find((link) => {
      const other = link.getBoundingClientRect();
      return (
        Math.abs(other.left - box.left) < box.width / 2 && (later ? other.top > box.top : other.top < box.top)
      );
    });
  }
}

function frameAt(target: EventTarget | null): HTMLAnchorElement | null {
  return target instanceof Element ? target.closest<HTMLAnchorElement>("a.frame") : null;
}

/** One frame over the page: arrows for its neighbours, a click for its real pixels, Escape to close. */
class LargeFrame {
  private dialog = document.createElement("dialog");
  private title = make("h2", "viewer-box__title");
  private note = make("p", "viewer-box__note");
  private stage = make("div", "viewer-box__stage");
  private before = button("left", "Frame before");
  private after = button("right", "Frame after");
  private page = document.createElement("a");
  private file = document.createElement("a");
  private shown: HTMLAnchorElement | null = null;

  constructor(private grid: FrameGrid) {
    const close = button("close", "Close");
    const words = make("div", "viewer-box__words");
    const tools = make("div", "viewer-box__tools");
    this.dialog.className = "viewer-box";
    this.page.className = this.file.className = "button button--small";
    this.page.textContent = "Details";
    this.title.id = "large-frame";
    this.dialog.setAttribute("aria-labelledby", this.title.id);
    this.stage.tabIndex = -1;
    words.append(this.title, this.note);
    tools.append(this.before, this.after, this.page, this.file, close);
    this.dialog.append(words, tools, this.stage);
    this.before.addEventListener("click", () => this.step(-1));
    this.after.addEventListener("click", () => this.step(1));
    close.addEventListener("click", () => this.dialog.close());
    this.stage.addEventListener("click", () => this.stage.toggleAttribute("data-real"));
    this.dialog.addEventListener("keydown", (event) => {
      const step = STEPS[event.key];
      if (!step || this.stage.hasAttribute("data-real")) return;
      event.preventDefault();
      this.step(step);
    });
    this.dialog.addEventListener("close", () => {
      this.dialog.remove();
      this.shown?.focus();
    });
  }

  open(link: HTMLAnchorElement): void {
    // Outside of what live changes put in place.
    document.body.append(this.dialog);
    this.show(link);
    this.dialog.showModal();
    this.stage.focus();
  }

  private step(by: number): void {
    const links = this.grid.links();
    // A live change may have put another element in the place of the shown one.
    const at = links.findIndex((link) => link.href === this.shown?.href);
    const next = links[at + by];
    if (next) this.show(next);
  }

  private show(link: HTMLAnchorElement): void {
    const { picture = "", file = "", fileName = "", note = "" } = link.dataset;
    const number = link.querySelector(".frame__number")?.textContent ?? "";
    const image = document.createElement("img");
    this.shown = link;
    this.title.textContent = `Frame ${number}`;
    this.note.textContent = note;
    image.src = picture;
    image.alt = `Frame ${number} of ${this.grid.dataset.name ?? "the job"}`;
    this.stage.replaceChildren(image);
    this.stage.removeAttribute("data-real");
    this.page.href = link.href;
    this.file.href = file;
    this.file.download = fileName;
    this.file.replaceChildren(icon("download"), "Download");
    const links = this.grid.links();
    const at = links.findIndex((other) => other.href === link.href);
    this.before.disabled = at <= 0;
    this.after.disabled = at < 0 || at + 1 >= links.length;
  }
}

function make(name: string, className: string): HTMLElement {
  const element = document.createElement(name);
  element.className = className;
  return element;
}

function button(glyph: string, label: string): HTMLButtonElement {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "button button--small button--icon";
  element.setAttribute("aria-label", label);
  element.title = label;
  element.append(icon(glyph));
  return element;
}

define("frame-grid", FrameGrid);
