// What every page loads. Each part stands alone: a page without it still works, only less comfortably.
import "htmx.org/dist/htmx.esm.js";
import "htmx.org/dist/ext/hx-sse.js";
import "@github/relative-time-element";
import "./elements/copy-button";
import "./elements/log-view";
import "./elements/reveal-after";
import "./elements/theme-switch";
import "./elements/frame-grid";
import "./live";
import "./keys";

// What was just done is said once: loading the page again, or keeping its address, does not say it anew.
const address = new URL(location.href);
if (address.searchParams.has("done")) {
  address.searchParams.delete("done");
  history.replaceState(history.state, "", address);
}
