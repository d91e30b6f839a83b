import { define } from "../dom";

const NEAR_END = 24;

/** A log that follows its end, unless somebody scrolled up to read. */
class LogView extends HTMLElement {
  private watcher: MutationObserver | null = null;
  private follows = true;

  connectedCallback(): void {
    this.scrollTop = this.scrollHeight;
    this.addEventListener("scroll", () => {
      this.follows = this.scrollHeight - this.scrollTop - this.clientHeight < NEAR_END;
    });
    this.watcher = new MutationObserver(() => {
      if (this.follows) this.scrollTop = this.scrollHeight;
    });
    this.watcher.observe(this, { childList: true });
  }

  disconnectedCallback(): void {
    this.watcher?.disconnect();
  }
}
define("log-view", LogView);
