import { define } from "../dom";

/** Arrow keys walk over the frames that can be opened; each stays a plain link. */
class FrameGrid extends HTMLElement {
  connectedCallback(): void {
    this.addEventListener("keydown", (event) => {
      const links = [...this.querySelectorAll<HTMLAnchorElement>("a.frame")];
      const at = links.indexOf(event.target as HTMLAnchorElement);
      const here = links[at];
      if (!here) return;
      const goal = this.goal(event.key, links, here, at);
      if (!goal) return;
      event.preventDefault();
      goal.focus();
    });
  }

  private goal(
    key: string,
    links: HTMLAnchorElement[],
    here: HTMLAnchorElement,
    at: number,
  ): HTMLElement | undefined {
    if (key === "ArrowRight") return links[at + 1];
    if (key === "ArrowLeft") return links[at - 1];
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
define("frame-grid", FrameGrid);
