import { define, icon } from "../dom";

/** `<copy-button value="…">`: puts the value on the clipboard and says so. */
class CopyButton extends HTMLElement {
  connectedCallback(): void {
    if (this.firstChild) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.title = "Copy";
    button.setAttribute("aria-label", `Copy ${this.getAttribute("value") ?? ""}`);
    button.append(icon("copy"));
    button.addEventListener("click", () => void this.copy(button));
    this.append(button);
  }

  private async copy(button: HTMLButtonElement): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.getAttribute("value") ?? "");
    } catch {
      button.title = "The browser does not allow it: select the text instead";
      return;
    }
    button.dataset.done = "";
    button.replaceChildren(icon("check"));
    setTimeout(() => {
      delete button.dataset.done;
      button.replaceChildren(icon("copy"));
    }, 1500);
  }
}
define("copy-button", CopyButton);
