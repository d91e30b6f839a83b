import { define } from "../dom";

/** `<list-counts data-table="ID">`: how many rows are in which state, kept right as rows change. */
class ListCounts extends HTMLElement {
  private watcher: MutationObserver | null = null;

  connectedCallback(): void {
    const table = document.getElementById(this.dataset.table ?? "");
    if (!table) return;
    const tell = (): void => this.tell(table);
    this.watcher = new MutationObserver(tell);
    this.watcher.observe(table, {
      subtree: true,
      childList: true,
      attributes: true,
      attributeFilter: ["data-word"],
    });
    tell();
  }

  disconnectedCallback(): void {
    this.watcher?.disconnect();
  }

  private tell(table: HTMLElement): void {
    const counts = new Map<string, number>();
    for (const row of table.querySelectorAll<HTMLElement>("tr[data-word]")) {
      const word = (row.dataset.word ?? "").toLowerCase();
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    const words = [...counts].sort((a, b) => b[1] - a[1]).map(([word, count]) => `${count} ${word}`);
    const text = words.join(" · ");
    if (this.textContent !== text) this.textContent = text;
  }
}
define("list-counts", ListCounts);
