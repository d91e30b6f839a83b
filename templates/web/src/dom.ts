/** The first element that matches, of this kind. */
export function find<T extends Element>(root: ParentNode, selector: string, kind: new () => T): T | null {
  const found = root.querySelector(selector);
  return found instanceof kind ? found : null;
}

/** An icon of the sprite, whose address the page's own icons tell. */
export function icon(name: string): SVGSVGElement {
  const known = document.querySelector("svg.icon use")?.getAttribute("href") ?? "";
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${known.split("#")[0]}#${name}`);
  svg.append(use);
  return svg;
}

/** Registers an element once. */
export function define(name: string, kind: CustomElementConstructor): void {
  if (!customElements.get(name)) customElements.define(name, kind);
}
