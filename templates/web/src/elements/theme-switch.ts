import { define } from "../dom";

const YEAR = 365 * 24 * 3600;

/** Changes the theme without loading the page again; the cookie makes the next page's first byte right. */
class ThemeSwitch extends HTMLElement {
  connectedCallback(): void {
    this.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("button") : null;
      if (!button) return;
      event.preventDefault();
      document.documentElement.dataset.theme = button.value;
      const secure = location.protocol === "https:" ? "; Secure" : "";
      document.cookie = `pictor_theme=${button.value}; Path=/; Max-Age=${YEAR}; SameSite=Lax${secure}`;
      for (const other of this.querySelectorAll("button")) {
        other.setAttribute("aria-pressed", String(other === button));
      }
      document.dispatchEvent(new CustomEvent("pictor:theme"));
    });
  }
}
define("theme-switch", ThemeSwitch);
