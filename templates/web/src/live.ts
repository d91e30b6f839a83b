// The one stream of a page: what it says is swapped in by htmx; this part keeps the mark truthful and brings
// the page up to date after events were lost.

type State = "wait" | "live" | "lost";
const WORDS: Record<State, string> = { wait: "connecting", live: "live", lost: "reconnecting…" };

interface SwapTask {
  target: Element | null;
}

function mark(state: State): void {
  for (const element of document.querySelectorAll<HTMLElement>("live-mark")) {
    if (element.dataset.state === state) continue;
    element.dataset.state = state;
    const words = element.querySelector(".live__words");
    if (words) words.textContent = WORDS[state];
  }
}

/** What the page listens to: of a list, the rows it shows. */
function heard(page: Document): string | null | undefined {
  return page.querySelector("#stream")?.getAttribute("hx-sse:connect");
}

let loading = false;

/** Fetches this page anew and puts its content in place of the old one, keeping focus and scroll. */
async function reload(): Promise<void> {
  if (loading) return;
  loading = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.redirected) return void location.reload();
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (heard(page) !== heard(document)) return void location.reload();
    const fresh = page.querySelector("#main");
    const swap = {
      sourceElement: document.body,
      target: "#main",
      swap: "outerMorph",
      text: fresh?.outerHTML ?? "",
    };
    if (fresh) await (window as unknown as { htmx: { swap(ctx: object): Promise<void> } }).htmx.swap(swap);
  } catch {
    mark("lost");
  } finally {
    loading = false;
  }
}

document.addEventListener("htmx:sse:after:connection", () => mark("live"));
document.addEventListener("htmx:sse:after:message", () => mark("live"));
document.addEventListener("htmx:sse:error", () => mark("lost"));
document.addEventListener("htmx:sse:close", () => mark("lost"));
document.addEventListener("htmx:error", () => mark("lost"));
document.addEventListener("resync", () => void reload());
document.addEventListener("session-expired", () => location.reload());

// A row that is on another page of the list has no place here.
document.addEventListener("htmx:before:swap", (event) => {
  const tasks = (event as CustomEvent<{ tasks?: SwapTask[] }>).detail.tasks;
  if (!tasks) return;
  for (let at = tasks.length - 1; at >= 0; at -= 1) {
    if (!tasks[at]?.target) tasks.splice(at, 1);
  }
});
