import { define } from "../dom";

/** `<reveal-after seconds="60" until="SELECTOR">`: opens its help when nothing has happened for that long. */
class RevealAfter extends HTMLElement {
  private timer = 0;

  connectedCallback(): void {
    const seconds = Number(this.getAttribute("seconds") ?? "60");
    this.timer = window.setTimeout(() => {
      const until = this.getAttribute("until");
      const details = this.querySelector("details");
      if (details && !(until && document.querySelector(until))) details.open = true;
    }, seconds * 1000);
  }

  disconnectedCallback(): void {
    window.clearTimeout(this.timer);
  }
}
define("reveal-after", RevealAfter);
